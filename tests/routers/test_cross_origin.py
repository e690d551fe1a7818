"""CORS: preflights before authentication, and answers that only the right pages may read (Fetch Standard §3.3)."""

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from pydantic import SecretStr, ValidationError

from bhr_api.app import Application
from bhr_api.routers.cross_origin import ALLOWED_HEADERS, EXPOSED_HEADERS, RegisteredOrigins
from bhr_api.settings import Settings
from bhr_api.store.database import Database
from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer, serve

SETTINGS_ORIGIN = "https://staff.example"
CLIENT_ORIGIN = "https://app.example"
STRANGER = "https://evil.example"

_INSERT_CLIENT = """
INSERT INTO oauth_client (tenant, client_id, name, scope, redirect_uris, origins, created_at, disabled_at)
SELECT tenant, $2, 'A front end', 'system/*.rs', '{}', $3, $4, $5 FROM tenant WHERE name = $1
"""


def add_client(dsn: str, tenant: str, client_id: str, origin: str, *, disabled: bool = False) -> None:
    now = datetime.now(UTC)

    async def insert(connection: asyncpg.Connection) -> None:
        await connection.execute(_INSERT_CLIENT, tenant, client_id, [origin], now, now if disabled else None)

    on_database(dsn, insert)


@pytest.fixture(scope="module")
def site(server: RunningServer) -> Iterator[str]:
    """A server that knows an origin from its settings and one from a client; its URL."""
    tenant = server.new_tenant()
    add_client(server.dsn, tenant, f"{tenant}-enabled", f"{CLIENT_ORIGIN}/")
    add_client(server.dsn, tenant, f"{tenant}-disabled", "https://former.example", disabled=True)
    listener = socket.create_server(("127.0.0.1", 0))
    settings = Settings(
        _env_file=None,
        port=listener.getsockname()[1],
        database_url=SecretStr(server.dsn),
        cors_origins=(SETTINGS_ORIGIN,),
    )
    running, thread = serve(Application(settings, server.dsn), listener)
    yield settings.issuer
    running.should_exit = True
    thread.join(timeout=30)
    listener.close()


def preflight(url: str, origin: str, method: str = "PUT") -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,if-match",
    }
    return httpx.options(url, headers=headers)


def names(value: str) -> set[str]:
    return {name.strip() for name in value.split(",")}


@pytest.mark.parametrize("origin", [SETTINGS_ORIGIN, CLIENT_ORIGIN])
@pytest.mark.parametrize("path", ["/fhir", "/fhir/Goal/g1", "/oauth/token"])
def test_a_registered_origin_passes_its_preflight_without_a_token(site: str, path: str, origin: str) -> None:
    answer = preflight(site + path, origin)

    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "PUT" in names(answer.headers["Access-Control-Allow-Methods"])
    assert answer.headers["Vary"] == "Origin"


def test_the_allowed_headers_are_those_of_the_contract(site: str) -> None:
    answer = preflight(f"{site}/fhir/Goal", SETTINGS_ORIGIN)

    assert answer.headers["Access-Control-Allow-Headers"] == ALLOWED_HEADERS.decode()
    assert names(answer.headers["Access-Control-Allow-Headers"]) == set(
        "Authorization Content-Type Accept Prefer If-Match If-None-Match If-None-Exist If-Modified-Since X-Request-Id".split()
    )


def test_the_exposed_headers_are_those_of_the_contract(site: str) -> None:
    answer = httpx.get(f"{site}/fhir/Goal", headers={"Origin": SETTINGS_ORIGIN})

    assert answer.headers["Access-Control-Expose-Headers"] == EXPOSED_HEADERS.decode()
    assert names(answer.headers["Access-Control-Expose-Headers"]) == set(
        "ETag Location Content-Location Last-Modified X-Request-Id Retry-After X-Progress Link".split()
    )


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param(STRANGER, id="unknown"),
        pytest.param("https://former.example", id="of-a-disabled-client"),
        pytest.param(f"{CLIENT_ORIGIN}.evil.example", id="longer-than-a-registered-one"),
        pytest.param("http://app.example", id="another-scheme"),
        pytest.param("https://app.example:8443", id="another-port"),
        pytest.param("null", id="opaque"),
    ],
)
def test_any_other_origin_gets_no_grant(site: str, origin: str) -> None:
    answers = [preflight(f"{site}/fhir/Goal", origin), httpx.get(f"{site}/fhir/Goal", headers={"Origin": origin})]

    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["Vary"] == "Origin"


def test_a_refusal_can_be_read_by_the_page_that_caused_it(site: str) -> None:
    answer = httpx.get(f"{site}/fhir/Goal", headers={"Origin": CLIENT_ORIGIN})

    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == CLIENT_ORIGIN
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "path", ["/fhir/metadata", "/fhir/.well-known/smart-configuration", "/openapi.json"], ids=lambda path: path[1:]
)
def test_discovery_and_documents_are_open_to_any_origin(site: str, path: str) -> None:
    answer = httpx.get(site + path, headers={"Origin": STRANGER})
    asked = preflight(site + path, STRANGER, "GET")

    assert answer.status_code == 200
    assert answer.headers.get_list("Access-Control-Allow-Origin") == ["*"]
    assert asked.headers["Access-Control-Allow-Origin"] == "*"
    assert names(asked.headers["Access-Control-Allow-Methods"]) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/Goal", "/oauth/token"])
@pytest.mark.parametrize("origin", [STRANGER, CLIENT_ORIGIN])
def test_credentials_are_never_allowed(site: str, path: str, origin: str) -> None:
    answers = [preflight(site + path, origin), httpx.get(site + path, headers={"Origin": origin})]

    assert all("Access-Control-Allow-Credentials" not in answer.headers for answer in answers)


def test_operations_are_open_to_no_page(site: str) -> None:
    answer = httpx.get(f"{site}/metrics", headers={"Origin": CLIENT_ORIGIN})

    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_options_request_that_is_no_preflight_is_answered_as_any_other(site: str) -> None:
    answer = httpx.options(f"{site}/fhir/Goal", headers={"Origin": CLIENT_ORIGIN})

    assert answer.status_code == 401


def test_a_request_without_origin_gets_no_cors_headers(site: str) -> None:
    answer = httpx.get(f"{site}/fhir/Goal")

    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_client_that_registers_later_is_known_after_a_reload(server: RunningServer) -> None:
    tenant = server.new_tenant()
    origin = f"https://{tenant}.example"
    registered = RegisteredOrigins()

    async def reload() -> bool:
        database = await Database.open(server.dsn, pool_size=1)
        await registered.reload(database)
        await database.close()
        return origin in registered

    before = asyncio.run(reload())
    add_client(server.dsn, tenant, "late", origin.upper())

    assert (before, asyncio.run(reload())) == (False, True)


def test_the_setting_takes_origins_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BHR_CORS_ORIGINS", "https://A.example, http://localhost:5173/")

    assert Settings(_env_file=None).cors_origins == ("https://a.example", "http://localhost:5173")


@pytest.mark.parametrize("value", ["*", "a.example", "https://a.example/path", "null", "https://a.example:port"])
def test_the_setting_refuses_what_is_no_origin(value: str) -> None:
    with pytest.raises(ValidationError, match="is no origin"):
        Settings(_env_file=None, cors_origins=(value,))
