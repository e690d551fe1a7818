"""The seal of the audit trail: a hash chain over committed events, made behind the writers (DESIGN promise 6).

Writers never wait for the chain. A sealer links what they committed, one row of `audit_seal` for each batch:

    hash = sha256(hash of the link before || header || line of each event, in order), all in UTF-8
    header = the JSON array [tenant, sequence, sealed_at]; line = LF and the JSON array of the row's columns

JSON arrays are as `jsonb` prints them, instants as 2026-03-01T09:30:00.123000Z, the hash before the first link is 32
zero bytes. PostgreSQL computes this, so no row travels; anybody can compute it again (docs/audit.md).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import structlog

from bhr_api.background import Background
from bhr_api.errors import RefusalError
from bhr_api.fhir.dates import BEGINNING
from bhr_api.store.audit import AuditEvent
from bhr_api.store.audit_reading import CLOCK_TOLERANCE, find, first_id_at, instant_of
from bhr_api.store.database import Connection, Database

log = structlog.get_logger(__name__)

BATCH = 10_000
# How far back a round looks for events that were not visible to the round before, since they were not yet committed.
LOOKBACK = timedelta(seconds=10)
# Events that stay unsealed for longer than this will stay so: `verify` reports them.
LONGEST_LOOKBACK = timedelta(hours=1)
# The stripe of the lock table that conditional writes do not use (these take 0 to 63).
_SEALER_STRIPE = -1
# By how much the clocks of two processes, both corrected to the database's, may differ.
CLOCK_DIFFERENCE = timedelta(seconds=5)


def _instant(column: str) -> str:
    """An instant as text, whatever the session's time zone and DateStyle."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


_VALUES = ", ".join(_instant("e.recorded") if name == "recorded" else f"e.{name}" for name in AuditEvent._fields)
LINE = f"E'\\n' || jsonb_build_array({_VALUES})::text"
BEFORE_THE_FIRST = bytes(32)


def hash_sql(previous: str, tenant: str, sequence: str, sealed_at: str, lines: str) -> str:
    """SQL of a link's hash; `lines` is the text of its events, each with its line feed before it."""
    header = f"jsonb_build_array({tenant}, {sequence}, {_instant(sealed_at)})::text"
    return f"sha256({previous} || convert_to({header} || {lines}, 'UTF8'))"


class _Last(NamedTuple):
    """The last link; `events` is how many it holds, `newest` the last of them."""

    sequence: int
    sealed_at: datetime
    hash: bytes
    events: int
    newest: int


_LOCK = "SELECT 1 FROM lock_stripe WHERE tenant = $1 AND stripe = $2 FOR UPDATE SKIP LOCKED"
_MAKE_LOCK = "INSERT INTO lock_stripe (tenant, stripe) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_LAST = """
    SELECT sequence, sealed_at, hash, cardinality(events), events[cardinality(events)] FROM audit_seal
    WHERE tenant = $1 ORDER BY sequence DESC LIMIT 1
"""
# Walks the key backwards and stops at the first link that is too old to hold an event of the window.
_FLOOR = "SELECT sequence FROM audit_seal WHERE tenant = $1 AND sealed_at < $2 ORDER BY sequence DESC LIMIT 1"
# Beyond `window_end` there is nothing for this batch, however much has piled up.
_SEAL = f"""
    WITH sealed AS MATERIALIZED (
        SELECT event_id FROM audit_seal s, unnest(s.events) AS event_id
        WHERE s.tenant = $1 AND s.sequence > $5 AND event_id >= $7
    ), window_end AS MATERIALIZED (
        SELECT max(recorded) AS recorded FROM (
            SELECT e.recorded FROM audit_event e WHERE e.tenant = $1 AND e.recorded >= $4
            ORDER BY e.recorded, e.event_id LIMIT (SELECT count(*) FROM sealed) + {BATCH}
        ) AS oldest
    ), fresh AS (
        SELECT e.* FROM audit_event e
        WHERE e.tenant = $1 AND e.recorded >= $4 AND e.recorded <= (SELECT recorded FROM window_end)
            AND NOT EXISTS (SELECT 1 FROM sealed WHERE sealed.event_id = e.event_id)
        ORDER BY e.recorded, e.event_id LIMIT {BATCH}
    ), batch AS (
        SELECT array_agg(e.event_id ORDER BY e.recorded, e.event_id) AS events,
            string_agg({LINE}, '' ORDER BY e.recorded, e.event_id) AS lines
        FROM fresh e
    )
    INSERT INTO audit_seal (tenant, sequence, sealed_at, events, hash)
    SELECT $1, $2, $3, events, {hash_sql("$6::bytea", "$1::integer", "$2::bigint", "$3::timestamptz", "lines")}
    FROM batch WHERE events IS NOT NULL
    RETURNING cardinality(events)
"""


async def seal(connection: Connection, tenant: int, now: datetime, lookback: timedelta = LOOKBACK) -> int:
    """Link the tenant's committed, unsealed events into its chain, and say how many; 0 also when another sealer is at it.

    Each batch has a transaction of its own. Events are found that were recorded up to `lookback` before the last link,
    so none is missed whose transaction took less than that; `AuditSealer` looks back further now and then.
    """
    total = 0
    while True:
        async with connection.transaction():
            sealed = await _seal_batch(connection, tenant, now, lookback) if await _lock(connection, tenant) else 0
        total += sealed
        if sealed < BATCH:
            return total


async def _lock(connection: Connection, tenant: int) -> bool:
    """Be the tenant's one sealer until the transaction ends. A row lock, since advisory ones are local to a Citus node."""
    if await connection.fetchval(_LOCK, tenant, _SEALER_STRIPE) is not None:
        return True
    await connection.execute(_MAKE_LOCK, tenant, _SEALER_STRIPE)
    return await connection.fetchval(_LOCK, tenant, _SEALER_STRIPE) is not None


async def _seal_batch(connection: Connection, tenant: int, now: datetime, lookback: timedelta) -> int:
    found = await connection.fetchrow(_LAST, tenant)
    last = None if found is None else _Last(*found)
    since = await _horizon(connection, tenant, last, lookback)
    floor = 0 if last is None else await connection.fetchval(_FLOOR, tenant, since - CLOCK_DIFFERENCE) or 0
    # Statistics never know the newest rows. Believing in one, the planner would compare each with each.
    await connection.execute("SET LOCAL enable_nestloop = off")
    sequence, sealed_at, previous = (
        (1, now, BEFORE_THE_FIRST) if last is None else (last.sequence + 1, max(now, last.sealed_at), last.hash)
    )
    first_id = 0 if last is None else first_id_at(since - CLOCK_TOLERANCE)
    return await connection.fetchval(_SEAL, tenant, sequence, sealed_at, since, floor, previous, first_id) or 0


async def _horizon(connection: Connection, tenant: int, last: _Last | None, lookback: timedelta) -> datetime:
    """Before this every event is sealed, or its transaction has taken longer than `lookback`."""
    if last is None:
        return BEGINNING
    if last.events < BATCH:
        return last.sealed_at - lookback
    # A full batch took the oldest events and left newer ones behind.
    newest = await find(connection, tenant, last.newest)
    recorded = instant_of(last.newest) - CLOCK_TOLERANCE if newest is None else newest.recorded
    return min(last.sealed_at, recorded) - lookback


# Events of requests that name no tenant that exists are kept under this number.
_NO_TENANT = 0
_BUSY = "SELECT DISTINCT e.tenant FROM audit_event e WHERE e.tenant = ANY($1::integer[]) AND e.recorded >= $2"


class AuditSealer:
    """Seals every tenant's events in the background, each within two seconds of its commit.

    A usual round looks back 10 s. Every 15 s one looks back 2.5 min, which is more than a transaction may take; at the
    start and every 15 min one looks back an hour, for events that waited in a worker cut off from the database. Tenants
    without recent events cost nothing but a share in one statement a second.
    """

    def __init__(self, database: Database, tenants: Callable[[], Awaitable[Sequence[int]]]) -> None:
        self._database = database
        self._tenants = tenants
        self._tiers = [
            _Tier(LONGEST_LOOKBACK, every_seconds=900, probes=False),
            _Tier(timedelta(seconds=150), every_seconds=15, probes=True),
            _Tier(LOOKBACK, every_seconds=0, probes=True),
        ]
        self._background = Background()

    def start(self) -> None:
        """Begin to seal in the background."""
        self._background.start(self._seal_forever())

    async def stop(self) -> None:
        """Stop the background task, after a last round."""
        await self._background.stop()
        await self._try_round()

    async def round(self) -> int:
        """Seal what there is to seal, and say how many events that was."""
        started = time.monotonic()
        tier = next(tier for tier in self._tiers if started - tier.tried >= tier.every_seconds)
        # Also one that fails waits for its next turn, so that it cannot keep the shorter ones from theirs.
        tier.tried = started
        sealed, complete = 0, True
        # Asked before, since it takes a connection of its own.
        everybody = [_NO_TENANT, *await self._tenants()]
        async with self._database.acquire() as connection:
            for tenant in await self._busy(connection, everybody, tier, started):
                try:
                    sealed += await seal(connection, tenant, self._database.now(), tier.lookback)
                except asyncpg.PostgresError as error:
                    complete = False
                    log.warning("audit_sealing_delayed", tenant=tenant, reason=type(error).__name__)
        # A longer look back does for the shorter ones too.
        for shorter in self._tiers[self._tiers.index(tier) :] if complete else ():
            shorter.tried = shorter.done = started
        return sealed

    async def _busy(
        self, connection: Connection, tenants: Sequence[int], tier: "_Tier", started: float
    ) -> Sequence[int]:
        if not tier.probes or tier.done is None:
            return tenants
        reach = tier.lookback + timedelta(seconds=started - tier.done) + CLOCK_DIFFERENCE
        rows = await connection.fetch(_BUSY, tenants, self._database.now() - reach)
        return [row[0] for row in rows]

    async def _seal_forever(self) -> None:
        while True:
            await self._try_round()
            await asyncio.sleep(1)

    async def _try_round(self) -> None:
        try:
            await self.round()
        except (RefusalError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            # What is not sealed now is found by the next round.
            log.warning("audit_sealing_delayed", reason=type(error).__name__)


@dataclass(slots=True)
class _Tier:
    """Rounds with one look back; `probes` if they pass over tenants without events since the last that was `done`."""

    lookback: timedelta
    every_seconds: float
    probes: bool
    tried: float = float("-inf")
    done: float | None = None
