"""Signing in at an identity provider, and what must not let anybody in (OpenID Connect Core §3.1; RFC 9207; RFC 9700 §4)."""

import hashlib
import json
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi import Response
from joserfc.jwk import OctKey

from bhr_api.auth import accounts
from bhr_api.auth.federated_request import LIFETIME
from bhr_api.routers.page_forms import Cookies
from tests.fixtures.identity_provider import (
    CLIENT_ID,
    KEY,
    P256,
    SECRET,
    STRANGER,
    SUBJECT,
    FederatedClinic,
    MadeUpProvider,
    federated_clinic,
    leave_for_provider,
    made_up_provider,
    provider_links_of,
    signed,
)
from tests.fixtures.pages import Visitor, parameters_of
from tests.fixtures.server import RunningServer

CALLBACK = "/oauth/callback"


@pytest.fixture(scope="module")
def provider() -> Iterator[MadeUpProvider]:
    with made_up_provider() as running:
        yield running


@pytest.fixture(scope="module")
def place(
    database_dsn: str, server: RunningServer, provider: MadeUpProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FederatedClinic]:
    """A clinic with two providers; the second always says whose answer it is."""
    tenant = server.new_tenant()
    second = provider.entry(
        tenant, name="Strict", issuer="https://strict.example", sends_iss=True, client_secret_file=None
    )
    directory = tmp_path_factory.mktemp("federation")
    with federated_clinic(database_dsn, server, directory, provider.entry(tenant), second) as found:
        found.link("clinician", SUBJECT)
        yield found


@pytest.fixture
def browsers(place: FederatedClinic) -> Iterator[Callable[[], Visitor]]:
    """Makes browsers, each with its own cookies."""
    made: list[httpx.Client] = []

    def make() -> Visitor:
        made.append(httpx.Client(base_url=place.clinic.server.url, timeout=30))
        return Visitor(place.clinic.server, made[-1])

    yield make
    for http in made:
        http.close()


@pytest.fixture
def browser(browsers: Callable[[], Visitor]) -> Visitor:
    return browsers()


@pytest.fixture
def ways(place: FederatedClinic, browser: Visitor) -> list[str]:
    """The links on the sign-in page of the tenant."""
    return provider_links_of(browser.open(f"/app/sign-in?tenant={place.clinic.tenant}"))


def come_back(browser: Visitor, state: str, **parameters: str) -> httpx.Response:
    return browser.http.get(CALLBACK, params={"code": "c", "state": state, **parameters})


def is_signed_in(browser: Visitor) -> bool:
    return browser.http.get("/app/apps").status_code == 200


def last_login(place: FederatedClinic) -> str:
    return [told for what, told in place.clinic.audited() if what == "oauth-login"][-1]


def test_the_request_is_complete_and_tied_to_the_browser(
    place: FederatedClinic, provider: MadeUpProvider, browser: Visitor, ways: list[str]
) -> None:
    answer = browser.http.get(ways[0])
    assert answer.headers["Location"].startswith(f"{provider.issuer}/authorize?audience=people&")
    sent = leave_for_provider(browser, ways[0])
    assert sent.keys() >= {"state", "nonce", "code_challenge"}
    fixed = {name: sent[name] for name in ("response_type", "response_mode", "client_id", "redirect_uri", "scope")}
    assert fixed == {
        "response_type": "code",
        "response_mode": "query",
        "client_id": CLIENT_ID,
        "redirect_uri": f"{place.clinic.server.url}{CALLBACK}",
        "scope": "openid",
    }
    assert sent["code_challenge_method"] == "S256"
    cookie = answer.headers["Set-Cookie"].lower()
    assert cookie.startswith("bhr-federation=")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "max-age=600" in cookie
    assert not {"prompt", "max_age"} & sent.keys()


def test_who_comes_back_is_signed_in(
    place: FederatedClinic, provider: MadeUpProvider, browser: Visitor, ways: list[str]
) -> None:
    sent = leave_for_provider(browser, ways[0])
    at_hash = urlsafe_b64encode(hashlib.sha256(b"opaque").digest()[:16]).rstrip(b"=").decode()
    provider.will_give(signed(provider.claims(sent["nonce"], at_hash=at_hash, azp=CLIENT_ID)))
    answer = come_back(browser, state=sent["state"], iss=provider.issuer)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/app/apps")
    assert is_signed_in(browser)
    assert "bhr-federation" not in browser.http.cookies
    assert last_login(place) == f"success: clinician signed in by fed as {SUBJECT} at {provider.issuer}"
    form = provider.forms[-1]
    assert (form["grant_type"], form["code"], form["redirect_uri"]) == ("authorization_code", "c", sent["redirect_uri"])
    challenge = urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
    assert challenge == sent["code_challenge"]
    basic = b64decode(provider.authorizations[-1].removeprefix("Basic ")).decode()
    assert basic == "bhr+%26+records:s3cret%3A%2B%2F%25"
    assert "client_id" not in form
    assert SECRET not in str(form)


def test_an_app_gets_its_code_by_a_sign_in_elsewhere(
    place: FederatedClinic, provider: MadeUpProvider, browser: Visitor
) -> None:
    page = browser.open(place.app.address())
    assert "Sign in with North &lt;Clinic&gt; Login" in page.text
    sent = leave_for_provider(browser, provider_links_of(page)[0])
    provider.will_give(signed(provider.claims(sent["nonce"])))
    browser.open(f"{CALLBACK}?code=c&state={sent['state']}")
    browser.submit(choose=("patient=omar",))
    assert parameters_of(browser.submit("decision=allow")).keys() == {"code", "state", "iss"}


Forge = Callable[[MadeUpProvider, str], str]


def with_claims(**changes: Any) -> Forge:
    return lambda provider, nonce: signed(provider.claims(nonce, **changes))


def with_header(key: Any = KEY, **header: Any) -> Forge:
    return lambda provider, nonce: signed(provider.claims(nonce), key, **header)


PAST = int(time.time()) - 3600


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(with_claims(nonce="another"), id="nonce-of-another-request"),
        pytest.param(with_claims(nonce=None), id="no-nonce"),
        pytest.param(with_claims(nonce=7), id="nonce-no-text"),
        pytest.param(with_claims(aud="another-client"), id="another-client"),
        pytest.param(with_claims(aud=None), id="no-audience"),
        pytest.param(with_claims(aud=[CLIENT_ID, "another"]), id="two-audiences-without-azp"),
        pytest.param(with_claims(azp="another"), id="issued-to-another"),
        pytest.param(with_claims(iss="https://evil.example"), id="another-issuer"),
        pytest.param(with_claims(iss=None), id="no-issuer"),
        pytest.param(with_claims(exp=PAST), id="expired"),
        pytest.param(with_claims(exp=None), id="no-expiry"),
        pytest.param(with_claims(iat=None), id="no-iat"),
        pytest.param(with_claims(iat=PAST + 7200), id="from-the-future"),
        pytest.param(with_claims(sub=None), id="no-subject"),
        pytest.param(with_claims(sub=""), id="empty-subject"),
        pytest.param(with_claims(sub=f"{SUBJECT}\0"), id="nul-in-subject"),
        pytest.param(with_claims(sub="x" * 256), id="long-subject"),
        pytest.param(with_claims(sub=[SUBJECT]), id="subject-no-text"),
        pytest.param(with_claims(at_hash="AAAAAAAAAAAAAAAAAAAAAA"), id="hash-of-another-token"),
        pytest.param(with_claims(at_hash=[1]), id="hash-no-text"),
        pytest.param(with_claims(auth_time="now"), id="auth-time-no-number"),
        pytest.param(with_claims(auth_time=1e300), id="auth-time-no-time"),
        pytest.param(with_header(STRANGER), id="another-key"),
        pytest.param(with_header(kid="k2"), id="unknown-kid"),
        pytest.param(with_header(kid=None), id="no-kid"),
        pytest.param(with_header(P256, kid="ec", alg="ES256"), id="algorithm-not-configured"),
        pytest.param(with_header(OctKey.import_key("secret" * 8), alg="HS256"), id="hmac"),
        pytest.param(with_header(jku="https://evil.example/jwks"), id="jku"),
        pytest.param(with_header(STRANGER, jwk=STRANGER.as_dict(private=False)), id="embedded-key"),
        pytest.param(with_header(typ="at+jwt"), id="access-token"),
        pytest.param(with_header(typ="logout+jwt"), id="logout-token"),
        pytest.param(lambda provider, nonce: signed(provider.claims(nonce)).rpartition(".")[0] + ".", id="unsigned"),
        pytest.param(lambda *_: "a.b.c", id="no-jwt"),
    ],
)
def test_a_forged_or_foreign_id_token_lets_nobody_in(
    place: FederatedClinic, provider: MadeUpProvider, browser: Visitor, ways: list[str], forge: Forge
) -> None:
    sent = leave_for_provider(browser, ways[0])
    provider.will_give(forge(provider, sent["nonce"]))
    answer = come_back(browser, state=sent["state"])
    assert answer.status_code == 403
    assert "You are not signed in" in answer.text
    assert not is_signed_in(browser)
    assert last_login(place).startswith(f"login_failed: at {provider.issuer}: ")


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        pytest.param(400, b'{"error":"invalid_grant"}', {}, id="code-refused"),
        pytest.param(302, b"", {"Location": "https://evil.example/"}, id="redirect"),
        pytest.param(200, b"<html>", {}, id="no-json"),
        pytest.param(200, b"[]", {}, id="no-object"),
        pytest.param(200, b'{"access_token":"a"}', {}, id="no-id-token"),
        pytest.param(200, b" " * (256 * 1024 + 1), {}, id="too-long"),
        pytest.param(200, b"{}", {"Content-Encoding": "gzip"}, id="compressed"),
        pytest.param(200, b"\xff", {}, id="no-utf-8"),
    ],
)
def test_a_token_endpoint_that_gives_nothing_lets_nobody_in(
    provider: MadeUpProvider, browser: Visitor, ways: list[str], status: int, body: bytes, headers: dict[str, str]
) -> None:
    sent = leave_for_provider(browser, ways[0])
    provider.status, provider.body, provider.headers = status, body, headers
    answer = come_back(browser, state=sent["state"])
    assert answer.status_code == 403
    assert "evil" not in answer.text
    assert not is_signed_in(browser)


def test_nobody_waits_for_a_provider_that_is_slow(
    provider: MadeUpProvider, browsers: Callable[[], Visitor], ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # More answers than OAuth has connections; none of them holds one while the provider is asked.
    waiting = [browsers() for _ in range(8)]
    states = [leave_for_provider(browser, ways[0])["state"] for browser in waiting]
    provider.status = 400
    monkeypatch.setattr(provider, "delay_seconds", 3.0)
    asked = len(provider.forms)
    with ThreadPoolExecutor(len(waiting)) as pool:
        answers = [pool.submit(come_back, *pair) for pair in zip(waiting, states, strict=True)]
        give_up = time.monotonic() + 30
        while len(provider.forms) < asked + len(waiting):
            assert time.monotonic() < give_up
            time.sleep(0.01)
        other = browsers()
        other.http.cookies["bhr"] = f"bhr_session_default_{'x' * 43}"
        assert other.http.get("/app/apps").status_code == 303
        assert not any(answer.done() for answer in answers)
        assert {answer.result().status_code for answer in answers} == {403}


def test_a_state_of_another_browser_is_none(
    provider: MadeUpProvider, browsers: Callable[[], Visitor], ways: list[str]
) -> None:
    attacker, victim = browsers(), browsers()
    sent = leave_for_provider(attacker, ways[0])
    leave_for_provider(victim, ways[0])
    provider.will_give(signed(provider.claims(sent["nonce"])))
    asked = len(provider.forms)
    for browser in (victim, browsers()):
        answer = come_back(browser, state=sent["state"])
        assert answer.status_code == 403
        assert "Start the sign-in again" in answer.text
        assert not is_signed_in(browser)
    assert len(provider.forms) == asked


def test_a_state_is_good_for_one_answer(provider: MadeUpProvider, browser: Visitor, ways: list[str]) -> None:
    sent = leave_for_provider(browser, ways[0])
    provider.status = 400
    assert come_back(browser, state=sent["state"]).status_code == 403
    provider.will_give(signed(provider.claims(sent["nonce"])))
    assert "Start the sign-in again" in come_back(browser, state=sent["state"]).text
    assert not is_signed_in(browser)


def test_the_last_of_several_beginnings_counts(provider: MadeUpProvider, browser: Visitor, ways: list[str]) -> None:
    first, last = leave_for_provider(browser, ways[0]), leave_for_provider(browser, ways[0])
    provider.will_give(signed(provider.claims(last["nonce"])))
    assert come_back(browser, state=first["state"]).status_code == 403
    assert come_back(browser, state=last["state"]).status_code == 303


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda state, _: state[:-1] + ("A" if state[-1] != "A" else "B"), id="mac"),
        pytest.param(lambda state, other: other + state[16:], id="provider"),
        pytest.param(lambda state, _: state.replace(".", ".9", 1), id="time"),
        pytest.param(lambda state, _: state.replace("..", ".bhr_request_default_x.", 1), id="request"),
        pytest.param(lambda *_: "", id="nothing"),
        pytest.param(lambda *_: "\0é", id="hostile"),
    ],
)
def test_a_state_that_was_changed_is_none(
    provider: MadeUpProvider, browser: Visitor, ways: list[str], change: Callable[[str, str], str]
) -> None:
    sent = leave_for_provider(browser, ways[0])
    provider.will_give(signed(provider.claims(sent["nonce"])))
    changed = change(sent["state"], ways[1].rpartition("/")[2])
    assert changed != sent["state"]
    answer = come_back(browser, state=changed)
    assert "Start the sign-in again" in answer.text
    assert not is_signed_in(browser)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("error=access_denied&error_description=%3Cscript%3E", id="called-off"),
        pytest.param("error=server_error&code=c", id="error-beside-code"),
        pytest.param("error=%3Cscript%3E%22", id="hostile-error"),
        pytest.param("code=c&iss=https://evil.example", id="another-issuers-answer"),
        pytest.param("code=c&iss=", id="nobodys-answer"),
        pytest.param("code=", id="empty-code"),
        pytest.param("code=a%00b", id="nul-in-code"),
        pytest.param("", id="no-code"),
    ],
)
def test_an_answer_that_is_no_code_of_the_provider_is_not_exchanged(
    place: FederatedClinic, provider: MadeUpProvider, browser: Visitor, ways: list[str], query: str
) -> None:
    sent = leave_for_provider(browser, ways[0])
    provider.will_give(signed(provider.claims(sent["nonce"])))
    asked = len(provider.forms)
    answer = browser.http.get(f"{CALLBACK}?state={sent['state']}&{query}")
    assert answer.status_code == 403
    assert "script" not in answer.text
    assert f"/app/sign-in?tenant={place.clinic.tenant}" in answer.text
    assert len(provider.forms) == asked
    assert not is_signed_in(browser)
    assert "script" not in last_login(place)


def test_a_repeated_parameter_is_damage(provider: MadeUpProvider, browser: Visitor, ways: list[str]) -> None:
    sent = leave_for_provider(browser, ways[0])
    for query in (f"state={sent['state']}&state=x&code=c", f"state={sent['state']}&code=c&code=d"):
        answer = browser.http.get(f"{CALLBACK}?{query}")
        assert answer.status_code == 400
        assert not is_signed_in(browser)


def test_who_always_says_whose_answer_it_is_must_say_so(browser: Visitor, ways: list[str]) -> None:
    sent = leave_for_provider(browser, ways[1])
    assert come_back(browser, state=sent["state"]).status_code == 403


def test_the_code_of_another_provider_is_not_taken_for_it(
    provider: MadeUpProvider, browser: Visitor, ways: list[str]
) -> None:
    # RFC 9700 §4.4: the honest provider answers to a request that was the other one's.
    sent = leave_for_provider(browser, ways[1])
    provider.will_give(signed(provider.claims(sent["nonce"])))
    asked = len(provider.forms)
    assert come_back(browser, state=sent["state"], iss=provider.issuer).status_code == 403
    assert len(provider.forms) == asked
    # And where a token of the honest one comes from the other's endpoint, it is a foreign one.
    sent = leave_for_provider(browser, ways[1])
    assert come_back(browser, state=sent["state"], iss="https://strict.example").status_code == 403
    assert not is_signed_in(browser)


def test_the_callback_leads_to_nowhere_that_an_address_names(
    provider: MadeUpProvider, browser: Visitor, ways: list[str]
) -> None:
    sent = leave_for_provider(browser, f"{ways[0]}?next=https://evil.example&redirect_uri=https://evil.example")
    assert "evil" not in json.dumps(sent)
    provider.will_give(signed(provider.claims(sent["nonce"])))
    evil = "https://evil.example"
    answer = come_back(browser, state=sent["state"], next=evil, redirect_uri=evil, request="//evil.example")
    assert answer.headers["Location"] == "/app/apps"


@pytest.mark.parametrize("request_id", ["//evil.example", "bhr_request_default_" + "x" * 43])
def test_a_request_that_does_not_wait_is_not_begun_for(browser: Visitor, ways: list[str], request_id: str) -> None:
    answer = browser.http.get(ways[0], params={"request": request_id})
    assert answer.status_code == 410
    assert "Location" not in answer.headers


def test_a_provider_of_another_tenant_is_no_way_in(
    place: FederatedClinic, browser: Visitor, server: RunningServer, ways: list[str]
) -> None:
    elsewhere = server.new_tenant()
    assert provider_links_of(browser.open(f"/app/sign-in?tenant={elsewhere}")) == []
    other = type(place.clinic)(place.clinic.server, elsewhere).add_app()
    browser.open(other.address())
    request_id = browser.request_path.rpartition("/")[2]
    assert browser.http.get(ways[0], params={"request": request_id}).status_code == 404
    assert browser.http.get("/oauth/sign-in/" + "0" * 16).status_code == 404


def test_who_is_linked_to_no_account_is_told_what_to_do(
    place: FederatedClinic, provider: MadeUpProvider, browser: Visitor, ways: list[str]
) -> None:
    sent = leave_for_provider(browser, ways[0])
    provider.will_give(signed(provider.claims(sent["nonce"], sub="new'; rm <b>")))
    answer = come_back(browser, state=sent["state"])
    assert answer.status_code == 403
    assert "You are not known here yet" in answer.text
    assert "<b>" not in answer.text
    assert "--subject &#39;new&#39;&#34;&#39;&#34;&#39;; rm &lt;b&gt;&#39; --tenant" in answer.text
    assert not is_signed_in(browser)
    assert last_login(place).startswith("login_failed: no account is linked to new'; rm <b>")


def test_who_is_unlinked_or_disabled_is_out(
    place: FederatedClinic, provider: MadeUpProvider, browsers: Callable[[], Visitor], ways: list[str]
) -> None:
    place.clinic.add_user("temporary", "Practitioner/t1", "clinician", password=None)
    place.link("temporary", "t-1")

    def enter() -> Visitor:
        browser = browsers()
        sent = leave_for_provider(browser, ways[0])
        provider.will_give(signed(provider.claims(sent["nonce"], sub="t-1", auth_time=PAST)))
        come_back(browser, state=sent["state"])
        return browser

    inside = enter()
    assert is_signed_in(inside)
    place.unlink("temporary", "t-1")
    assert not is_signed_in(inside)
    assert not is_signed_in(enter())
    place.link("temporary", "t-1")
    assert is_signed_in(enter())
    place.clinic.administer(lambda work: accounts.disable_account(work, "temporary"))
    assert not is_signed_in(enter())
    assert last_login(place) == "login_failed: temporary: disabled"


@pytest.mark.parametrize(
    ("asked", "passed_on", "auth_time", "is_in"),
    [
        pytest.param({"prompt": "login"}, {"prompt": "login", "max_age": "0"}, 0, True, id="anew"),
        pytest.param({"prompt": "login"}, {"prompt": "login", "max_age": "0"}, -300, False, id="not-anew"),
        pytest.param({"prompt": "login"}, {"prompt": "login", "max_age": "0"}, None, False, id="anew-not-said"),
        pytest.param({"max_age": "600"}, {"max_age": "600"}, -300, True, id="recent"),
        pytest.param({"max_age": "200"}, {"max_age": "200"}, -300, False, id="too-long-ago"),
        pytest.param({"max_age": "200"}, {"max_age": "200"}, None, False, id="age-not-said"),
        pytest.param({"max_age": "0"}, {"max_age": "0"}, 0, True, id="just-now"),
        pytest.param({}, {}, -300, True, id="any-time"),
        pytest.param({"login_hint": "ana"}, {"login_hint": "ana"}, None, True, id="hint"),
    ],
)
def test_what_an_app_asks_of_the_sign_in_is_asked_of_the_provider(
    place: FederatedClinic,
    provider: MadeUpProvider,
    browser: Visitor,
    asked: dict[str, str],
    passed_on: dict[str, str],
    auth_time: int | None,
    is_in: bool,
) -> None:
    page = browser.open(place.app.address(**asked))
    sent = leave_for_provider(browser, provider_links_of(page)[0])
    assert {name: sent[name] for name in ("prompt", "max_age", "login_hint") if name in sent} == passed_on
    at = None if auth_time is None else int(time.time()) + auth_time
    provider.will_give(signed(provider.claims(sent["nonce"], auth_time=at)))
    page = browser.open(f"{CALLBACK}?code=c&state={sent['state']}")
    assert ("Omar Haddad" in page.text) == is_in
    assert ("You are not signed in" in page.text) != is_in


def test_a_request_without_pages_is_not_sent_to_a_provider(place: FederatedClinic, browser: Visitor) -> None:
    assert parameters_of(browser.open(place.app.address(prompt="none")))["error"] == "login_required"


def test_an_answer_to_a_request_that_ended_lets_nobody_in(
    place: FederatedClinic, provider: MadeUpProvider, browser: Visitor, browsers: Callable[[], Visitor]
) -> None:
    place.clinic.add_user("local", "Practitioner/l1", "clinician")
    page = browser.open(place.app.address())
    sent = leave_for_provider(browser, provider_links_of(page)[0])
    other = browsers()
    other.open(browser.request_path)
    other.sign_in("local")
    other.submit(choose=("patient=omar",))
    other.submit("decision=deny")
    provider.will_give(signed(provider.claims(sent["nonce"])))
    assert come_back(browser, state=sent["state"]).status_code == 410
    assert not is_signed_in(browser)


def test_over_https_the_cookie_is_this_hosts_alone() -> None:
    cookies, answer = Cookies(is_secure=True), Response()
    cookies.put(answer, cookies.federation, "key", LIFETIME)
    cookie = answer.headers["Set-Cookie"].lower()
    assert cookie.startswith("__host-bhr-federation=key;")
    assert {part.strip() for part in cookie.split(";")} >= {
        "secure",
        "httponly",
        "path=/",
        "samesite=lax",
        "max-age=600",
    }
    assert "domain" not in cookie
