"""The database's URL: what libpq's URLs may say beside the address is understood by every way of connecting."""

import asyncio
from collections.abc import Callable, Iterator

import asyncpg
import pytest
from sqlalchemy import text

from bhr_api.store.condition import schema_revision, wanted_revision
from bhr_api.store.database import Database, engine_for
from bhr_api.store.migrations import migrate
from tests.fixtures.database import TestServer, on_database

Ask = Callable[[str, str], str]

PARAMETERS = [
    # Over a socket in the file system PostgreSQL's clients never encrypt; the word is understood all the same.
    pytest.param("sslmode=prefer", id="sslmode"),
    pytest.param("application_name=records", id="application_name"),
    pytest.param("options=-c%20work_mem%3D7MB", id="options"),
    pytest.param("target_session_attrs=any", id="target_session_attrs"),
]


def with_parameter(dsn: str, parameter: str) -> str:
    return f"{dsn}{'&' if '?' in dsn else '?'}{parameter}"


@pytest.fixture
def new_dsn(postgresql: TestServer) -> Iterator[str]:
    dsn = postgresql.new_database()
    yield dsn
    postgresql.drop(dsn)


def through_the_engine(dsn: str, sql: str) -> str:
    """What SQLAlchemy, and so Alembic and OAuth, gets for `sql`."""

    async def ask() -> str:
        engine = engine_for(dsn)
        try:
            async with engine.connect() as connection:
                return str((await connection.execute(text(sql))).scalar_one())
        finally:
            await engine.dispose()

    return asyncio.run(ask())


def through_the_pool(dsn: str, sql: str, seconds: float = 30) -> str:
    """What an interaction gets for `sql`."""

    async def ask() -> str:
        database = await Database.open(dsn, pool_size=1, statement_timeout_seconds=seconds)
        try:
            async with database.acquire() as connection:
                return str(await connection.fetchval(sql))
        finally:
            await database.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_a_database_is_migrated_at_a_url_with_parameters(new_dsn: str, parameter: str) -> None:
    asyncio.run(migrate(with_parameter(new_dsn, parameter)))
    assert on_database(new_dsn, schema_revision) == wanted_revision()


@pytest.mark.parametrize("ask", [through_the_engine, through_the_pool])
@pytest.mark.parametrize(
    ("parameter", "setting", "value"),
    [
        pytest.param("application_name=records", "application_name", "records", id="application_name"),
        pytest.param("options=-c%20work_mem%3D7MB", "work_mem", "7MB", id="options"),
    ],
)
def test_what_the_url_sets_is_set(database_dsn: str, ask: Ask, parameter: str, setting: str, value: str) -> None:
    assert ask(with_parameter(database_dsn, parameter), f"SELECT current_setting('{setting}')") == value


@pytest.mark.parametrize("ask", [through_the_engine, through_the_pool])
def test_a_server_that_does_not_encrypt_is_refused_when_the_url_requires_it(ask: Ask) -> None:
    async def refuse_encryption(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """PostgreSQL's answer to SSLRequest (PostgreSQL 18 §54.2.10) from a server without TLS."""
        await reader.readexactly(8)
        writer.write(b"N")
        await reader.read()
        writer.close()

    async def run() -> None:
        async with await asyncio.start_server(refuse_encryption, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await asyncio.to_thread(ask, f"postgresql://bhr@127.0.0.1:{port}/bhr?sslmode=require", "SELECT 1")

    with pytest.raises((ConnectionError, asyncpg.PostgresError), match="rejected SSL upgrade"):
        asyncio.run(run())


def test_a_time_limit_of_statements_is_whole_milliseconds(database_dsn: str) -> None:
    # A thousand times 1.001 is a little less than 1001.
    assert through_the_pool(database_dsn, "SHOW statement_timeout", 1.001) == "1001ms"
