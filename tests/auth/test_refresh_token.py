"""Refresh tokens: rotation, families, scope, and how long they last (RFC 6749 §6; RFC 9700 §4.14; SMART App Launch 2.2)."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from bhr_api.auth.bearer import CACHE_SECONDS
from bhr_api.auth.signed_in import SignedIn
from tests.fixtures.app_launch import App, register_app
from tests.fixtures.auth import AuthServer

ONLINE = "launch/patient patient/Observation.rs openid online_access"
END_SESSION = "UPDATE browser_session SET ended_at = now() WHERE tenant = $1 AND session_hash = $2"


@pytest.fixture(params=["public", "secret"])
def app(request: pytest.FixtureRequest, public_app: App, secret_app: App) -> App:
    return public_app if request.param == "public" else secret_app


@pytest.fixture
def tokens(app: App, user: SignedIn) -> dict[str, Any]:
    """The first tokens of an app with offline access."""
    return app.tokens(user)


def test_a_refresh_token_gives_new_tokens(app: App, tokens: dict[str, Any]) -> None:
    answer = app.refresh(tokens["refresh_token"])

    new = answer.json()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert new["access_token"] != tokens["access_token"]
    assert new["refresh_token"] != tokens["refresh_token"]
    assert (new["scope"], new["patient"]) == (tokens["scope"], tokens["patient"])
    assert app.server.whoami(new["access_token"]).status_code == 200


def test_a_used_refresh_token_ends_the_whole_family(app: App, tokens: dict[str, Any]) -> None:
    second = app.refresh(tokens["refresh_token"]).json()

    stolen = app.refresh(tokens["refresh_token"])

    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    assert app.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"
    time.sleep(CACHE_SECONDS + 0.1)
    assert app.server.whoami(tokens["access_token"]).status_code == 401
    assert app.server.whoami(second["access_token"]).status_code == 401
    assert ("revoke", "success", "a refresh token was used twice") in app.server.events(app.client_id)


def test_of_twenty_uses_at_once_one_wins_and_the_family_ends(public_app: App, user: SignedIn) -> None:
    token = public_app.tokens(user)["refresh_token"]

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: public_app.refresh(token), range(20)))

    granted = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(granted) == 1
    assert {answer.json()["error"] for answer in answers if answer.status_code != 200} == {"invalid_grant"}
    assert public_app.refresh(granted[0]["refresh_token"]).json()["error"] == "invalid_grant"


def test_less_may_be_asked_for_and_the_next_token_has_it_all(app: App, tokens: dict[str, Any]) -> None:
    narrow = app.refresh(tokens["refresh_token"], scope="patient/Observation.r").json()

    assert (narrow["scope"], narrow["patient"]) == ("patient/Observation.r", "p1")
    assert "id_token" not in narrow
    assert app.refresh(narrow["refresh_token"]).json()["scope"] == tokens["scope"]


@pytest.mark.parametrize(
    "scope",
    ["patient/Observation.cruds", "patient/Goal.rs", "user/Observation.rs", "patient/*.rs", "online_access", "x"],
)
def test_more_is_refused_and_uses_nothing_up(app: App, tokens: dict[str, Any], scope: str) -> None:
    answer = app.refresh(tokens["refresh_token"], scope=f"patient/Observation.rs {scope}")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert app.refresh(tokens["refresh_token"]).status_code == 200


def test_another_client_can_do_nothing_with_it(app: App, tokens: dict[str, Any]) -> None:
    other = register_app(app.server)

    assert other.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert app.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize("token", ["x", "bhr_refresh_default_" + "A" * 43, "bhr_refresh_other_" + "A" * 43, '"\\'])
def test_a_forged_one_is_invalid(public_app: App, token: str) -> None:
    assert public_app.refresh(token).json()["error"] == "invalid_grant"


def test_an_access_token_is_no_refresh_token(app: App, tokens: dict[str, Any]) -> None:
    assert app.refresh(tokens["access_token"]).json()["error"] == "invalid_grant"
    assert app.server.whoami(tokens["refresh_token"]).status_code == 401


def test_without_the_token_it_is_an_invalid_request(public_app: App) -> None:
    assert public_app.refresh("x", refresh_token=None).json()["error"] == "invalid_request"


def test_without_the_scope_there_is_none(public_app: App, user: SignedIn) -> None:
    assert "refresh_token" not in public_app.tokens(user, scope="launch/patient patient/*.rs")


def test_online_access_ends_with_the_browser_session(public_app: App, user: SignedIn) -> None:
    tokens = public_app.tokens(user, scope=ONLINE)
    second = public_app.refresh(tokens["refresh_token"]).json()

    public_app.server.fetch(END_SESSION, user.tenant, user.session_hash)

    assert public_app.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"
    form = {"token": second["access_token"], **public_app.credentials()}
    assert public_app.server.revoke(form).status_code == 200


def test_offline_access_outlives_the_browser_session(public_app: App, user: SignedIn) -> None:
    tokens = public_app.tokens(user)

    public_app.server.fetch(END_SESSION, user.tenant, user.session_hash)

    assert public_app.refresh(tokens["refresh_token"]).status_code == 200


def test_it_lasts_ninety_days_from_its_last_use(auth_server: AuthServer, public_app: App, user: SignedIn) -> None:
    tokens = public_app.tokens(user)
    auth_server.clock.ahead = timedelta(days=89)
    second = public_app.refresh(tokens["refresh_token"]).json()
    auth_server.clock.ahead = timedelta(days=178)
    third = public_app.refresh(second["refresh_token"]).json()
    auth_server.clock.ahead = timedelta(days=269)

    assert public_app.refresh(third["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_grant_lasts_a_year_whatever_is_used(auth_server: AuthServer, public_app: App, user: SignedIn) -> None:
    token = public_app.tokens(user)["refresh_token"]
    for days in range(80, 365, 80):
        auth_server.clock.ahead = timedelta(days=days)
        token = public_app.refresh(token).json()["refresh_token"]
    auth_server.clock.ahead = timedelta(days=366)

    assert public_app.refresh(token).json()["error"] == "invalid_grant"


def test_a_changed_account_ends_it(public_app: App, user: SignedIn) -> None:
    tokens = public_app.tokens(user)
    changed = "UPDATE account SET changed_at = now() + interval '1 second' WHERE tenant = $1 AND username = $2"

    public_app.server.fetch(changed, user.tenant, user.username)

    assert public_app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_revoked_refresh_token_takes_its_family_along(app: App, tokens: dict[str, Any]) -> None:
    answer = app.server.revoke({"token": tokens["refresh_token"], **app.credentials()})

    assert answer.status_code == 200
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    time.sleep(CACHE_SECONDS + 0.1)
    assert app.server.whoami(tokens["access_token"]).status_code == 401


def test_a_used_refresh_token_can_still_be_revoked(app: App, tokens: dict[str, Any]) -> None:
    second = app.refresh(tokens["refresh_token"]).json()

    assert app.server.revoke({"token": tokens["refresh_token"], **app.credentials()}).status_code == 200

    assert app.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_stranger_revokes_nothing(app: App, tokens: dict[str, Any]) -> None:
    other = register_app(app.server)

    answer = app.server.revoke({"token": tokens["refresh_token"], **other.credentials()})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert app.refresh(tokens["refresh_token"]).status_code == 200


def test_a_confidential_client_proves_itself_to_revoke(secret_app: App, user: SignedIn) -> None:
    tokens = secret_app.tokens(user)

    answer = secret_app.server.revoke({"token": tokens["refresh_token"], "client_id": secret_app.client_id})

    assert answer.json()["error"] == "invalid_client"
    assert secret_app.refresh(tokens["refresh_token"]).status_code == 200


def test_a_public_app_need_not_say_who_it_is(public_app: App, user: SignedIn) -> None:
    # SMART App Launch 2.2, "Refresh access token": the JavaScript client of SMART sends no client_id.
    token = public_app.tokens(user)["refresh_token"]
    assert public_app.refresh(token, client_id=None).status_code == 200


def test_an_app_with_a_secret_cannot_do_without(secret_app: App, user: SignedIn) -> None:
    token = secret_app.tokens(user)["refresh_token"]
    refused = secret_app.refresh(token, client_id=None, client_secret=None)
    assert refused.json()["error"] == "invalid_client"
    assert secret_app.refresh(token).status_code == 200


@pytest.mark.parametrize("token", ["x", "bhr_refresh_default_" + "A" * 43, "bhr_refresh_nowhere_" + "A" * 43])
def test_an_unknown_refresh_token_is_nobodys(public_app: App, token: str) -> None:
    assert public_app.refresh(token, client_id=None).json()["error"] == "invalid_client"
