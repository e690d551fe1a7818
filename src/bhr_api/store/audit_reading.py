"""Reading the audit table: one event, a page of events, and the conditions that a search of them is made of.

The conditions are about the alias `e`; `$1` of every binder is the tenant. An event's FHIR id is its event id in base 36.
The time within the event id tells where in the partitions the row is (docs/audit.md).
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.store.audit import AuditEvent
from bhr_api.store.database import Connection
from bhr_api.store.row_ids import EPOCH_MILLISECONDS
from bhr_api.store.sql import Binder, all_of, any_of
from bhr_api.store.versions import DELETE

# An event id holds its machine's time, `recorded` the database's. They are this near even where a clock is badly set.
CLOCK_TOLERANCE = timedelta(minutes=15)
# Where clocks are right, these find the row among far fewer.
_NEARNESS = (timedelta(seconds=1), timedelta(minutes=1), CLOCK_TOLERANCE)
_MILLISECOND_SHIFT = 22
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=EPOCH_MILLISECONDS)
_ID = re.compile(r"0|[1-9a-z][0-9a-z]{0,12}", re.ASCII)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LARGEST = (1 << 63) - 1
_COLUMNS = ", ".join(f"e.{name}" for name in AuditEvent._fields)

# For SQL: the half-open interval of one millisecond that an event's `recorded` is.
RECORDED_START = "e.recorded"
RECORDED_END = "(e.recorded + interval '1 millisecond')"


class Place(NamedTuple):
    """Where a walk through the events stands: the last one's time and number."""

    recorded: datetime
    event_id: int


def id_of(event_id: int) -> str:
    """The id of the AuditEvent that shows the row."""
    digits = ""
    while True:
        event_id, digit = divmod(event_id, 36)
        digits = _DIGITS[digit] + digits
        if not event_id:
            return digits


def event_id_of(id: str) -> int | None:
    """The row's number, None where `id` is not as `id_of` writes it."""
    if not _ID.fullmatch(id):
        return None
    event_id = int(id, 36)
    return event_id if event_id <= _LARGEST else None


def instant_of(event_id: int) -> datetime:
    """When the number was made, by the clock of the process that made it."""
    return from_milliseconds(event_id >> _MILLISECOND_SHIFT)


def first_id_at(instant: datetime) -> int:
    """The smallest number that can be made at `instant`."""
    return max(0, to_milliseconds(instant)) << _MILLISECOND_SHIFT


def to_milliseconds(instant: datetime) -> int:
    """Milliseconds since the row ids' epoch."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def from_milliseconds(milliseconds: int) -> datetime:
    """The instant so many milliseconds after the row ids' epoch."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


_FIND = f"""
    SELECT {_COLUMNS} FROM audit_event e
    WHERE e.tenant = $1 AND e.recorded >= $2 AND e.recorded < $3 AND e.event_id = $4 LIMIT 1
"""


async def find(connection: Connection, tenant: int, event_id: int) -> AuditEvent | None:
    """The event of that number."""
    made_at = instant_of(event_id)
    for around in _NEARNESS:
        row = await connection.fetchrow(_FIND, tenant, made_at - around, made_at + around, event_id)
        if row is not None:
            return AuditEvent(*row)
    return None


async def page(
    connection: Connection,
    conditions: Sequence[str],
    binder: Binder,
    *,
    after: Place | None,
    ascending: bool,
    limit: int,
) -> list[AuditEvent]:
    """Up to `limit` events of the tenant under `conditions`, in the order of time, from the place `after` on."""
    wanted = ["e.tenant = $1", *conditions]
    if after is not None:
        recorded, event_id = binder.bind(after.recorded, "timestamptz"), binder.bind(after.event_id, "bigint")
        # The comparison of one column lets the planner leave partitions out; that of the pair is exact.
        wanted.append(f"e.recorded {'>=' if ascending else '<='} {recorded}")
        wanted.append(f"(e.recorded, e.event_id) {'>' if ascending else '<'} ({recorded}, {event_id})")
    way = "ASC" if ascending else "DESC"
    sql = f"""
        SELECT {_COLUMNS} FROM audit_event e WHERE {all_of(wanted)}
        ORDER BY e.recorded {way}, e.event_id {way} LIMIT {limit}
    """
    return [AuditEvent(*row) for row in await connection.fetch(sql, *binder.values)]


async def count(connection: Connection, conditions: Sequence[str], binder: Binder, limit: int | None) -> int:
    """How many events of the tenant there are under `conditions`, up to `limit` if there is one."""
    matched = f"FROM audit_event e WHERE {all_of(['e.tenant = $1', *conditions])}"
    sql = (
        f"SELECT count(*) {matched}" if limit is None else f"SELECT count(*) FROM (SELECT 1 {matched} LIMIT {limit}) m"
    )
    found: int = await connection.fetchval(sql, *binder.values)
    return found


_PATIENT = RESOURCE_TYPE_NUMBERS["Patient"]
_LIVE_PATIENTS = f"""
    SELECT self_token, id FROM resource
    WHERE tenant = $1 AND resource_type = {_PATIENT} AND self_token = ANY($2::bigint[])
"""
_DELETED_PATIENTS = f"""
    SELECT patient, id FROM resource_history
    WHERE tenant = $1 AND resource_type = {_PATIENT} AND method = {DELETE} AND patient = ANY($2::bigint[])
"""


async def patient_ids(connection: Connection, tenant: int, self_tokens: Sequence[int]) -> dict[int, str]:
    """The ids of the patients, live or deleted, that have these self_tokens.

    An event shows whose records were opened to whoever may see the event, so only the tenant limits what is read here.
    """
    if not self_tokens:
        return {}
    found = {row[0]: row[1] for row in await connection.fetch(_LIVE_PATIENTS, tenant, self_tokens)}
    unknown = [token for token in self_tokens if token not in found]
    if unknown:
        found |= {row[0]: row[1] for row in await connection.fetch(_DELETED_PATIENTS, tenant, unknown)}
    return found


def of_interactions(names: Sequence[str], binder: Binder) -> str:
    """The interaction is one of `names`."""
    return f"e.interaction = ANY({binder.bind(list(names), 'text[]')})"


def of_statuses(low: int, high: int, binder: Binder) -> str:
    """The HTTP status is in [low, high)."""
    return f"(e.status >= {binder.bind(low, 'integer')} AND e.status < {binder.bind(high, 'integer')})"


def of_numbers(event_ids: Sequence[int], binder: Binder) -> str:
    """The event is one of these."""
    near = [
        f"(e.event_id = {binder.bind(event_id, 'bigint')}"
        f" AND e.recorded >= {binder.bind(instant_of(event_id) - CLOCK_TOLERANCE, 'timestamptz')}"
        f" AND e.recorded < {binder.bind(instant_of(event_id) + CLOCK_TOLERANCE, 'timestamptz')})"
        for event_id in event_ids
    ]
    return any_of(near)


def by_client(client_ids: Sequence[str], binder: Binder) -> str:
    """The request came from one of these clients."""
    return f"e.client_id = ANY({binder.bind(list(client_ids), 'text[]')})"


def by_user(references: Sequence[str], binder: Binder) -> str:
    """One of these persons had signed in."""
    return f"e.fhir_user = ANY({binder.bind(list(references), 'text[]')})"


def on_resource(resource_type: str, id: str, binder: Binder) -> str:
    """The request was about that resource; of any type for the empty one."""
    same_id = f"e.resource_id = {binder.bind(id, 'text')}"
    return f"(e.resource_type = {binder.bind(resource_type, 'text')} AND {same_id})" if resource_type else same_id


def about_patients(self_tokens: Sequence[int], binder: Binder) -> str:
    """The record of one of these patients was disclosed or changed."""
    return f"e.patients && {binder.bind(list(self_tokens), 'bigint[]')}"
