"""Every table can be distributed by tenant, and the migrations make what the models say (docs/decisions/0003-storage.md)."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
from sqlmodel import SQLModel

import bhr_api.store.added_parameter_tables
import bhr_api.store.audit_table
import bhr_api.store.grants
import bhr_api.store.job_tables
import bhr_api.store.oauth
import bhr_api.store.people
import bhr_api.store.tables  # noqa: F401  (registers the tables)
from bhr_api.store.database import engine_for
from tests.fixtures.database import TestServer, on_database

MODELLED = set(SQLModel.metadata.tables)

# What is nobody's record would be copied to every node: the list of the tenants, and the implementation guides, which are
# the whole server's.
SHARED = {"tenant", "package", "package_resource"}
# Alembic keeps it.
NOT_MODELLED = {"alembic_version"}

# PostgreSQL's own words for each part of the tables, so that whatever it tells apart is compared. Partitions are left
# to `PARTITIONS`: they come by month, with what their table has.
COLUMNS = """
SELECT c.relname, a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), co.collname,
    CASE WHEN a.attnotnull THEN 'NOT NULL' END, pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_collation co ON co.oid = a.attcollation
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""
CONSTRAINTS = """
SELECT c.relname, o.conname, pg_get_constraintdef(o.oid) FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
WHERE o.connamespace = 'public'::regnamespace AND NOT c.relispartition
"""
INDEXES = """
SELECT c.relname, pg_get_indexdef(i.indexrelid), '' FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
"""
PARTITIONING = "SELECT partrelid::regclass::text, pg_get_partkeydef(partrelid), '' FROM pg_partitioned_table"

KEYS = """
SELECT c.relname, i.indexrelid::regclass::text, array_agg(a.attname::text ORDER BY k.place)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'public'::regnamespace
CROSS JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, place)
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number GROUP BY 1, 2
"""
FOREIGN_KEYS_BEYOND_THE_TENANT = """
SELECT conname FROM pg_constraint WHERE contype = 'f' AND NOT EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey) AND attname = 'tenant')
"""
NOT_DISTRIBUTABLE = """
SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'extension ' || extname FROM pg_extension WHERE extname <> 'plpgsql'
UNION ALL SELECT 'sequence ' || sequencename FROM pg_sequences WHERE schemaname = 'public'
UNION ALL SELECT 'exclusion ' || conname FROM pg_constraint WHERE contype = 'x'
UNION ALL SELECT 'rule ' || rulename FROM pg_rewrite JOIN pg_class ON pg_class.oid = ev_class
WHERE relnamespace = 'public'::regnamespace AND relkind <> 'v'
"""


def rows(dsn: str, sql: str) -> list[asyncpg.Record]:
    return on_database(dsn, lambda connection: connection.fetch(sql))


@pytest.fixture(scope="module")
def modelled_dsn(postgresql: TestServer) -> Iterator[str]:
    """A database whose tables were made from the models."""
    dsn = postgresql.new_database()

    async def make() -> None:
        engine = engine_for(dsn)
        async with engine.begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all)
        await engine.dispose()

    asyncio.run(make())
    yield dsn
    postgresql.drop(dsn)


@pytest.mark.parametrize(
    "described",
    [
        pytest.param(COLUMNS, id="columns"),
        pytest.param(CONSTRAINTS, id="constraints"),
        pytest.param(INDEXES, id="indexes"),
        pytest.param(PARTITIONING, id="partitioning"),
    ],
)
def test_the_migrations_make_what_the_models_say(described: str, database_dsn: str, modelled_dsn: str) -> None:
    migrated = {tuple(row) for row in rows(database_dsn, described) if row[0] not in NOT_MODELLED}
    modelled = {tuple(row) for row in rows(modelled_dsn, described)}
    assert modelled
    assert migrated - modelled == set(), "in the migrations only"
    assert modelled - migrated == set(), "in the models only"


def test_the_models_declare_every_table(database_dsn: str) -> None:
    assert {row[0] for row in rows(database_dsn, COLUMNS)} == MODELLED | NOT_MODELLED


def test_every_key_and_index_begins_with_the_tenant(database_dsn: str) -> None:
    keys = [
        (index, columns) for table, index, columns in rows(database_dsn, KEYS) if table not in SHARED | NOT_MODELLED
    ]
    assert len(keys) > len(MODELLED)
    # A GIN index has no tenant column: its tokens are keyed hashes of one tenant.
    assert [index for index, columns in keys if columns[0] != "tenant"] == ["resource_tokens"]


def test_no_foreign_key_leads_beyond_the_tenant(database_dsn: str) -> None:
    assert rows(database_dsn, FOREIGN_KEYS_BEYOND_THE_TENANT) == []


def test_the_database_has_nothing_that_cannot_be_distributed(database_dsn: str) -> None:
    found = {row[0] for row in rows(database_dsn, NOT_DISTRIBUTABLE)}
    # Both sequences number what is made on one node: tenants as they are added, and processes as they start.
    assert found == {"sequence tenant_tenant_seq", "sequence row_id_node"}


def test_an_event_always_finds_a_partition(database_dsn: str) -> None:
    found = rows(
        database_dsn, "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relkind = 'r'"
    )
    assert "DEFAULT" in {row[0] for row in found}
