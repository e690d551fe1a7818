"""Tables without statistics get them (docs/storage.md)."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from bhr_api.store import statistics
from bhr_api.store.migrations import migrate
from tests.fixtures.database import TestServer, on_database, with_database

_ROWS = """
    INSERT INTO posting (tenant, token, row_id, date_start) SELECT 1, n % 10, n, now() FROM generate_series($1::int, $2) AS n
"""


@pytest.fixture
def dsn(postgresql: TestServer) -> Iterator[str]:
    """A database that autovacuum leaves alone."""
    dsn = postgresql.new_database()
    asyncio.run(migrate(dsn))
    on_database(dsn, lambda connection: connection.execute("ALTER TABLE posting SET (autovacuum_enabled = off)"))
    yield dsn
    postgresql.drop(dsn)


async def load(connection: asyncpg.Connection, first: int, last: int) -> None:
    await connection.execute(_ROWS, first, last)
    # A session tells of its changes at most once a second, unless it is asked to.
    await connection.execute("SELECT pg_stat_force_next_flush()")
    await connection.execute("SELECT 1")


def test_a_loaded_table_is_analyzed_once(dsn: str) -> None:
    async def twice(connection: asyncpg.Connection) -> list[list[str]]:
        await load(connection, 1, 5_000)
        return [await statistics.refresh(connection) for _ in range(2)]

    assert on_database(dsn, twice) == [["posting"], []]


def test_a_table_that_has_multiplied_since_is_analyzed_anew(dsn: str) -> None:
    async def grown(connection: asyncpg.Connection) -> list[list[str]]:
        found = []
        for first, last in ((1, 2_000), (2_001, 3_500), (3_501, 9_000)):
            await load(connection, first, last)
            found.append(await statistics.refresh(connection))
        return found

    assert on_database(dsn, grown) == [["posting"], [], ["posting"]]


def test_who_does_not_own_the_tables_leaves_them_alone(postgresql: TestServer, dsn: str) -> None:
    async def as_reader(connection: asyncpg.Connection) -> list[str]:
        await connection.execute("SET ROLE pg_read_all_data")
        return await statistics.refresh(connection)

    on_database(dsn, lambda connection: load(connection, 1, 5_000))
    of_superuser = with_database(postgresql.admin_dsn, urlsplit(dsn).path.removeprefix("/"))
    assert on_database(of_superuser, as_reader) == []
    assert on_database(dsn, statistics.refresh) == ["posting"]


def test_whoever_holds_a_table_is_not_waited_for(dsn: str) -> None:
    async def beside_a_holder(connection: asyncpg.Connection) -> list[str]:
        await load(connection, 1, 5_000)
        holder = await asyncpg.connect(dsn)
        async with asyncio.timeout(20), holder.transaction():
            await holder.execute("LOCK TABLE resource IN ACCESS EXCLUSIVE MODE")
            found = await statistics.refresh(connection)
        await holder.close()
        return found + await statistics.refresh(connection)

    assert on_database(dsn, beside_a_holder) == ["posting"]
