"""`bhr-api erase` in one tenant, and everything that the database holds of a tenant."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from tests.cli.conftest import CommandLine, Outcome
from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer

Rows = Mapping[str, list[dict[str, Any]]]
TABLES = """
    SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND a.attname = 'tenant' ORDER BY 1
"""


def rows_of(dsn: str, tenant: str) -> Rows:
    """Every row of every table that belongs to the tenant."""

    async def read(connection: asyncpg.Connection) -> Rows:
        number = await connection.fetchval("SELECT tenant FROM tenant WHERE name = $1", tenant)
        found = {}
        for table in [row[0] for row in await connection.fetch(TABLES)]:
            rows = await connection.fetch(f"SELECT * FROM {table} t WHERE tenant = $1 ORDER BY t::text", number)
            found[table] = [dict(row) for row in rows]
        return found

    return on_database(dsn, read)


def record_rows(rows: Rows) -> dict[str, list[dict[str, Any]]]:
    """The rows of the record itself: not what was asked of it, and by whom."""
    return {
        name: found
        for name, found in rows.items()
        if not name.startswith(("audit_", "oauth_")) and name not in ("tenant", "heavy_token", "lock_stripe")
    }


def holding(rows: Rows, word: str) -> set[tuple[str, str]]:
    """The tables and columns whose text holds `word`, in whatever case: the index folds it."""
    wanted = word.lower()
    return {
        (table, column)
        for table, found in rows.items()
        for row in found
        for column, value in row.items()
        if wanted in (value.decode() if isinstance(value, bytes) and column == "body" else str(value)).lower()
    }


@dataclass(frozen=True, slots=True)
class Erase:
    """`bhr-api erase` in one tenant."""

    bhr_api: CommandLine
    tenant: str

    def run(self, patient: str, *more: str) -> Outcome:
        return self.bhr_api.run("erase", "--tenant", self.tenant, "--patient", patient, *more)

    def __call__(self, patient: str, *more: str) -> str:
        outcome = self.run(patient, *more)
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.stdout

    def refusal(self, patient: str, *more: str) -> str:
        return self.bhr_api.refusal("erase", "--tenant", self.tenant, "--patient", patient, *more)


def erase_on(server: RunningServer, tenant: str) -> Erase:
    return Erase(CommandLine(("--database-url", server.dsn, "--public-url", server.url)), tenant)


def code_of(told: str) -> str:
    """The code that a dry run printed."""
    (code,) = re.findall(r"--confirm ([0-9a-f]{12})$", told, re.MULTILINE)
    return str(code)
