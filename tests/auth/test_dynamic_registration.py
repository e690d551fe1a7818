"""Apps register themselves, by invitation only (RFC 7591)."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from bhr_api.auth.dynamic_registration import invite
from bhr_api.auth.signed_in import SignedIn
from bhr_api.auth.software_statement import StatementIssuersError, read_statement_issuers
from tests.fixtures.app_launch import REDIRECT_URI, App
from tests.fixtures.auth import STATEMENT_KEY, AuthServer, jwks_of, sign

SCOPE = "launch launch/patient patient/*.rs openid fhirUser offline_access"
METADATA: dict[str, Any] = {
    "redirect_uris": [REDIRECT_URI],
    "client_name": "Mood diary",
    "scope": "launch/patient patient/Observation.rs openid fhirUser offline_access",
    "token_endpoint_auth_method": "none",
}


def invitation(server: AuthServer, uses: int = 1, scope: str = SCOPE) -> str:
    return server.in_session(
        lambda session: invite(
            session, tenant_name="default", scope=scope, uses=uses, now=server.clock(), lifetime=timedelta(days=7)
        )
    )


def register(server: AuthServer, token: str | None, **changes: Any) -> httpx.Response:
    metadata = {name: value for name, value in (METADATA | changes).items() if value is not None}
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return server.http.post("/oauth/register", json=metadata, headers=headers)


def test_an_invited_app_registers_and_signs_people_in(auth_server: AuthServer, user: SignedIn) -> None:
    answer = register(auth_server, invitation(auth_server))

    client = answer.json()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert client["redirect_uris"] == [REDIRECT_URI]
    assert client["scope"] == METADATA["scope"]
    assert "client_secret" not in client
    assert App(auth_server, client["client_id"]).tokens(user)["patient"] == "p1"


def test_a_secret_is_given_once(auth_server: AuthServer, user: SignedIn) -> None:
    client = register(auth_server, invitation(auth_server), token_endpoint_auth_method=None).json()

    assert (client["token_endpoint_auth_method"], client["client_secret_expires_at"]) == ("client_secret_basic", 0)
    assert App(auth_server, client["client_id"], client["client_secret"]).tokens(user)["patient"] == "p1"


def test_keys_come_by_value(auth_server: AuthServer, ec_key: ECKey) -> None:
    token = invitation(auth_server)
    keys = json.loads(jwks_of(ec_key))

    assert register(auth_server, token, token_endpoint_auth_method="private_key_jwt").status_code == 400
    answer = register(auth_server, token, token_endpoint_auth_method="private_key_jwt", jwks=keys)

    assert answer.status_code == 201


def test_the_scope_stays_within_the_invitation(auth_server: AuthServer) -> None:
    token = invitation(auth_server, uses=2)

    wide = register(auth_server, token, scope="patient/*.cruds user/*.rs system/*.rs launch").json()
    unsaid = register(auth_server, token, scope=None).json()

    assert wide["scope"] == "patient/*.rs launch"
    assert unsaid["scope"] == SCOPE


def test_an_invitation_is_good_for_its_uses(auth_server: AuthServer) -> None:
    token = invitation(auth_server, uses=2)

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: register(auth_server, token).status_code, range(10)))

    assert sorted(answers) == [201] * 2 + [401] * 8


def test_an_invitation_ends_after_its_time(auth_server: AuthServer) -> None:
    token = invitation(auth_server)
    auth_server.clock.ahead = timedelta(days=8)

    assert register(auth_server, token).status_code == 401


@pytest.mark.parametrize(
    "token", [None, "x", "bhr_registration_default_" + "A" * 43, "bhr_registration_nowhere_" + "A" * 43]
)
def test_without_an_invitation_nothing_is_registered(auth_server: AuthServer, token: str | None) -> None:
    answer = register(auth_server, token)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"redirect_uris": None}, "invalid_redirect_uri", id="no-redirect"),
        pytest.param({"redirect_uris": []}, "invalid_redirect_uri", id="empty-redirects"),
        pytest.param({"redirect_uris": "https://a.example/"}, "invalid_client_metadata", id="redirect-text"),
        pytest.param({"redirect_uris": ["http://a.example/"]}, "invalid_redirect_uri", id="redirect-http"),
        pytest.param({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri", id="redirect-script"),
        pytest.param({"redirect_uris": ["data:text/html,x"]}, "invalid_redirect_uri", id="redirect-data"),
        pytest.param({"redirect_uris": ["https://a.example;b/x"]}, "invalid_redirect_uri", id="redirect-semicolon"),
        pytest.param({"redirect_uris": ["https://u@a.example/"]}, "invalid_redirect_uri", id="redirect-user"),
        pytest.param({"redirect_uris": ["https://a.example/#f"]}, "invalid_redirect_uri", id="redirect-fragment"),
        pytest.param({"redirect_uris": ["https://a.example/\x00"]}, "invalid_redirect_uri", id="redirect-nul"),
        pytest.param({"redirect_uris": ["https://[::1"]}, "invalid_redirect_uri", id="redirect-broken"),
        pytest.param({"client_name": "a\x00b"}, "invalid_client_metadata", id="name-nul"),
        pytest.param({"client_name": "x" * 201}, "invalid_client_metadata", id="name-long"),
        pytest.param({"client_name": 1}, "invalid_client_metadata", id="name-number"),
        pytest.param({"scope": "user/*.rs"}, "invalid_client_metadata", id="scope-outside"),
        pytest.param({"scope": ["openid"]}, "invalid_client_metadata", id="scope-list"),
        pytest.param({"token_endpoint_auth_method": "tls"}, "invalid_client_metadata", id="method"),
        pytest.param({"grant_types": ["client_credentials"]}, "invalid_client_metadata", id="grant-type"),
        pytest.param({"response_types": ["token"]}, "invalid_client_metadata", id="implicit"),
        pytest.param({"jwks_uri": "http://169.254.169.254/"}, "invalid_client_metadata", id="jwks_uri"),
        pytest.param({"software_statement": "e.y.J"}, "unapproved_software_statement", id="statement"),
    ],
)
def test_wrong_metadata_are_refused_and_use_nothing_up(
    auth_server: AuthServer, changes: dict[str, Any], error: str
) -> None:
    token = invitation(auth_server)

    answer = register(auth_server, token, **changes)

    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert register(auth_server, token).status_code == 201


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 5000])
def test_a_body_that_is_no_object_is_refused(auth_server: AuthServer, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {invitation(auth_server)}"}

    assert auth_server.http.post("/oauth/register", content=body, headers=headers).status_code == 400


def test_an_app_may_return_by_a_scheme_of_its_own(auth_server: AuthServer) -> None:
    answer = register(auth_server, invitation(auth_server), redirect_uris=["org.example.diary:/callback"])

    assert answer.status_code == 201


def test_a_registration_is_audited(auth_server: AuthServer) -> None:
    client = register(auth_server, invitation(auth_server)).json()

    assert auth_server.events(client["client_id"]) == [("register", "success", client["scope"])]


def statement(header: dict[str, Any] | None = None, key: ECKey = STATEMENT_KEY, **changes: Any) -> str:
    claims = {
        "iss": "https://apps.example",
        "exp": int(time.time()) + 600,
        "redirect_uris": [REDIRECT_URI],
        "client_name": "Vouched for",
    }
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    return sign(key, claims, {"alg": "ES384", "kid": "statements", "typ": "JWT"} | (header or {}))


def test_a_trusted_issuers_statement_registers_an_app(auth_server: AuthServer, user: SignedIn) -> None:
    answer = register(
        auth_server,
        None,
        software_statement=statement(),
        client_name="Something else",
        redirect_uris=["https://evil.example/"],
        scope="patient/*.cruds openid user/*.rs",
    )

    client = answer.json()
    assert answer.status_code == 201
    assert (client["client_name"], client["redirect_uris"]) == ("Vouched for", [REDIRECT_URI])
    assert client["scope"] == "patient/*.rs openid"
    tokens = App(auth_server, client["client_id"]).tokens(user, scope="patient/Observation.rs openid")
    assert tokens["patient"] == "p1"


STRANGER = ECKey.generate_key("P-384", {"kid": "statements"})
STATEMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "other-issuer": ({"iss": "https://evil.example"}, "unapproved_software_statement"),
    "other-key": ({"key": STRANGER}, "invalid_software_statement"),
    "unknown-kid": ({"header": {"kid": "x"}}, "invalid_software_statement"),
    "key-inside": ({"header": {"jwk": STRANGER.as_dict(private=False)}}, "invalid_software_statement"),
    "expired": ({"exp": 1_700_000_000}, "invalid_software_statement"),
    "endless": ({"exp": None}, "invalid_software_statement"),
    "odd-exp": ({"exp": True}, "invalid_software_statement"),
    "no-redirect": ({"redirect_uris": None}, "invalid_software_statement"),
    "script": ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
}


@pytest.mark.parametrize(("changes", "error"), STATEMENTS.values(), ids=STATEMENTS)
def test_a_statement_that_proves_nothing_is_refused(
    auth_server: AuthServer, changes: dict[str, Any], error: str
) -> None:
    answer = register(auth_server, None, software_statement=statement(**changes))

    assert (answer.status_code, answer.json()["error"]) == (400, error)


# {"kid":"statements"} and {"iss":"https://apps.example"}
WITHOUT_ALGORITHM = "eyJraWQiOiJzdGF0ZW1lbnRzIn0.eyJpc3MiOiJodHRwczovL2FwcHMuZXhhbXBsZSJ9.xx"


@pytest.mark.parametrize("text", ["x", "\x00", "a.b.c", "", "e30.e30.", WITHOUT_ALGORITHM])
def test_what_is_no_statement_is_refused(auth_server: AuthServer, text: str) -> None:
    answer = register(auth_server, None, software_statement=text)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_software_statement")


def test_the_issuers_come_from_a_file(tmp_path: Path, ec_key: ECKey) -> None:
    file = tmp_path / "issuers.json"
    keys = json.loads(jwks_of(ec_key))
    listed = {"issuer": "https://apps.example", "tenant": "default", "scope": "patient/*.rs", "jwks": keys}
    file.write_text(json.dumps({"issuers": [listed]}))

    (issuer,) = read_statement_issuers(file)

    assert (issuer.issuer, issuer.scope, list(issuer.keys)) == ("https://apps.example", "patient/*.rs", ["ec-1"])
    assert read_statement_issuers(None) == ()
    for wrong in ("{}", "[]", "x", json.dumps({"issuers": [listed | {"scope": "x"}]}), '{"issuers": [{}]}'):
        file.write_text(wrong)
        with pytest.raises(StatementIssuersError):
            read_statement_issuers(file)
