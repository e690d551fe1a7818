"""History in one statement: the live row and the superseded ones, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from bhr_api.store.database import Connection
from bhr_api.store.sql import Binder, all_of


class Place(NamedTuple):
    """The last entry of a page of history."""

    last_updated: datetime
    row_id: int
    version: int


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which versions: of a type, of one resource, since an instant, current at some time in [start, end), after a place."""

    resource_type: int | None
    id: str | None
    since: datetime | None
    at: tuple[datetime, datetime] | None
    after: Place | None


_COLUMNS = "r.resource_type, r.id, r.version, r.last_updated, r.method, r.body, r.patient, r.row_id"


async def select(
    connection: Connection, wanted: HistoryFilter, visible: str, binder: Binder, limit: int
) -> Sequence[Any]:
    """Up to `limit` versions under the condition `visible` on alias `r` (binder: `$1` is the tenant)."""
    conditions = all_of([visible, *_conditions(wanted, binder)])
    order = "ORDER BY r.last_updated DESC, r.row_id DESC, r.version DESC"
    parts = [
        f"(SELECT {_COLUMNS} FROM {table} r WHERE {conditions} {order} LIMIT {limit})"
        for table in ("resource", "resource_history")
    ]
    sql = f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS r {order} LIMIT {limit}"
    return await connection.fetch(sql, *binder.values)


def _conditions(wanted: HistoryFilter, binder: Binder) -> list[str]:
    conditions = []
    if wanted.resource_type is not None:
        conditions.append(f"r.resource_type = {wanted.resource_type}")
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
