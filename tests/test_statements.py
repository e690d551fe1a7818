"""Every statement of the program is about one tenant, for each table that it mentions (docs/decisions/0003-storage.md).

A server and the commands run with everything noted that is sent to PostgreSQL.
"""

import ast
import asyncio
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

import bhr_api
from bhr_api.app import Application
from bhr_api.fhir import json_text
from bhr_api.samples import generate
from bhr_api.search import include
from bhr_api.settings import Settings
from bhr_api.store.migrations import migrate
from tests.fixtures.database import TestServer, on_database
from tests.fixtures.server import RunningServer, serve
from tests.noted_statements import Noted, noting
from tests.tenant_ties import Ties, read_schema, ties_of
from tests.watched_work.commands import run_commands, work_on_jobs
from tests.watched_work.people import (
    authorize,
    believe_another_issuer,
    let_app_in,
    let_in,
    responsible,
    sign_in_elsewhere,
)
from tests.watched_work.requests import add_search_parameters, interact, look_after_references, trace_deleted_patient

# The work that they look at takes a minute: one worker does it.
pytestmark = pytest.mark.xdist_group("statements")

SOURCE = Path(bhr_api.__file__).parent

# What is about a session or the deployment; none of it reads or writes a row. Whatever else begins in another way than a
# query does is no statement that PostgreSQL can prepare, and so fails the test.
UPKEEP = (
    *("BEGIN", "COMMIT;", "ROLLBACK;", "SET ", "show ", "LOCK TABLE "),
    *("ANALYZE ", "CREATE TABLE IF NOT EXISTS audit_event_"),
)
CHECK_OF_REFERENCES = "SELECT name FROM tenant WHERE NOT references_indexed"
# Statements over all tenants, each with its reason.
OVER_ALL_TENANTS = {
    CHECK_OF_REFERENCES: "`check` looks at all tenants",
    "SELECT DISTINCT unnest(client.origins) AS origin": "a preflight carries no token, so its tenant is not known",
    "SELECT DISTINCT e.tenant FROM audit_event e": "the sealer asks which of the tenants it names have new events",
    "SELECT statement_timestamp(), s.tenant": "a worker asks whether the search parameters of its tenants have changed",
    "SELECT t.tenant FROM tenant t LEFT JOIN added": "a worker asks which tenants lack the parameters of the packages",
    "SELECT DISTINCT j.tenant FROM job j": "the runner of jobs asks which tenants have some to carry out or to sweep",
}


@pytest.fixture(scope="module")
def noted(postgresql: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Noted]]:
    """A database of its own, and what a server and the commands sent to it."""
    dsn = postgresql.new_database()
    asyncio.run(migrate(dsn))
    with noting(dsn) as notes, pytest.MonkeyPatch.context() as patch:
        patch.setattr(include, "MAXIMUM_INCLUDED", 1)
        tenant = run_server(dsn, notes)
        look_after_references(dsn)
        asyncio.run(work_on_jobs(dsn, tenant))
        # Afterwards, so that there are seals to verify.
        run_commands(dsn, tenant, tmp_path_factory.mktemp("commands"))
    yield dsn, notes
    postgresql.drop(dsn)


def run_server(dsn: str, notes: Noted) -> str:
    """Every interaction, by a client who may see everything and by one confined to a patient, and OAuth; in this tenant."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = Settings(_env_file=None, port=listener.getsockname()[1], database_url=SecretStr(dsn))
        running, thread = serve(Application(settings, dsn), listener)
        server = RunningServer(settings.issuer, dsn)
        try:
            tenant = server.new_tenant()
            with server.client(server.token(tenant)) as client:
                for bundle in generate(1):
                    client.post("", content=json_text.dumps(bundle)).raise_for_status()
                interact(client, {200})
                trace_deleted_patient(client)
            with server.client(server.token(tenant, "patient/*.cruds", patient="sample-0001")) as client:
                interact(client, {200, 403, 404})
            with server.client(responsible(server, tenant)) as client:
                interact(client, {200, 403, 404})
            with server.client(server.token(tenant, "system/Goal.rs?lifecycle-status=active")) as client:
                for url in ("Goal", "Goal/_history"):
                    assert client.get(url).status_code == 200
            asyncio.run(believe_another_issuer(dsn, tenant))
            authorize(server, tenant)
            let_app_in(server, tenant)
            let_in(server, tenant)
            with server.client(server.token(tenant)) as client:
                add_search_parameters(client, notes)
            asyncio.run(sign_in_elsewhere(dsn, tenant))
            wait_for_sealer(notes)
        finally:
            running.should_exit = True
            thread.join(timeout=30)
    return tenant


def wait_for_sealer(notes: Noted) -> None:
    """Until the sealer, which works in the background, has looked for new events and made a link."""
    awaited = [*(OVER_ALL_TENANTS.keys() - {CHECK_OF_REFERENCES}), "INSERT INTO audit_seal"]
    give_up = time.monotonic() + 60
    while not all(any(words in sql for sql in list(notes.executions)) for words in awaited):
        assert time.monotonic() < give_up, "the sealer did nothing"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def analysed(noted: tuple[str, Noted]) -> dict[str, Ties]:
    """The ties of each statement that was noted, but for upkeep."""
    dsn, notes = noted
    statements = [sql for sql in notes.executions if not is_upkeep(sql)]

    async def analyse(connection: asyncpg.Connection) -> dict[str, Ties]:
        schema = await read_schema(connection)
        return {sql: await ties_of(connection, schema, sql.strip().rstrip(";")) for sql in statements}

    return on_database(dsn, analyse)


def is_upkeep(sql: str) -> bool:
    """Whether a statement is none about rows."""
    return sql.lstrip().startswith(UPKEEP)


def excepted(sql: str) -> bool:
    """Whether a statement is over all tenants for a reason."""
    return any(sql.lstrip().startswith(beginning) for beginning in OVER_ALL_TENANTS)


def test_every_mention_of_a_table_is_tied_to_the_tenant(analysed: dict[str, Ties]) -> None:
    assert {sql: ties.loose for sql, ties in analysed.items() if ties.loose and not excepted(sql)} == {}


def test_whatever_ties_a_statement_is_one_tenant(analysed: dict[str, Ties], noted: tuple[str, Noted]) -> None:
    """A parameter that stands where the tenant belongs holds one tenant's number, and the others the same."""
    dsn, notes = noted
    known = {row[0] for row in on_database(dsn, lambda connection: connection.fetch("SELECT tenant FROM tenant"))}
    for sql, ties in analysed.items():
        for values in notes.executions[sql]:
            tenants = {values[number - 1] for number in ties.parameters}
            assert len(tenants) <= 1, sql
            # Events of requests without a tenant are kept under 0.
            assert tenants <= known | {0}, sql


def test_rows_are_copied_with_their_tenant(noted: tuple[str, Noted]) -> None:
    assert noted[1].copied
    assert [command for command in noted[1].copied if '"tenant"' not in command.partition("(")[2]] == []


def test_the_exceptions_are_of_use(analysed: dict[str, Ties]) -> None:
    loose = [sql.lstrip() for sql, ties in analysed.items() if ties.loose]
    unused = [beginning for beginning in OVER_ALL_TENANTS if not any(sql.startswith(beginning) for sql in loose)]
    assert unused == []


def test_no_statement_of_the_program_goes_unseen(noted: tuple[str, Noted]) -> None:
    """Each piece of SQL in the source about a tenant's tables is part of something that was carried out."""
    tables = "|".join(on_database(noted[0], read_schema).names.values())
    about_tables = re.compile(rf"\b(FROM|INTO|UPDATE|JOIN|USING) ({tables})\b")
    sent = " ".join(" ".join(sql.split()) for sql in noted[1].executions)
    pieces = {piece for file in SOURCE.rglob("*.py") for piece in constants(file) if about_tables.search(piece)}
    assert len(pieces) > 30
    assert [piece for piece in sorted(pieces) if piece not in sent] == []


def constants(file: Path) -> Iterator[str]:
    """The texts in a source file with single spaces, cut where a value is put in."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for piece in re.split(r"\{\d\}", node.value):
                yield " ".join(piece.split())


def test_the_work_touches_every_table(analysed: dict[str, Ties], noted: tuple[str, Noted]) -> None:
    schema = on_database(noted[0], read_schema)
    touched = {table for ties in analysed.values() for table in ties.tables}
    # The view is for people; partitions are reached by their table. The other waits for identity providers.
    untouched = {name for name in schema.names.values() if name not in touched}
    assert {name for name in untouched if not name.startswith("audit_event_")} == {"resource_json"}
