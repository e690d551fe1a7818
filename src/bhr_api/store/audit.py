"""The audit trail: writes append in their own transaction, reads in batches (DESIGN promise 6; docs/audit.md).

Rows are only ever added. `AuditTrail` gathers the events of reads and copies them within `flush_seconds`; its queue is
bounded, and who finds it full waits for the flush.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import structlog

from bhr_api.errors import RefusalError
from bhr_api.store.database import Connection, Database

log = structlog.get_logger(__name__)


class AuditEvent(NamedTuple):
    """One row of `audit_event`, in the table's order; see `audit_table.AuditRow`."""

    tenant: int
    recorded: datetime
    event_id: int
    interaction: str
    status: int
    client_id: str | None
    fhir_user: str | None
    source: str | None
    request_id: str
    resource_type: str | None
    resource_id: str | None
    version: int | None
    query: str | None
    patients: list[int]


_COLUMNS = AuditEvent._fields


def insertion(places: Sequence[str]) -> str:
    """The INSERT of one event whose values are at `places`."""
    return f"INSERT INTO audit_event ({', '.join(_COLUMNS)}) VALUES ({', '.join(places)})"


_INSERT = insertion([f"${n + 1}" for n in range(len(_COLUMNS))])


_PARTITIONS = """
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'audit_event'::regclass
"""
_RIGHTS = """
    SELECT current_user, pg_get_userbyid(relowner), relnamespace::regnamespace::text
    FROM pg_class WHERE oid = 'audit_event'::regclass
"""


async def append(connection: Connection, events: Sequence[AuditEvent]) -> None:
    """Add `events` on `connection`, in its transaction."""
    if len(events) == 1:
        await connection.execute(_INSERT, *events[0])
    elif events:
        await connection.copy_records_to_table("audit_event", records=events, columns=_COLUMNS)


# What PostgreSQL's text, or its encoding, cannot hold: NUL and lone surrogates.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_NOT_STORED = (UnicodeError, asyncpg.DataError)


def storable(event: AuditEvent) -> AuditEvent:
    """The event with U+FFFD for each character that cannot be stored."""
    values: Any = (_UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value for value in event)
    return AuditEvent(*values)


class PartitionRightError(asyncpg.InsufficientPrivilegeError):
    """The role may not make a month's partition of the audit; the message says who may."""


class AuditTrail:
    """The events of reads, searches and refusals, on their way to the table.

    With `flush_seconds` 0 every event is written before its response is sent.
    """

    def __init__(self, database: Database, *, flush_seconds: float = 0.2, capacity: int = 20_000) -> None:
        self._database = database
        self._flush_seconds = flush_seconds
        self._capacity = capacity
        self._waiting: list[AuditEvent] = []
        # Events of a flush whose outcome is not known: the connection was lost after they were sent.
        self._in_doubt: list[AuditEvent] = []
        self._lock = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def record(self, event: AuditEvent) -> None:
        """Take `event` up; it is in the table within the flush time."""
        self._waiting.append(event)
        if self._flush_seconds == 0 or len(self._waiting) > self._capacity:
            await self.flush()

    async def flush(self) -> None:
        """Write what is waiting; what cannot be written now waits on."""
        async with self._lock:
            if not self._waiting and not self._in_doubt:
                return
            async with self._database.acquire() as connection:
                if self._in_doubt:
                    await connection.executemany(f"{_INSERT} ON CONFLICT DO NOTHING", self._in_doubt)
                    self._in_doubt = []
                self._in_doubt, self._waiting = self._waiting, []
                try:
                    await append(connection, self._in_doubt)
                except _NOT_STORED:
                    # One event must not keep the others waiting for ever; nothing of this attempt is in the table.
                    self._in_doubt = [storable(event) for event in self._in_doubt]
                    await append(connection, self._in_doubt)
                self._in_doubt = []

    def start(self) -> None:
        """Begin to flush in the background."""
        self._task = asyncio.create_task(self._flush_until_stopped())

    async def stop(self) -> None:
        """Let a flush in flight end, and write what is waiting."""
        self._stopping.set()
        if self._task is not None:
            await self._task
        await self.flush()

    async def _flush_until_stopped(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._flush_seconds or 1)
            try:
                await self.flush()
            except (RefusalError, OSError, asyncpg.PostgresError) as error:
                waiting = len(self._waiting) + len(self._in_doubt)
                log.warning("audit_flush_delayed", waiting=waiting, reason=type(error).__name__)


async def ensure_partitions(connection: Connection, now: datetime, months: int = 3) -> None:
    """Make those partitions of this month and the `months` after it that are missing.

    Raises PartitionRightError for a role that may not; one that finds them all needs no right to make any.
    """
    # PostgreSQL asks for the right before IF NOT EXISTS is looked at.
    made = {row[0] for row in await connection.fetch(_PARTITIONS)}
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(months + 1):
        following = (first + timedelta(days=32)).replace(day=1)
        if f"audit_event_{first:%Y%m}" not in made:
            await _make_partition(connection, first, following)
        first = following


async def _make_partition(connection: Connection, first: datetime, following: datetime) -> None:
    try:
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS audit_event_{first:%Y%m} PARTITION OF audit_event"
            f" FOR VALUES FROM ('{first:%Y-%m-%d}Z') TO ('{following:%Y-%m-%d}Z')"
        )
    except asyncpg.CheckViolationError:
        # The month has events in the partition for the rest already, where they are found as well.
        log.info("audit_month_in_rest", month=f"{first:%Y-%m}")
    except (asyncpg.DuplicateTableError, asyncpg.UniqueViolationError):
        # IF NOT EXISTS does not see what another worker is making at the same moment.
        return
    except asyncpg.InsufficientPrivilegeError as error:
        role, owner, schema = await _row_of(connection, _RIGHTS)
        raise PartitionRightError(
            f"the audit has no partition for {first:%Y-%m}, and the role {role} may not make one. Have {owner}, who owns"
            f" audit_event and needs CREATE on the schema {schema}, run `bhr-api migrate`, which makes it;"
            f" or make {role} a member of {owner}, and see docs/operations.md for the rest."
        ) from error


async def _row_of(connection: Connection, sql: str) -> asyncpg.Record:
    row = await connection.fetchrow(sql)
    assert row is not None, "audit_event is there"
    return row
