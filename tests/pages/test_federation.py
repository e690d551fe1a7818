"""Signing in at an identity provider: what is asked there, and who comes in by the answer (OpenID Connect Core §3.1)."""

import hashlib
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import Response

from bhr_api.auth import accounts
from bhr_api.auth.federated_request import LIFETIME
from bhr_api.auth.identity_providers import CALLBACK
from bhr_api.routers.page_forms import Cookies
from tests.fixtures.identity_provider import (
    CLIENT_ID,
    SECRET,
    SUBJECT,
    FederatedClinic,
    MadeUpProvider,
    come_back,
    is_signed_in,
    last_login,
    leave_for_provider,
    provider_links_of,
    signed,
)
from tests.fixtures.pages import Visitor, parameters_of

PAST = int(time.time()) - 3600


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


def test_the_last_of_several_beginnings_counts(provider: MadeUpProvider, browser: Visitor, ways: list[str]) -> None:
    first, last = leave_for_provider(browser, ways[0]), leave_for_provider(browser, ways[0])
    provider.will_give(signed(provider.claims(last["nonce"])))
    assert come_back(browser, state=first["state"]).status_code == 403
    assert come_back(browser, state=last["state"]).status_code == 303


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
