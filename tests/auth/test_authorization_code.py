"""Codes become tokens: once, for the right client, redirect URI and verifier (RFC 6749 §4.1, RFC 7636, RFC 9700 §2.1)."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from joserfc.jwk import ECKey

from bhr_api.auth.bearer import CACHE_SECONDS
from bhr_api.auth.signed_in import SignedIn
from tests.fixtures.app_launch import App, decide, parameters_of, register_app, sign_in
from tests.fixtures.auth import AuthServer, KeyedClient, jwks_of

INVALID_GRANT = (400, "invalid_grant")


def test_a_code_becomes_tokens(public_app: App, user: SignedIn) -> None:
    answer = public_app.exchange(public_app.code(user))

    tokens = answer.json()
    assert (answer.status_code, answer.headers["Cache-Control"], answer.headers["Pragma"]) == (
        200,
        "no-store",
        "no-cache",
    )
    assert tokens["access_token"].startswith("bhr_at_default_")
    assert tokens["refresh_token"].startswith("bhr_refresh_default_")
    assert (tokens["token_type"], tokens["expires_in"], tokens["patient"]) == ("Bearer", 3600, "p1")
    assert tokens["scope"] == "launch/patient patient/Observation.rs openid fhirUser offline_access"
    assert public_app.server.whoami(tokens["access_token"]).json()["client_id"] == public_app.client_id


def test_a_code_comes_with_state_and_issuer(public_app: App, user: SignedIn) -> None:
    answer = parameters_of(decide(public_app.server, public_app.begin(scope="user/Observation.rs"), user))

    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == (public_app.state, public_app.server.base_url)


def test_a_client_with_a_secret_proves_it(secret_app: App, user: SignedIn) -> None:
    code = secret_app.code(user)

    assert secret_app.exchange(code, client_secret=None).json()["error"] == "invalid_client"
    assert secret_app.exchange(code, client_secret="bhr_secret_default_x").json()["error"] == "invalid_client"
    # The attempts did no harm.
    assert secret_app.exchange(code).status_code == 200


def test_a_secret_may_be_sent_by_basic(secret_app: App, user: SignedIn) -> None:
    assert secret_app.client_secret is not None
    form = {
        "grant_type": "authorization_code",
        "code": secret_app.code(user),
        "redirect_uri": secret_app.redirect_uri,
        "code_verifier": secret_app.verifier,
    }

    answer = secret_app.server.token(form, auth=(secret_app.client_id, secret_app.client_secret))

    assert answer.status_code == 200


def test_a_client_with_keys_signs_an_assertion(auth_server: AuthServer, user: SignedIn, ec_key: ECKey) -> None:
    app = register_app(auth_server, jwks=jwks_of(ec_key))
    keyed = KeyedClient(app.client_id, ec_key, auth_server.token_url)

    answer = auth_server.token(
        keyed.form(
            grant_type="authorization_code",
            scope=None,
            code=app.code(user),
            redirect_uri=app.redirect_uri,
            code_verifier=app.verifier,
        )
    )

    assert answer.status_code == 200
    assert app.exchange(app.code(user)).json()["error"] == "invalid_client"


@pytest.mark.parametrize("missing", ["code", "redirect_uri", "code_verifier"])
def test_every_part_is_needed(public_app: App, user: SignedIn, missing: str) -> None:
    code = public_app.code(user)

    assert public_app.exchange(code, **{missing: None}).json()["error"] == "invalid_request"
    assert public_app.exchange(code).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"code_verifier": "A" * 43}, id="wrong-verifier"),
        pytest.param({"code_verifier": "A" * 42}, id="short-verifier"),
        pytest.param({"code_verifier": "A" * 129}, id="long-verifier"),
        pytest.param({"redirect_uri": "https://app.example/callback/"}, id="other-redirect"),
        pytest.param({"code": "bhr_code_default_" + "A" * 43}, id="forged-code"),
        pytest.param({"code": "x"}, id="no-code-at-all"),
    ],
)
def test_a_wrong_part_gets_nothing_and_does_no_harm(public_app: App, user: SignedIn, changes: dict[str, str]) -> None:
    code = public_app.code(user)

    answer = public_app.exchange(code, **changes)

    assert (answer.status_code, answer.json()["error"]) == INVALID_GRANT
    assert public_app.exchange(code).status_code == 200


def test_the_challenge_is_no_verifier(public_app: App, user: SignedIn) -> None:
    challenge = public_app.parameters()["code_challenge"]

    assert public_app.exchange(public_app.code(user), code_verifier=challenge).json()["error"] == "invalid_grant"


def test_another_clients_code_is_no_good(public_app: App, user: SignedIn) -> None:
    code = public_app.code(user)
    other = register_app(public_app.server)

    answer = other.exchange(code, code_verifier=public_app.verifier)

    assert (answer.status_code, answer.json()["error"]) == INVALID_GRANT
    assert public_app.exchange(code).status_code == 200


def test_another_tenants_client_cannot_use_a_code(public_app: App, user: SignedIn) -> None:
    code = public_app.code(user)
    other = register_app(public_app.server, tenant_name="other")

    assert other.exchange(code, code_verifier=public_app.verifier).json()["error"] == "invalid_grant"
    assert public_app.exchange(code.replace("_default_", "_other_")).json()["error"] == "invalid_grant"


def test_a_code_lasts_a_minute(public_app: App, user: SignedIn) -> None:
    code = public_app.code(user)
    public_app.server.clock.ahead = timedelta(seconds=61)

    assert public_app.exchange(code).json()["error"] == "invalid_grant"


def test_a_second_use_revokes_what_the_first_one_got(public_app: App, user: SignedIn) -> None:
    code = public_app.code(user)
    tokens = public_app.exchange(code).json()

    answer = public_app.exchange(code)

    assert (answer.status_code, answer.json()["error"]) == INVALID_GRANT
    time.sleep(CACHE_SECONDS + 0.1)
    assert public_app.server.whoami(tokens["access_token"]).status_code == 401
    assert public_app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert ("revoke", "success", "a code was used twice") in public_app.server.events(public_app.client_id)


def test_of_fifteen_exchanges_at_once_one_gets_tokens(public_app: App, user: SignedIn) -> None:
    code = public_app.code(user)

    with ThreadPoolExecutor(15) as threads:
        answers = list(threads.map(lambda _: public_app.exchange(code), range(15)))

    granted = [answer.json() for answer in answers if answer.status_code == 200]
    refused = {(answer.status_code, answer.json()["error"]) for answer in answers if answer.status_code != 200}
    assert (len(granted), refused) == (1, {INVALID_GRANT})
    assert public_app.server.whoami(granted[0]["access_token"]).status_code == 401


def test_a_disabled_account_gets_no_tokens(public_app: App, user: SignedIn) -> None:
    code = public_app.code(user)
    public_app.server.fetch(
        "UPDATE account SET disabled_at = now() WHERE tenant = $1 AND username = $2", user.tenant, user.username
    )

    assert public_app.exchange(code).json()["error"] == "invalid_grant"


def test_a_changed_account_gets_no_tokens(public_app: App, user: SignedIn) -> None:
    code = public_app.code(user)
    changed = "UPDATE account SET changed_at = now() + interval '1 second' WHERE tenant = $1 AND username = $2"
    public_app.server.fetch(changed, user.tenant, user.username)

    assert public_app.exchange(code).json()["error"] == "invalid_grant"


def test_a_backend_client_has_no_codes(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    form = backend_client.form(grant_type="authorization_code", code="x", redirect_uri="y", code_verifier="z")

    assert auth_server.token(form).json()["error"] == "unauthorized_client"


def test_a_public_client_cannot_act_for_itself(public_app: App) -> None:
    form = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_id": public_app.client_id}

    assert public_app.server.token(form).json()["error"] == "invalid_client"


def test_a_scope_that_the_user_took_away_is_not_granted(public_app: App, user: SignedIn) -> None:
    request_id = public_app.begin(scope="user/Observation.rs openid offline_access")

    location = decide(public_app.server, request_id, user, scopes=["user/Observation.r", "openid", "patient/*.rs"])

    tokens = public_app.exchange(parameters_of(location)["code"]).json()
    assert tokens["scope"] == "user/Observation.r openid"
    assert "refresh_token" not in tokens


def test_of_twenty_decisions_at_once_one_counts(public_app: App, user: SignedIn) -> None:
    request_id = public_app.begin(scope="user/Observation.rs")

    def attempt(_: int) -> str:
        try:
            return parameters_of(decide(public_app.server, request_id, user)).get("code", "none")
        except Exception as error:
            return type(error).__name__

    with ThreadPoolExecutor(20) as threads:
        outcomes = list(threads.map(attempt, range(20)))

    assert len([code for code in outcomes if code.startswith("bhr_code_")]) == 1
    assert set(outcomes) - {code for code in outcomes if code.startswith("bhr_code_")} == {"AuthorizationPageError"}


def test_another_user_cannot_decide_what_a_session_took_up(public_app: App, user: SignedIn) -> None:
    from bhr_api.auth.authorization_request import AuthorizationPageError
    from tests.fixtures.app_launch import choose_patient

    request_id = public_app.begin()
    choose_patient(public_app.server, request_id, user, "p1")

    with pytest.raises(AuthorizationPageError):
        decide(public_app.server, request_id, sign_in(public_app.server))
    assert "code" in parameters_of(decide(public_app.server, request_id, user))


def test_no_more_is_granted_than_the_users_roles_allow(auth_server: AuthServer) -> None:
    app = register_app(auth_server, scope="user/*.cruds openid")
    user = sign_in(auth_server, roles=["privacy-officer"])

    tokens = app.tokens(user, None, scope="user/AuditEvent.rs user/Observation.rs user/Consent.cruds openid")

    assert tokens["scope"] == "user/AuditEvent.rs user/Consent.rs openid"


def test_where_the_roles_allow_nothing_nothing_is_granted(public_app: App) -> None:
    user = sign_in(public_app.server, roles=["administrator"])
    request_id = public_app.begin(scope="user/Observation.rs")

    assert parameters_of(decide(public_app.server, request_id, user))["error"] == "invalid_scope"
