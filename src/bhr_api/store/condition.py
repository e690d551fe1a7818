"""The condition of a database: what `bhr-api check` looks at before somebody relies on it."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from alembic.script import ScriptDirectory

from bhr_api.store import references
from bhr_api.store.database import Connection
from bhr_api.store.migrations import scripts_directory

OLDEST_SERVER = 15
# Tokens and lastUpdated are corrected to the database's clock; a large offset still confuses whoever compares logs.
LARGEST_OFFSET = timedelta(seconds=5)
# Without any of these a crash can lose what was acknowledged (PostgreSQL 18 §19.5); our sessions set the last themselves.
_DURABLE = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": ("on", "remote_apply")}


class Finding(NamedTuple):
    """One thing that was looked at; `detail` says what was found, and what would be right where it is not."""

    subject: str
    is_right: bool
    detail: str


def wanted_revision() -> str:
    """The schema that this program works with."""
    revision = ScriptDirectory(str(scripts_directory())).get_current_head()
    assert revision is not None
    return revision


async def schema_revision(connection: Connection) -> str | None:
    """The schema that the database is at; None for one that was never migrated."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


async def examine(connection: Connection, referring_generation: int | None = None) -> list[Finding]:
    """Everything that can be looked at without changing anything.

    `referring_generation` is the one from which on rows tell all that they refer to, where that is needed.
    """
    findings = [await _server(connection), await _clock(connection), await _durability(connection)]
    schema = await _schema(connection)
    findings.append(schema)
    if schema.is_right:
        findings += [await _partitions(connection), await _tenants(connection)]
        if referring_generation is not None:
            findings.append(await _references(connection, referring_generation))
    return findings


async def _server(connection: Connection) -> Finding:
    number = int(await connection.fetchval("SELECT current_setting('server_version_num')"))
    shown = await connection.fetchval("SELECT current_setting('server_version')")
    right = number // 10000 >= OLDEST_SERVER
    return Finding("PostgreSQL", right, shown if right else f"{shown}; {OLDEST_SERVER} or later is needed")


async def _clock(connection: Connection) -> Finding:
    before = datetime.now(UTC)
    theirs: datetime = await connection.fetchval("SELECT clock_timestamp()")
    ours = before + (datetime.now(UTC) - before) / 2
    offset = theirs - ours
    text = f"the database is {offset.total_seconds() * 1000:+.0f} ms from this machine"
    right = abs(offset) <= LARGEST_OFFSET
    return Finding("Clock", right, text if right else f"{text}; set both by NTP")


async def _durability(connection: Connection) -> Finding:
    found = {name: await connection.fetchval("SELECT current_setting($1)", name) for name in _DURABLE}
    wrong = [f"{name} is {value}" for name, value in found.items() if value not in _DURABLE[name]]
    text = f"{', '.join(wrong)}: a crash can lose what was acknowledged" if wrong else f"{', '.join(_DURABLE)} are on"
    return Finding("Durability", not wrong, text)


async def _schema(connection: Connection) -> Finding:
    found, wanted = await schema_revision(connection), wanted_revision()
    if found == wanted:
        return Finding("Schema", True, wanted)
    return Finding("Schema", False, f"at {found or 'none'}, this program needs {wanted}: run `bhr-api migrate`")


async def _partitions(connection: Connection) -> Finding:
    """The audit has a table for each month; without the next one, no request could be answered at the month's end."""
    now = datetime.now(UTC)
    following = (now.replace(day=1) + timedelta(days=32)).strftime("%Y%m")
    missing = [
        month
        for month in (now.strftime("%Y%m"), following)
        if await connection.fetchval("SELECT to_regclass($1)", f"audit_event_{month}") is None
    ]
    if missing:
        return Finding("Audit", False, f"no partition for {', '.join(missing)}: run `bhr-api migrate` or the server")
    return Finding("Audit", True, "partitions for this month and the next")


async def _tenants(connection: Connection) -> Finding:
    count = await connection.fetchval("SELECT count(*) FROM tenant")
    return Finding("Tenants", count > 0, str(count) if count else "none: run `bhr-api migrate`")


async def _references(connection: Connection, generation: int) -> Finding:
    """Without the tokens of all references nobody can tell what refers to a resource, and nothing can be deleted."""
    unindexed = await references.unindexed_tenants(connection, generation)
    if unindexed:
        return Finding("References", False, f"not indexed for {', '.join(unindexed)}: run `bhr-api reindex`")
    return Finding("References", True, "indexed for all tenants")
