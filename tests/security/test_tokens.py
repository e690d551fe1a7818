"""Only one living token in one Authorization header opens the record (RFC 6750 §2; SECURITY.md section 3).

What becomes of altered token texts is in tests/auth/test_bearer.py.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bhr_api.opaque_strings import digest_of
from tests.fixtures.database import on_database
from tests.fixtures.server import EVERYTHING, ClientWith, RunningServer
from tests.security.answers import FORM, require_proper, send_raw

# access tokens are remembered for two seconds (bearer.CACHE_SECONDS); a revoked one must be dead soon after.
SOON_SECONDS = 2.5


@pytest.fixture
def token(server: RunningServer, tenant: str) -> str:
    """A living token that may do everything."""
    return server.token(tenant)


@pytest.fixture
def anonymous(server: RunningServer) -> Iterator[httpx.Client]:
    """A client without a token."""
    with server.client(None) as http:
        yield http


def require_refused(answer: httpx.Response) -> None:
    require_proper(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["issue"][0]["code"] == "login"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def raw_get(server: RunningServer, *headers: str) -> bytes:
    lines = ["GET /fhir/Patient HTTP/1.1", "Host: localhost", *headers, "Connection: close", "", ""]
    return send_raw(server, "\r\n".join(lines).encode("latin-1"))


@pytest.mark.parametrize("name", ["access_token", "token", "Authorization", "authorization", "bearer", "bearer_token"])
def test_a_token_in_the_address_is_not_taken(anonymous: httpx.Client, token: str, name: str) -> None:
    for value in (token, f"Bearer {token}"):
        require_refused(anonymous.get("/Patient", params={name: value}))


@pytest.mark.parametrize("name", ["access_token", "token", "Authorization", "session", "bhr", "__Host-bhr"])
def test_a_token_in_a_cookie_is_not_taken(anonymous: httpx.Client, token: str, name: str) -> None:
    require_refused(anonymous.get("/Patient", headers={"Cookie": f"{name}={token}"}))


def test_a_token_in_a_form_is_not_taken(anonymous: httpx.Client, token: str) -> None:
    for method, path in (("POST", "/Patient/_search"), ("POST", "/Patient"), ("PUT", "/Patient/1")):
        answer = anonymous.request(method, path, content=f"access_token={token}".encode(), headers=FORM)
        require_refused(answer)


@pytest.mark.parametrize(
    "name", ["X-Authorization", "Proxy-Authorization", "X-Access-Token", "X-Forwarded-Authorization"]
)
def test_a_token_in_another_header_is_not_taken(anonymous: httpx.Client, token: str, name: str) -> None:
    require_refused(anonymous.get("/Patient", headers={name: f"Bearer {token}"}))


def test_a_second_authorization_header_is_400_or_401(server: RunningServer, token: str) -> None:
    right, wrong = f"Authorization: Bearer {token}", "Authorization: Basic eDp5"
    for first, second in ((right, wrong), (wrong, right), (right, right), (right, "authorization: ")):
        answer = raw_get(server, first, second)
        assert status_of(answer) in (400, 401), answer
        assert b"OperationOutcome" in answer
        # DESIGN 2: every answer carries a request id.
        assert [line for line in answer.split(b"\r\n") if line.lower().startswith(b"x-request-id: ") and line[14:]]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_in_any_case(anonymous: httpx.Client, token: str, scheme: str) -> None:
    """RFC 9110 §11.1: the scheme is case-insensitive."""
    require_proper(anonymous.get("/Patient", headers={"Authorization": f"{scheme} {token}"}), 200)


JUNK: dict[str, Callable[[str], str]] = {
    "a word after it": lambda token: f"Bearer {token} x",
    "a comma": lambda token: f"Bearer {token},",
    "a semicolon": lambda token: f"Bearer {token};",
    "a tab before it": lambda token: f"Bearer\t{token}",
    "a tab inside": lambda token: f"Bearer {token[:20]}\t{token[20:]}",
    "a parameter": lambda token: f"Bearer token={token}",
    "quotes": lambda token: f'Bearer "{token}"',
    "another scheme": lambda token: f"Token {token}",
    "a longer scheme": lambda token: f"Bearerx {token}",
    "no scheme": lambda token: token,
    "no space": lambda token: f"Bearer{token}",
    "a colon": lambda token: f"Bearer: {token}",
    "Basic": lambda token: f"Basic {token}",
    "percent-encoded": lambda token: "Bearer " + token.replace("_", "%5F"),
    "a line break that is folded": lambda token: f"Bearer \r\n {token}x",
    "Latin-1": lambda token: f"Bearer {token}\xff",
    "a megabyte less a bit": lambda token: f"Bearer {token}" + "A" * 30_000,
}


@pytest.mark.parametrize("name", JUNK)
def test_a_token_with_anything_beside_it_is_not_taken(server: RunningServer, token: str, name: str) -> None:
    answer = raw_get(server, f"Authorization: {JUNK[name](token)}")
    assert status_of(answer) in (400, 401), answer


def test_an_expired_token_is_dead_at_once(server: RunningServer, tenant: str) -> None:
    token = server.token(tenant, lifetime=timedelta(seconds=1.5))
    with server.client(token) as http:
        require_proper(http.get("/Patient"), 200)
        time.sleep(1.6)
        require_refused(http.get("/Patient"))


def test_a_revoked_token_is_dead_soon(server: RunningServer, token: str) -> None:
    with server.client(token) as http:
        require_proper(http.get("/Patient"), 200)
        revoke = "UPDATE oauth_access_token SET revoked_at = $2 WHERE token_hash = $1"
        on_database(server.dsn, lambda database: database.execute(revoke, digest_of(token), datetime.now(UTC)))
        time.sleep(SOON_SECONDS)
        require_refused(http.get("/Patient"))


def test_a_token_under_another_tenants_name_is_none(server: RunningServer, tenant: str, token: str) -> None:
    other = server.new_tenant()
    forged = token.replace(tenant, other)
    assert forged != token
    with server.client(forged) as http:
        require_refused(http.get("/Patient"))
    with server.client(token) as http:
        require_proper(http.get("/Patient"), 200)


@pytest.mark.parametrize("kind", ["secret", "client", "refresh", "code"])
def test_another_kind_of_string_is_no_token(server: RunningServer, token: str, kind: str) -> None:
    with server.client(token.replace("bhr_at_", f"bhr_{kind}_")) as http:
        require_refused(http.get("/Patient"))


ODD_SCOPES = [
    "system/Patient.dus",
    "system/Patient.sr",
    "system/Patient.rr",
    "system/Patient.",
    "system/Patient",
    "system/.r",
    "system/Patient.r?",
    "system/Patient.rs?birthdate=2000",
    "system/Patient.r*",
    "system/*.*s",
    "System/Patient.rs",
    "system/patient.rs",
    "system/Patient.rs\u200b",
    "system/Patient.ｒｓ",
    "system/Ρatient.rs",
    "launch/patient",
    "patient/*.cruds",
    "system\\Patient.rs",
]


@pytest.mark.parametrize("scope", ODD_SCOPES)
def test_a_scope_that_is_not_understood_grants_nothing(
    server: RunningServer, tenant: str, client_with: ClientWith, scope: str
) -> None:
    with server.client(server.token(tenant, EVERYTHING)) as operator:
        patient = {"resourceType": "Patient", "id": "one"}
        assert operator.put("/Patient/one", json=patient).status_code == 201
    try:
        http = client_with(scope)
    except ValueError:
        return  # It was not even granted.
    for method, path in (
        ("GET", "/Patient/one"),
        ("GET", "/Patient"),
        ("PUT", "/Patient/one"),
        ("DELETE", "/Patient/one"),
    ):
        answer = http.request(method, path, json=patient if method == "PUT" else None)
        require_proper(answer, 403)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_an_override_header_gives_no_other_method(client_with: ClientWith, method: str) -> None:
    http = client_with("system/Patient.rs")
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        answer = http.get("/Patient?identifier=a", headers={name: method})
        require_proper(answer, 200)
        assert answer.json()["type"] == "searchset"


def test_what_strangers_say_of_the_host_is_not_reflected(client: httpx.Client) -> None:
    client.put("/Patient/one", json={"resourceType": "Patient", "id": "one"})
    headers = {
        "Host": "evil.example.org",
        "X-Forwarded-Host": "evil.example.org",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "host=evil.example.org",
    }
    for path in ("/Patient", "/Patient/one", "/Patient/one/_history", "/metadata", "/.well-known/smart-configuration"):
        answer = client.get(path, headers=headers)
        assert "evil" not in answer.text + str(answer.headers)
    created = client.post("/Patient", json={"resourceType": "Patient"}, headers=headers)
    assert "evil" not in created.headers["location"]
