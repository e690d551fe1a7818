"""Migrations: up and down, by several starters at once, and refused by an older program."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from alembic import command
from bhr_api.store.condition import schema_revision, wanted_revision
from bhr_api.store.database import sqlalchemy_url
from bhr_api.store.migrations import SchemaTooNewError, alembic_config, migrate
from tests.fixtures.database import TestServer, on_database


@pytest.fixture
def empty_dsn(postgresql: TestServer) -> Iterator[str]:
    dsn = postgresql.new_database()
    yield dsn
    postgresql.drop(dsn)


async def table_names(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row[0] for row in rows}


def test_several_starters_migrate_an_empty_database_once(empty_dsn: str) -> None:
    async def start_together() -> None:
        await asyncio.gather(*(migrate(empty_dsn) for _ in range(4)))

    asyncio.run(start_together())
    assert on_database(empty_dsn, schema_revision) == wanted_revision()


def test_every_migration_goes_down_and_up_again(empty_dsn: str) -> None:
    asyncio.run(migrate(empty_dsn))
    before = on_database(empty_dsn, table_names)

    def down(connection: Connection) -> None:
        command.downgrade(alembic_config(connection), "base")

    async def go_down() -> None:
        engine = create_async_engine(sqlalchemy_url(empty_dsn))
        async with engine.begin() as connection:
            await connection.run_sync(down)
        await engine.dispose()

    asyncio.run(go_down())
    assert on_database(empty_dsn, table_names) == {"alembic_version"}
    asyncio.run(migrate(empty_dsn))
    assert on_database(empty_dsn, table_names) == before


def test_an_older_program_refuses_a_newer_schema(empty_dsn: str) -> None:
    asyncio.run(migrate(empty_dsn))
    on_database(empty_dsn, lambda connection: connection.execute("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNewError, match="9999"):
        asyncio.run(migrate(empty_dsn))
