"""Every table can be distributed by tenant, and the migrations make what the models say (docs/decisions/0003-storage.md)."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Table, UniqueConstraint
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import bhr_api.store.audit_table
import bhr_api.store.oauth
import bhr_api.store.tables  # noqa: F401  (registers the tables)
from bhr_api.access import Caller, parse_scopes
from bhr_api.errors import RefusalError
from bhr_api.interactions.context import Context, Origin
from bhr_api.interactions.perform import perform
from bhr_api.interactions.requests import parse_request
from bhr_api.search.visibility import Visibility
from bhr_api.store import tenants
from bhr_api.store.migrations import scripts_directory, sqlalchemy_url
from tests.fixtures.record import Record, open_record

TABLES = [table for name, table in SQLModel.metadata.tables.items() if name != "tenant"]
MIGRATIONS = sorted((scripts_directory() / "versions").glob("*.py"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_key_and_index_begins_with_the_tenant(table: Table) -> None:
    assert next(iter(table.primary_key.columns)).name == "tenant"
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            assert "tenant" in constraint.columns
    for index in table.indexes:
        # A GIN index has no tenant column: its tokens are keyed hashes of one tenant.
        if index.name != "resource_tokens":
            assert getattr(index.expressions[0], "name", "") == "tenant", index.name


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_migrations_need_no_trigger_and_no_extension(path: Path) -> None:
    assert not re.search(r"CREATE (TRIGGER|EXTENSION)", path.read_text(), re.IGNORECASE)


def test_the_migrated_database_is_what_the_models_say(database_dsn: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours})
        return list(compare_metadata(context, SQLModel.metadata))

    def is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        # Partitions of the audit are made by month; expressions of indexes are not reflected.
        return not (name or "").startswith("audit_event_") and kind != "index"

    async def compare() -> list[Any]:
        engine = create_async_engine(sqlalchemy_url(database_dsn))
        async with engine.connect() as connection:
            found = await connection.run_sync(differences)
        await engine.dispose()
        return found

    assert asyncio.run(compare()) == []


def test_every_statement_names_the_tenant(database_dsn: str) -> None:
    with open_record(database_dsn, "http://here.example/fhir") as record:
        statements = record.run(_logged(record))
    tables = "|".join(table.name for table in TABLES)
    touching = [sql for sql in statements if re.search(rf"\b(FROM|INTO|UPDATE|JOIN) ({tables})\b", sql)]
    assert len(touching) > 20
    assert [sql for sql in touching if "tenant" not in sql] == []


async def _logged(record: Record) -> list[str]:
    """The statements of a create, an update, a delete, searches, history and an audit search."""

    statements: list[str] = []

    def log(query: Any) -> None:
        statements.append(query.query)

    async with record.database.acquire() as connection:
        tenant = (await tenants.add(connection, "statements", record.database.now())).tenant
    await record.registry.words(tenant)
    for holder in record.database.pool._holders:  # type: ignore[attr-defined]
        if holder._con is not None:
            holder._con.add_query_logger(log)
    context = await _context(record, tenant)
    goal = (
        b'{"resourceType":"Goal","id":"g","lifecycleStatus":"active","description":{"text":"x"},'
        b'"subject":{"reference":"Patient/p"}}'
    )
    for method, url, body in (
        ("PUT", "Goal/g", goal),
        ("PUT", "Goal/g", goal),
        ("POST", "Goal", goal),
        ("PUT", "Goal?subject=Patient/p&_id=g", goal),
        ("GET", "Goal/g", None),
        ("GET", "Goal/none", None),
        ("GET", "Goal/g/_history", None),
        ("GET", "_history", None),
        ("GET", "Goal?subject=p&start-date=2026&_sort=-start-date&_total=accurate", None),
        ("GET", "Patient?name=x&_revinclude=Goal:subject&_sort=family", None),
        ("GET", "Observation?value-quantity=5&code=x&_include=*", None),
        ("GET", "AuditEvent?date=2026", None),
        ("DELETE", "Goal/g", None),
    ):
        path, _, query = url.partition("?")
        request = parse_request(method, path, query)
        request.body = body
        try:
            await perform(context, request)
        except RefusalError:
            assert "none" in url
    await record.audit.flush()
    return statements


async def _context(record: Record, tenant: int) -> Context:
    words = await record.registry.words(tenant)
    caller = Caller(tenant, "test", parse_scopes("system/*.cruds"))
    visibility = Visibility.of(caller, words.hasher)
    origin = Origin("test", None)
    return Context(record.database, record.audit, record.row_ids, record.base_url, words, caller, visibility, origin)
