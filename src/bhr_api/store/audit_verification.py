"""Whether the audit trail is as it was sealed: each link is computed again from the rows that it lists (docs/audit.md).

What the chain cannot tell by itself is told by a head that was noted elsewhere: without one, whoever may write to every
row could remove the newest links, or make the whole chain anew.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from bhr_api.fhir.dates import BEGINNING
from bhr_api.store.audit_reading import CLOCK_TOLERANCE, instant_of
from bhr_api.store.audit_seal import BEFORE_THE_FIRST, CLOCK_DIFFERENCE, LINE, LONGEST_LOOKBACK, hash_sql
from bhr_api.store.database import Connection

# Links and events that are looked at together; they bound the memory of a verification.
_LINKS = 300
_EVENTS = 100_000
_LISTED_PER_FAULT = 100
MAXIMUM_FAULTS = 1000

FaultKind = Literal["changed", "removed", "reordered", "link-removed", "unsealed", "head"]


class Head(NamedTuple):
    """The newest link: note it outside the database, and the chain up to it can never be made anew unseen."""

    sequence: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was sealed.

    `changed`: an event or the link itself was edited. `removed`: `events`, up to 100 ids of rows that are gone.
    `reordered`: the link lists its events in another order. `link-removed`: the link before this one is gone.
    `unsealed`: `count` events have no link although the sealer has long been past their time; they were added later, or
    their link was removed. `head`: the link is not the one that was noted.
    """

    kind: FaultKind
    sequence: int
    sealed_at: datetime | None = None
    events: tuple[int, ...] = ()
    count: int = 0


@dataclass(slots=True)
class VerificationReport:
    """What a verification found. `events` are those in the `links` that were looked at; `unsealed` those after them.

    There may be more faults than `faults` holds when it is `MAXIMUM_FAULTS` long.
    """

    links: int = 0
    events: int = 0
    unsealed: int = 0
    head: Head | None = None
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_intact(self) -> bool:
        """Whether everything is as it was sealed."""
        return not self.faults


class _Group(NamedTuple):
    """Links `after` to `last`, whose event ids are from `lowest` to `highest`."""

    after: int
    last: int
    lowest: int
    highest: int


class _Link(NamedTuple):
    """A link as it was found again; `present` of its events are there, `counted` and `old` of them count as sealed."""

    sequence: int
    sealed_at: datetime
    hash: bytes
    follows: bool
    matches: bool
    present: int
    counted: int
    old: int
    missing: Sequence[int] | None


_FIRST = "SELECT min(sequence) FROM audit_seal WHERE tenant = $1 AND sealed_at >= $2"
_NEWEST = "SELECT sealed_at FROM audit_seal WHERE tenant = $1 ORDER BY sequence DESC LIMIT 1"
_NOTED = "SELECT hash FROM audit_seal WHERE tenant = $1 AND sequence = $2"
_COUNTS = """
    SELECT count(*), count(*) FILTER (WHERE e.recorded < $3) FROM audit_event e WHERE e.tenant = $1 AND e.recorded >= $2
"""
_GROUP = f"""
    WITH following AS MATERIALIZED (
        SELECT s.sequence, s.events FROM audit_seal s WHERE s.tenant = $1 AND s.sequence > $2
        ORDER BY s.sequence LIMIT {_LINKS}
    ), sized AS (
        SELECT sequence, events, sum(cardinality(events)) OVER (ORDER BY sequence) AS total,
            row_number() OVER (ORDER BY sequence) AS place
        FROM following
    ), chosen AS (SELECT sequence, events FROM sized WHERE place = 1 OR total <= {_EVENTS})
    SELECT (SELECT max(sequence) FROM chosen), coalesce(min(event_id), 0), coalesce(max(event_id), 0)
    FROM (SELECT unnest(events) AS event_id FROM chosen) AS listed
"""


def _links_sql(order: str) -> str:
    """The links of a group, with the hash of the rows that they list in `order`; $6, $7 tell which rows count."""
    again = hash_sql("k.hash_before", "$1::integer", "k.sequence", "k.sealed_at", "coalesce(f.lines, '')")
    return f"""
        WITH links AS MATERIALIZED (
            SELECT s.sequence, s.sealed_at, s.events, s.hash, s.sequence = 1 OR lag(s.sequence) OVER w = s.sequence - 1
                AS follows, CASE s.sequence WHEN 1 THEN $8::bytea ELSE lag(s.hash) OVER w END AS hash_before
            FROM audit_seal s WHERE s.tenant = $1 AND s.sequence BETWEEN $2 AND $3
            WINDOW w AS (ORDER BY s.sequence)
        ), listed AS MATERIALIZED (
            SELECT k.sequence, u.event_id, u.place
            FROM links k, unnest(k.events) WITH ORDINALITY AS u (event_id, place) WHERE k.sequence > $2
        ), found AS (
            SELECT l.sequence, count(e.event_id) AS present,
                count(*) FILTER (WHERE e.recorded >= $6) AS counted,
                count(*) FILTER (WHERE e.recorded >= $6 AND e.recorded < $7) AS old,
                string_agg({LINE}, '' ORDER BY {order}) FILTER (WHERE e.event_id IS NOT NULL) AS lines,
                (array_agg(l.event_id ORDER BY l.place) FILTER (WHERE e.event_id IS NULL))[1:{_LISTED_PER_FAULT}] AS missing
            FROM listed l LEFT JOIN audit_event e ON e.tenant = $1 AND e.event_id = l.event_id
                AND e.recorded >= $4 AND e.recorded < $5
            GROUP BY l.sequence
        )
        SELECT k.sequence, k.sealed_at, k.hash, coalesce(k.follows, FALSE), coalesce(k.hash = {again}, FALSE),
            coalesce(f.present, 0), coalesce(f.counted, 0), coalesce(f.old, 0), f.missing
        FROM links k LEFT JOIN found f ON f.sequence = k.sequence WHERE k.sequence > $2 ORDER BY k.sequence
    """


_AS_LISTED = _links_sql("l.place")
_AS_SEALED = _links_sql("e.recorded, e.event_id")


async def verify(
    connection: Connection, tenant: int, *, since: datetime = BEGINNING, noted: Head | None = None
) -> VerificationReport:
    """Compute the tenant's chain again and report every difference.

    `since` leaves out links made before it, where older events were let go by the retention. `noted` is a head of an
    earlier report. Everything is judged as of one moment; memory stays the same however long the trail is. It may take
    long: the connection should have no statement timeout.
    """
    report = VerificationReport()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        # As in sealing: each with each is never the way.
        await connection.execute("SET LOCAL enable_nestloop = off")
        newest = await connection.fetchval(_NEWEST, tenant)
        reached = BEGINNING if newest is None else max(newest - LONGEST_LOOKBACK, since)
        # A row may bear a time shortly after that of its link, by the clock of another process.
        counted = since + CLOCK_DIFFERENCE
        total, old = await _row(connection, _COUNTS, tenant, counted, reached)
        async for group in _groups(connection, tenant, since):
            for link in await _links(connection, _AS_LISTED, tenant, group, counted, reached):
                total, old = total - link.counted, old - link.old
                report.links, report.events = report.links + 1, report.events + link.present
                report.head = Head(link.sequence, link.hash)
                for fault in _faults_of(link):
                    if len(report.faults) < MAXIMUM_FAULTS:
                        report.faults.append(await _told_apart(connection, tenant, group, fault))
        report.unsealed = total
        if old > 0:
            report.faults.append(Fault("unsealed", 0, count=old))
        if noted is not None and await connection.fetchval(_NOTED, tenant, noted.sequence) != noted.hash:
            report.faults.append(Fault("head", noted.sequence))
    return report


async def _row(connection: Connection, sql: str, *values: object) -> tuple[Any, ...]:
    row = await connection.fetchrow(sql, *values)
    assert row is not None, "an aggregate has one row"
    return tuple(row)


async def _groups(connection: Connection, tenant: int, since: datetime) -> AsyncIterator[_Group]:
    first = await connection.fetchval(_FIRST, tenant, since)
    after = None if first is None else first - 1
    while after is not None:
        last, lowest, highest = await _row(connection, _GROUP, tenant, after)
        if last is None:
            return
        yield _Group(after, last, lowest, highest)
        after = last


async def _links(
    connection: Connection, sql: str, tenant: int, group: _Group, counted: datetime, reached: datetime
) -> list[_Link]:
    links: list[_Link] = []
    # The time in an event id is seldom far from the recorded one: look further only if something is missing.
    for around in (timedelta(minutes=1), CLOCK_TOLERANCE):
        start, end = instant_of(group.lowest) - around, instant_of(group.highest) + around
        rows = await connection.fetch(
            sql, tenant, group.after, group.last, start, end, counted, reached, BEFORE_THE_FIRST
        )
        links = [_Link(*row) for row in rows]
        if not any(link.missing for link in links):
            break
    return links


def _faults_of(link: _Link) -> list[Fault]:
    found = []
    if not link.follows:
        found.append(Fault("link-removed", link.sequence, link.sealed_at))
    if link.missing:
        found.append(Fault("removed", link.sequence, link.sealed_at, tuple(link.missing)))
    # Where something is gone, the hash cannot match.
    if not found and not link.matches:
        found.append(Fault("changed", link.sequence, link.sealed_at))
    return found


async def _told_apart(connection: Connection, tenant: int, group: _Group, fault: Fault) -> Fault:
    """`reordered` where the rows are as they were sealed, and only the list of them is not."""
    if fault.kind != "changed":
        return fault
    alone = group._replace(after=fault.sequence - 1, last=fault.sequence)
    links = await _links(connection, _AS_SEALED, tenant, alone, BEGINNING, BEGINNING)
    return Fault("reordered", fault.sequence, fault.sealed_at) if links[0].matches else fault
