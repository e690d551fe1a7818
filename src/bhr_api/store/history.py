"""History in one statement: the live row and the superseded ones, newest first.

No index of the live rows is in the order of time across types: a history of several is merged from the newest of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from bhr_api.store.database import Connection
from bhr_api.store.sql import Binder, all_of, hidden


class Place(NamedTuple):
    """The last entry of a page of history."""

    last_updated: datetime
    row_id: int
    version: int


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which versions: of one resource, since an instant, current at some time in [start, end), after a place."""

    id: str | None
    since: datetime | None
    at: tuple[datetime, datetime] | None
    after: Place | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen, as conditions on alias `r`: on rows of `types`, in whosever record, and on those of one record alone."""

    types: Sequence[int]
    of_types: str | None
    of_record: str | None


_COLUMNS = "resource_type, id, version, last_updated, method, body, patient, row_id"
_ORDER = "ORDER BY r.last_updated DESC, r.row_id DESC, r.version DESC"
# Each table with the order of its index on (tenant, resource_type, time): one live row has one version.
_TABLES = {"resource": "ORDER BY r.last_updated DESC, r.row_id DESC", "resource_history": _ORDER}


async def select(
    connection: Connection, wanted: HistoryFilter, visible: str, binder: Binder, limit: int
) -> Sequence[Any]:
    """Up to `limit` versions of one type under the condition `visible` on alias `r` (binder: `$1` is the tenant)."""
    conditions = all_of([visible, *_conditions(wanted, binder)])
    parts = [_newest(table, conditions, limit) for table in _TABLES]
    return await connection.fetch(_merged(parts, limit), *binder.values)


async def select_of_types(
    connection: Connection, wanted: HistoryFilter, seen: Seen, binder: Binder, limit: int
) -> Sequence[Any]:
    """Up to `limit` versions of any type as far as they are `seen` (binder: `$1` is the tenant)."""
    conditions = _conditions(wanted, binder)
    parts = []
    if seen.of_types is not None:
        types = binder.bind(list(seen.types), "smallint[]")
        # What is seen is a filter: the walk is one in the order of time.
        visible = ["r.tenant = $1", "r.resource_type = k.resource_type", hidden(seen.of_types)]
        parts += [
            f"SELECT r.* FROM {table}_types k CROSS JOIN LATERAL {_newest(table, all_of([*visible, *conditions]), limit)} AS r"
            f" WHERE k.resource_type = ANY({types})"
            for table in _TABLES
        ]
    if seen.of_record is not None:
        parts += [_newest(table, all_of([seen.of_record, *conditions]), limit) for table in _TABLES]
    with_clause = f"WITH RECURSIVE {', '.join([_types_in(table) for table in _TABLES])} "
    return await connection.fetch(with_clause + _merged(parts, limit), *binder.values)


def _newest(table: str, conditions: str, limit: int) -> str:
    columns = ", ".join(f"r.{name}" for name in _COLUMNS.split(", "))
    return f"(SELECT {columns} FROM {table} r WHERE {conditions} {_TABLES[table]} LIMIT {limit})"


def _merged(parts: Sequence[str], limit: int) -> str:
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS r {_ORDER} LIMIT {limit}"


def _types_in(table: str) -> str:
    """The types of the tenant's rows, each found by one step to the next in an index."""
    next_type = f"SELECT t.resource_type FROM {table} t WHERE t.tenant = $1 {{}} ORDER BY t.resource_type LIMIT 1"
    following = next_type.format("AND t.resource_type > k.resource_type")
    return f"""
        {table}_types (resource_type) AS (
            ({next_type.format("")})
            UNION ALL
            SELECT ({following}) FROM {table}_types k WHERE k.resource_type IS NOT NULL
        )
    """


def _conditions(wanted: HistoryFilter, binder: Binder) -> list[str]:
    conditions = []
    if wanted.id is not None:
        conditions.append(f"r.id = {binder.bind(wanted.id, 'text')}")
    if wanted.since is not None:
        conditions.append(f"r.last_updated >= {binder.bind(wanted.since, 'timestamptz')}")
    if wanted.at is not None:
        conditions += _current_within(wanted.at, binder)
    if wanted.after is not None:
        places = ", ".join(
            binder.bind(value, kind)
            for value, kind in zip(wanted.after, ("timestamptz", "bigint", "integer"), strict=True)
        )
        conditions.append(f"(r.last_updated, r.row_id, r.version) < ({places})")
    return conditions


def _current_within(at: tuple[datetime, datetime], binder: Binder) -> list[str]:
    """http.html#history, _at: versions that were current at some point during the period.

    A version ends with the next one that there is: an erasure may have taken those between the two.
    """
    start, end = (binder.bind(value, "timestamptz") for value in at)
    following = ", ".join(
        f"(SELECT n.last_updated FROM {table} n WHERE n.tenant = $1 AND n.resource_type = r.resource_type AND n.id = r.id"
        " AND n.version > r.version ORDER BY n.version LIMIT 1)"
        for table in ("resource_history", "resource")
    )
    return [f"r.last_updated < {end}", f"coalesce({following}, 'infinity') > {start}"]
