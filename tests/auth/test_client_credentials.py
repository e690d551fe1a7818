"""The token endpoint: grants, scopes and hostile requests (RFC 6749 §3.2, §4.4; SMART backend-services.html)."""

import base64

import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.fixtures.auth import AuthServer, KeyedClient


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_backend_service_gets_a_token(
    auth_server: AuthServer, rsa_key: RSAKey, ec_key: ECKey, algorithm: str
) -> None:
    client = auth_server.register_keyed(rsa_key if algorithm == "RS384" else ec_key)

    response = auth_server.token(client.form(scope="system/Patient.rs"))

    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer.pop("access_token").startswith("bhr_at_default_")
    assert answer == {"token_type": "Bearer", "expires_in": 300, "scope": "system/Patient.rs"}
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    assert response.headers["Content-Type"] == "application/json"


def test_a_grant_is_audited_with_its_scope_and_never_its_token(
    auth_server: AuthServer, backend_client: KeyedClient
) -> None:
    auth_server.token(backend_client.form(), headers={"X-Request-Id": "r-1"})

    assert auth_server.events(backend_client.client_id) == [("grant", "success", "system/*.rs")]
    (event,) = auth_server.fetch("SELECT * FROM noted_event WHERE client_id = $1", backend_client.client_id)
    assert (event["source_address"], event["request_id"]) == ("127.0.0.1", "r-1")


def test_only_the_digest_of_a_token_is_stored(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    token = auth_server.token(backend_client.form()).json()["access_token"]

    (row,) = auth_server.fetch(
        "SELECT t.*, t::text AS everything FROM oauth_access_token t WHERE client_id = $1", backend_client.client_id
    )
    assert token not in row["everything"]
    assert token.rpartition("_")[2] not in row["everything"]
    assert len(row["token_hash"]) == 32


@pytest.mark.parametrize(
    ("registered", "asked", "granted"),
    [
        pytest.param("system/*.cruds", "system/Goal.rs", "system/Goal.rs", id="within-the-registration"),
        pytest.param("system/Goal.rs", "system/*.cruds", "system/Goal.rs", id="narrowed-to-the-registration"),
        pytest.param("system/*.cruds", "system/*.read", "system/*.read", id="v1-comes-back-as-v1"),
        pytest.param("system/*.rs", "system/Goal.*", "system/Goal.read", id="v1-narrowed-stays-v1"),
        pytest.param("system/*.cruds", "system/Goal.dus openid system/Goal.r", "system/Goal.r", id="misspelt-dropped"),
        pytest.param("system/*.cruds", "system/Goal.rs?x=y system/Goal.r", "system/Goal.r", id="restriction-dropped"),
        pytest.param("patient/*.rs system/*.rs", "patient/*.rs system/*.rs", "system/*.rs", id="only-system-scopes"),
    ],
)
def test_scope_is_narrowed_to_what_is_registered_and_enforceable(
    auth_server: AuthServer, ec_key: ECKey, registered: str, asked: str, granted: str
) -> None:
    client = auth_server.register_keyed(ec_key, scope=registered)

    assert auth_server.token(client.form(scope=asked)).json()["scope"] == granted


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(None, id="no-scope-asked"),
        pytest.param("system/Patient.rs", id="outside-the-registration"),
        pytest.param("system/Goal.dus", id="letters-out-of-order"),
        pytest.param("system/Goal.rs?date=2026", id="restriction-that-is-not-enforced"),
        pytest.param("user/Goal.rs", id="no-user"),
        pytest.param('system/Goal.rs"', id="quote"),
        pytest.param("system/Goal.rs\\", id="backslash"),
    ],
)
def test_nothing_left_of_the_scope_is_invalid_scope(auth_server: AuthServer, ec_key: ECKey, asked: str | None) -> None:
    client = auth_server.register_keyed(ec_key, scope="system/Goal.rs")

    response = auth_server.token(client.form(scope=asked))

    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"grant_type": None}, "invalid_request", id="grant_type-missing"),
        pytest.param({"grant_type": "password"}, "unsupported_grant_type", id="grant_type-password"),
        pytest.param({"grant_type": "authorization_code"}, "unauthorized_client", id="grant_type-code"),
        pytest.param({"grant_type": '"\\'}, "unsupported_grant_type", id="grant_type-with-quote-and-backslash"),
        pytest.param({"grant_type": "client_credentials\x00"}, "invalid_request", id="NUL-in-grant_type"),
        pytest.param({"scope": "system/*.rs\x00"}, "invalid_request", id="NUL-in-scope"),
        pytest.param({"scope": "system/*.rs\tsystem/*.c"}, "invalid_request", id="tab-between-scopes"),
        pytest.param({"scope": "system/*.rs\nsystem/*.c"}, "invalid_request", id="newline-between-scopes"),
        pytest.param({"scope": "system/*.rs\u2003system/*.c"}, "invalid_request", id="unicode-space-between-scopes"),
        pytest.param({"scope": "systém/*.rs"}, "invalid_request", id="non-ASCII-scope"),
        pytest.param({"client_id": "x\x00"}, "invalid_request", id="NUL-in-client_id"),
        pytest.param({"na\x00me": "x"}, "invalid_request", id="NUL-in-a-name"),
        pytest.param({"client_id": "another"}, "invalid_client", id="client_id-differs-from-the-assertion"),
        pytest.param({"client_id": "'; DROP TABLE oauth_client; --"}, "invalid_client", id="client_id-SQL"),
        pytest.param({"client_secret": "x"}, "invalid_request", id="two-authentication-methods"),
        pytest.param({"client_assertion": None}, "invalid_client", id="no-authentication"),
        pytest.param({"client_assertion_type": None}, "invalid_client", id="client_assertion_type-missing"),
        pytest.param({"client_assertion_type": "jwt"}, "invalid_client", id="client_assertion_type-other"),
    ],
)
def test_a_wrong_request_is_refused_by_name(
    auth_server: AuthServer, backend_client: KeyedClient, changes: dict[str, str | None], error: str
) -> None:
    response = auth_server.token(backend_client.form(**changes))

    assert (response.status_code, response.json()["error"]) == (400, error)
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        pytest.param(b'{"grant_type":"client_credentials"}', "application/json", id="JSON"),
        pytest.param(b"grant_type=client_credentials", "text/plain", id="text"),
        pytest.param(b"grant_type=client_credentials", "", id="no-content-type"),
        pytest.param(b"grant_type=%ff", "application/x-www-form-urlencoded", id="invalid-UTF-8"),
        pytest.param(b"grant_type=\xff", "application/x-www-form-urlencoded", id="raw-bytes"),
        pytest.param(b"a=1&" * 60, "application/x-www-form-urlencoded", id="too-many-fields"),
        pytest.param(b"grant_type=a&grant_type=b", "application/x-www-form-urlencoded", id="repeated-parameter"),
        pytest.param(b"", "application/x-www-form-urlencoded", id="empty"),
    ],
)
def test_a_body_that_is_no_form_is_invalid_request(auth_server: AuthServer, content: bytes, content_type: str) -> None:
    response = auth_server.http.post("/oauth/token", content=content, headers={"Content-Type": content_type})

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_a_body_over_the_limit_is_413(auth_server: AuthServer) -> None:
    assert auth_server.token({"scope": "a" * 70_000}).status_code == 413


def test_parameters_in_the_address_are_not_parameters(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    response = auth_server.http.post("/oauth/token", params=backend_client.form(), data={"scope": "system/*.rs"})

    assert response.json()["error"] == "invalid_request"


def test_only_post_is_offered(auth_server: AuthServer) -> None:
    response = auth_server.http.get("/oauth/token")

    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


def test_a_secret_client_authenticates_by_basic_and_post(auth_server: AuthServer) -> None:
    client = auth_server.register(secret=True)
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    credentials = {"client_id": client.client_id, "client_secret": client.client_secret or ""}

    basic = auth_server.token(form, auth=(client.client_id, client.client_secret))
    post = auth_server.token(form | credentials)

    assert (basic.status_code, post.status_code) == (200, 200)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("Basic !!!", id="not-base64"),
        pytest.param("Basic " + base64.b64encode(b"no-colon").decode(), id="no-colon"),
        pytest.param("Basic " + base64.b64encode(b"\xff:\xff").decode(), id="not-ASCII"),
        pytest.param("Basic " + base64.b64encode(b"a%00:b").decode(), id="NUL"),
        pytest.param("Basic " + base64.b64encode(b"nobody:secret").decode(), id="unknown-client"),
        pytest.param("Bearer x", id="another-scheme"),
        pytest.param("Basic", id="nothing-after-the-scheme"),
    ],
)
def test_a_broken_authorization_header_is_401_with_a_challenge(auth_server: AuthServer, header: str) -> None:
    response = auth_server.token({"grant_type": "client_credentials"}, headers={"Authorization": header})

    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert response.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_wrong_secret_is_refused(auth_server: AuthServer) -> None:
    client = auth_server.register(secret=True)

    response = auth_server.token({"grant_type": "client_credentials"}, auth=(client.client_id, "bhr_secret_default_x"))

    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert auth_server.events(client.client_id) == [("refuse", "invalid_client", "The client secret is wrong.")]


def test_two_authorization_headers_are_refused(auth_server: AuthServer) -> None:
    response = auth_server.http.post(
        "/oauth/token",
        data={"grant_type": "client_credentials"},
        headers=[("Authorization", "Basic eDp5"), ("Authorization", "Basic eDp6")],
    )

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
