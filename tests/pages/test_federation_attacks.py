"""What must not let anybody in from an identity provider (OpenID Connect Core §3.1.3.7; RFC 9207; RFC 9700 §4)."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import OctKey

from bhr_api.auth.identity_providers import CALLBACK
from tests.fixtures.identity_provider import (
    CLIENT_ID,
    KEY,
    P256,
    STRANGER,
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
from tests.fixtures.pages import Visitor
from tests.fixtures.server import RunningServer

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
