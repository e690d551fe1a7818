"""A connection that is lost is the database's trouble, 503; asyncpg's other complaints are a fault of the program, 500."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from bhr_api.errors import OverloadedError
from bhr_api.store.database import Connection, Database


def acquiring(dsn: str, work: Callable[[Connection], Awaitable[object]]) -> int:
    """What a connection of the pool gives after `work` with one, which is told as it is raised."""

    async def run() -> int:
        database = await Database.open(dsn, pool_size=1)
        try:
            try:
                async with database.acquire() as connection:
                    await work(connection)
            finally:
                async with database.acquire() as connection:
                    assert await connection.fetchval("SELECT 1") == 1
            return 1
        finally:
            await database.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        pytest.param("SELECT $1::integer", ["one"], id="wrong-type"),
        pytest.param("SELECT $1::integer", [1, 2], id="too-many-values"),
    ],
)
def test_a_wrong_argument_is_no_lost_connection(database_dsn: str, sql: str, values: list[object]) -> None:
    with pytest.raises((asyncpg.InterfaceError, asyncpg.DataError)):
        acquiring(database_dsn, lambda connection: connection.fetchval(sql, *values))


def test_a_connection_that_the_database_ends_is_lost(database_dsn: str) -> None:
    async def end(connection: Connection) -> None:
        await connection.fetchval("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(OverloadedError):
        acquiring(database_dsn, end)


def test_what_is_asked_of_a_closed_connection_finds_it_lost(database_dsn: str) -> None:
    async def ask_after_the_end(connection: Connection) -> None:
        connection.terminate()
        await connection.fetchval("SELECT 1")

    with pytest.raises(OverloadedError):
        acquiring(database_dsn, ask_after_the_end)
