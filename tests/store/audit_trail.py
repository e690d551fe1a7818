"""A tenant's audit trail in a real database, for tests of its seal."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import asyncpg

from bhr_api.store import audit, audit_seal, tenants
from bhr_api.store.audit import AuditEvent
from bhr_api.store.audit_seal import seal
from bhr_api.store.database import Connection
from bhr_api.store.migrations import migrate
from bhr_api.store.row_ids import EPOCH_MILLISECONDS
from tests.fixtures.database import TestServer, on_database

Answer = TypeVar("Answer")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass(slots=True)
class Trail:
    """A tenant's audit trail in a real database; events get ids of the time that they bear."""

    dsn: str
    tenant: int
    counter: Iterator[int] = field(default_factory=lambda: iter(range(1 << 22)))

    def run(self, work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        """What `work` answers on a connection of its own."""
        return on_database(self.dsn, work)

    def event(self, recorded: datetime = NOW, query: str | None = None) -> AuditEvent:
        """A read of a goal."""
        milliseconds = int(recorded.timestamp() * 1000) - EPOCH_MILLISECONDS
        number = (milliseconds << 22) | next(self.counter)
        who = ("client", "Practitioner/1", "10.0.0.1", "request")
        return AuditEvent(self.tenant, recorded, number, "read", 200, *who, "Goal", "g1", 3, query, [5, -7])

    def add(self, *recorded: datetime) -> list[AuditEvent]:
        """Commit an event at each of these times."""
        events = [self.event(one) for one in recorded]
        self.run(lambda connection: audit.append(connection, events))
        return events

    def seal(self, now: datetime = NOW, lookback: timedelta = audit_seal.LOOKBACK) -> int:
        """One round of sealing."""
        return self.run(lambda connection: seal(connection, self.tenant, now, lookback))

    def links(self) -> list[asyncpg.Record]:
        """The chain."""
        sql = "SELECT sequence, sealed_at, events, hash FROM audit_seal WHERE tenant = $1 ORDER BY sequence"
        return self.run(lambda connection: connection.fetch(sql, self.tenant))

    def sealed(self) -> list[int]:
        """The events of the chain, in its order."""
        return [event for link in self.links() for event in link["events"]]


def new_trail(dsn: str) -> Trail:
    """The empty trail of a new tenant."""
    row = on_database(dsn, lambda connection: tenants.add(connection, f"t-{uuid.uuid4().hex[:16]}", NOW))
    return Trail(dsn, row.tenant)


def own_database(server: TestServer) -> Iterator[str]:
    """A migrated database in which no running server seals."""
    dsn = server.new_database()
    asyncio.run(migrate(dsn))
    yield dsn
    server.drop(dsn)
