"""RFC 6750 on the FHIR side, and the cache that keeps it cheap."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from bhr_api.auth.bearer import CACHE_SECONDS, TokenReader
from bhr_api.auth.registration import disable_client, mint_token
from bhr_api.errors import UnauthenticatedError
from tests.fixtures.auth import AuthServer, KeyedClient, MovableClock, note_event


def token_of(server: AuthServer, client: KeyedClient) -> str:
    return str(server.token(client.form()).json()["access_token"])


def test_a_live_token_tells_its_caller(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    response = auth_server.whoami(token_of(auth_server, backend_client))

    (tenant,) = auth_server.fetch("SELECT tenant FROM tenant WHERE name = 'default'")
    assert response.json() == {"tenant": tenant["tenant"], "client_id": backend_client.client_id}


@pytest.mark.parametrize("header", [None, "", "Basic eDp5", "bhr_at_default_" + "A" * 43, "Digest x"])
def test_without_a_bearer_token_the_challenge_names_no_error(auth_server: AuthServer, header: str | None) -> None:
    response = auth_server.http.get("/whoami", headers={} if header is None else {"Authorization": header})

    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert response.json()["issue"][0]["code"] == "login"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda token: token + "x", id="longer"),
        pytest.param(lambda token: token[:-1], id="shorter"),
        pytest.param(lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"), id="altered"),
        pytest.param(lambda token: token.replace("_default_", "_other_"), id="another-tenant"),
        pytest.param(lambda token: token.replace("_default_", "_nowhere_"), id="no-tenant"),
        pytest.param(lambda token: token.replace("bhr_at_", "bhr_secret_"), id="another-kind"),
        pytest.param(lambda token: token.upper(), id="upper-case"),
        pytest.param(lambda token: f"{token}, Bearer {token}", id="two-headers-joined"),
        pytest.param(lambda token: f"{token} {token}", id="two-tokens"),
        pytest.param(lambda _: "eyJhbGciOiJub25lIn0.e30.", id="JWT-alg-none"),
        pytest.param(lambda _: "' OR 1=1 --", id="SQL"),
        pytest.param(lambda _: "A" * 5000, id="5-kB"),
    ],
)
def test_an_altered_token_is_refused(
    auth_server: AuthServer, backend_client: KeyedClient, change: Callable[[str], str]
) -> None:
    response = auth_server.whoami(change(token_of(auth_server, backend_client)))

    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_a_client_assertion_is_no_access_token(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    assert auth_server.whoami(backend_client.assertion()).status_code == 401


def test_expiry_is_exact_also_from_the_cache(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    token = token_of(auth_server, backend_client)
    assert auth_server.whoami(token).status_code == 200

    auth_server.clock.ahead = timedelta(seconds=301)

    assert auth_server.whoami(token).status_code == 401


def test_a_disabled_clients_tokens_die_within_seconds(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    token = token_of(auth_server, backend_client)
    assert auth_server.whoami(token).status_code == 200

    auth_server.in_session(
        lambda session: disable_client(session, client_id=backend_client.client_id, now=auth_server.clock())
    )

    time.sleep(CACHE_SECONDS + 0.1)
    assert auth_server.whoami(token).status_code == 401
    assert auth_server.token(backend_client.form()).json()["error"] == "invalid_client"


class CountingPool:
    """A pool that counts how often it is asked."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self.acquired = 0

    def __call__(self) -> "AbstractAsyncContextManager[asyncpg.pool.PoolConnectionProxy[asyncpg.Record]]":
        self.acquired += 1
        return self._pool.acquire()


def minted(server: AuthServer, scope: str = "patient/*.rs", **kwargs: str) -> str:
    return server.in_session(
        lambda session: mint_token(
            session,
            note_event,
            tenant_name="default",
            client_id="operator",
            scope=scope,
            now=server.clock(),
            lifetime=timedelta(hours=1),
            **kwargs,
        )
    )


def test_a_minted_token_carries_patient_and_user(auth_server: AuthServer) -> None:
    token = minted(auth_server, patient="p1", user="Practitioner/1")

    async def read() -> None:
        async with asyncpg.create_pool(auth_server.dsn, min_size=1, max_size=1) as pool:
            caller = await TokenReader(CountingPool(pool)).caller(f"Bearer {token}")
        assert (caller.client_id, caller.patient, caller.user) == ("operator", "p1", "Practitioner/1")
        assert caller.may("r", "Goal")
        assert not caller.may("c", "Goal")

    asyncio.run(read())
    assert auth_server.events("operator")[-1] == ("grant", "success", "patient/*.rs")


def test_a_token_is_read_again_after_two_seconds_and_not_before(auth_server: AuthServer) -> None:
    header = f"bearer {minted(auth_server)}"
    seconds = [0.0]

    async def read() -> list[int]:
        async with asyncpg.create_pool(auth_server.dsn, min_size=1, max_size=1) as pool:
            counting = CountingPool(pool)
            reader = TokenReader(counting, monotonic=lambda: seconds[0])
            counts = []
            for seconds[0] in (0.0, 1.0, 1.99, 2.0, 3.9):
                await reader.caller(header)
                counts.append(counting.acquired)
            return counts

    assert asyncio.run(read()) == [1, 1, 1, 2, 2]


def test_what_was_refused_is_not_remembered(auth_server: AuthServer) -> None:
    async def read() -> int:
        async with asyncpg.create_pool(auth_server.dsn, min_size=1, max_size=1) as pool:
            counting = CountingPool(pool)
            reader = TokenReader(counting)
            for _ in range(2):
                with pytest.raises(UnauthenticatedError):
                    await reader.caller("Bearer bhr_at_default_" + "A" * 43)
            with pytest.raises(UnauthenticatedError):
                await reader.caller("Bearer malformed")
            return counting.acquired

    assert asyncio.run(read()) == 2


def test_expiry_counts_to_the_instant(auth_server: AuthServer) -> None:
    token = minted(auth_server)
    clock = MovableClock()

    async def read() -> None:
        async with asyncpg.create_pool(auth_server.dsn, min_size=1, max_size=1) as pool:
            expires_at: datetime = (
                await pool.fetchval("SELECT max(expires_at) FROM oauth_access_token WHERE client_id = 'operator'")
            ).astimezone(UTC)
            now = [expires_at - timedelta(microseconds=1)]
            reader = TokenReader(CountingPool(pool), clock=lambda: now[0])
            assert (await reader.caller(f"Bearer {token}")).client_id == "operator"
            now[0] = expires_at
            with pytest.raises(UnauthenticatedError):
                await reader.caller(f"Bearer {token}")

    asyncio.run(read())
    assert clock() < datetime.now(UTC) + timedelta(seconds=1)
