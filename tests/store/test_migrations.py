"""Migrations: up and down, by several starters at once, with a record in the database, and refused by an older program."""

import asyncio
import re
import shutil
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import Connection
from typer.testing import CliRunner

from alembic import command
from bhr_api.app import Application
from bhr_api.cli import app
from bhr_api.samples import generate
from bhr_api.settings import Settings
from bhr_api.store import migrations
from bhr_api.store.condition import schema_revision, wanted_revision
from bhr_api.store.database import engine_for
from bhr_api.store.migrations import SchemaTooNewError, alembic_config, migrate, scripts_directory
from tests.fixtures.database import TestServer, on_database
from tests.fixtures.record import open_record
from tests.fixtures.server import RunningServer, serve

FIRST = "0001"
# Whatever search and history know of the record, in a word for each table.
RECORD_TABLES = (
    "tenant resource resource_history posting string_index number_index date_index heavy_token lock_stripe audit_event"
).split()


@pytest.fixture
def empty_dsn(postgresql: TestServer) -> Iterator[str]:
    dsn = postgresql.new_database()
    yield dsn
    postgresql.drop(dsn)


async def table_names(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row[0] for row in rows}


async def contents(connection: asyncpg.Connection) -> dict[str, str]:
    """A digest of what each table of the record holds, in the columns that it had at first."""
    digest = "SELECT md5(coalesce(string_agg(md5(t::text), '' ORDER BY t::text), '')) FROM {} t"
    at_first = {"tenant": "(SELECT tenant, name, token_key, created_at FROM tenant)"}
    return {table: await connection.fetchval(digest.format(at_first.get(table, table))) for table in RECORD_TABLES}


def move(dsn: str, revision: str) -> None:
    """Bring the database to `revision`, up or down."""

    def run(connection: Connection) -> None:
        at = connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar()
        step = command.downgrade if at else command.upgrade
        step(alembic_config(connection), revision)

    async def work() -> None:
        engine = engine_for(dsn)
        async with engine.begin() as connection:
            await connection.run_sync(run)
        await engine.dispose()

    asyncio.run(work())


def test_several_starters_migrate_an_empty_database_once(empty_dsn: str) -> None:
    async def start_together() -> None:
        await asyncio.gather(*(migrate(empty_dsn) for _ in range(4)))

    asyncio.run(start_together())
    assert on_database(empty_dsn, schema_revision) == wanted_revision()


def test_every_migration_goes_down_and_up_again(empty_dsn: str) -> None:
    asyncio.run(migrate(empty_dsn))
    before = on_database(empty_dsn, table_names)
    move(empty_dsn, "base")
    assert on_database(empty_dsn, table_names) == {"alembic_version"}
    asyncio.run(migrate(empty_dsn))
    assert on_database(empty_dsn, table_names) == before


@pytest.fixture(scope="module")
def samples() -> list[dict[str, Any]]:
    """The record of one client, each resource once."""
    entries = [entry["resource"] for bundle in generate(1) for entry in bundle["entry"]]
    return list({(resource["resourceType"], resource["id"]): resource for resource in entries}.values())


@pytest.fixture
def first_dsn(empty_dsn: str, samples: list[dict[str, Any]]) -> str:
    """A database at the first revision with that record in its first tenant, the client's own resource in two versions."""
    asyncio.run(migrate(empty_dsn))
    with open_record(empty_dsn, "http://here.example/fhir") as record:
        context = record.new_tenant()
        record.store(context, samples)
        record.store(context, [resource for resource in samples if resource["resourceType"] == "Patient"])
    # What came to the record's tables since is taken away again. A migration that changes their rows freezes these as SQL.
    move(empty_dsn, FIRST)
    return empty_dsn


def test_a_record_of_the_first_revision_answers_at_the_last(first_dsn: str, samples: list[dict[str, Any]]) -> None:
    asyncio.run(migrate(first_dsn))
    (name,) = on_database(first_dsn, lambda connection: connection.fetch("SELECT name FROM tenant"))[0]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = Settings(_env_file=None, port=listener.getsockname()[1], database_url=SecretStr(first_dsn))
        running, thread = serve(Application(settings, first_dsn), listener)
        try:
            server = RunningServer(settings.issuer, first_dsn)
            with server.client(server.token(name)) as http:
                for resource in samples:
                    found = http.get(f"{resource['resourceType']}/{resource['id']}").json()
                    assert {**found, "meta": None} == {**resource, "meta": None}
                for resource_type, count in Counter(one["resourceType"] for one in samples).items():
                    assert http.get(f"{resource_type}?_summary=count").json()["total"] == count
                goals = http.get("Goal?patient=sample-0001&_sort=-start-date&_revinclude=Observation:focus").json()
                assert sum(entry["search"]["mode"] == "match" for entry in goals["entry"]) == 4
                assert len(http.get("Patient/sample-0001/_history").json()["entry"]) == 2
        finally:
            running.should_exit = True
            thread.join(timeout=30)


def test_the_record_is_untouched_by_a_way_up_and_down(first_dsn: str) -> None:
    before = on_database(first_dsn, contents)
    asyncio.run(migrate(first_dsn))
    assert on_database(first_dsn, contents) == before
    move(first_dsn, FIRST)
    assert on_database(first_dsn, schema_revision) == FIRST
    assert on_database(first_dsn, contents) == before


def test_the_documented_way_back_takes_one_revision_away(
    first_dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    asyncio.run(migrate(first_dsn))
    before = on_database(first_dsn, contents)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BHR_DATABASE_URL", first_dsn)
    exec(compile(program, "docs/operations.md", "exec"), {})
    assert on_database(first_dsn, schema_revision) == "0002"
    assert on_database(first_dsn, contents) == before
    assert not {"package", "package_resource"} & on_database(first_dsn, table_names)


@pytest.fixture
def older_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program with the first migration and no other."""
    scripts = tmp_path / "alembic"
    shutil.copytree(scripts_directory(), scripts, ignore=shutil.ignore_patterns("000[2-9]_*", "__pycache__"))
    monkeypatch.setattr(migrations, "scripts_directory", lambda: scripts)
    monkeypatch.setattr("bhr_api.store.condition.scripts_directory", lambda: scripts)


def test_an_older_program_refuses_a_newer_schema(database_dsn: str, older_program: None) -> None:
    newer = on_database(database_dsn, schema_revision)
    assert newer is not None
    with pytest.raises(SchemaTooNewError, match=newer):
        asyncio.run(migrate(database_dsn))
    assert on_database(database_dsn, schema_revision) == newer


@pytest.mark.parametrize(
    "arguments",
    [["serve", "--port", "0"], ["migrate"], ["check"], ["reindex"], ["tenants", "list"], ["export", "exported"]],
    ids=lambda arguments: arguments[0],
)
def test_no_command_of_an_older_program_works_on_a_newer_schema(
    database_dsn: str, older_program: None, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    newer = on_database(database_dsn, schema_revision)
    outcome = CliRunner().invoke(app, [*arguments, "--database-url", database_dsn])
    assert outcome.exit_code == 1
    assert str(newer) in outcome.output
