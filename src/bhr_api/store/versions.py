"""Versions of resources: read them, lock them, and put new ones in place, with their index rows.

Constant SQL on asyncpg; nothing here commits. A new resource is one statement; a superseded version moves to
`resource_history` in the transaction that supersedes it (docs/storage.md).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import asyncpg

from bhr_api.store import audit
from bhr_api.store.audit import AuditEvent
from bhr_api.store.database import Connection
from bhr_api.store.sql import Binder

PLAIN = 0

# `method` of a version: how it came to be (Bundle.entry.request.method in history).
METHODS = {1: "POST", 2: "PUT", 3: "PATCH", 4: "DELETE"}
POST, PUT, PATCH, DELETE = METHODS

# asyncpg's way of writing timestamptz '-infinity': a row without a main date.
NO_DATE = datetime.min  # noqa: DTZ901
# And 'infinity': what was extracted by search parameters that never change.
ALWAYS = datetime.max  # noqa: DTZ901

Key = tuple[int, str]


class StoredVersion(NamedTuple):
    """One version as it is stored; `body` is None for a deletion."""

    resource_type: int
    id: str
    version: int
    last_updated: datetime
    method: int
    body: bytes | None
    patient: int | None


class CurrentRow(NamedTuple):
    """The live row of a resource, locked until the transaction ends."""

    version: int
    last_updated: datetime
    row_id: int
    self_token: int
    patient: int | None
    body: bytes


class Tombstone(NamedTuple):
    """The last version of a deleted resource."""

    version: int
    last_updated: datetime
    patient: int | None


@dataclass(slots=True)
class NewVersion:
    """A version to be stored: its row and its index rows, which were extracted by what is right until `known_until`.

    `strings` are (parameter, value); `numbers` (parameter, unit, low, high, element or None); `dates` (parameter, start,
    end); `ordered` tokens get posting rows.
    """

    resource_type: int
    id: str
    version: int
    method: int
    index_generation: int
    row_id: int
    self_token: int
    patient: int | None
    last_updated: datetime
    main_date: tuple[datetime, datetime] | None
    tokens: Sequence[int]
    body: bytes
    strings: Sequence[tuple[int, str]]
    numbers: Sequence[tuple[int, int, Decimal, Decimal, Sequence[int] | None]]
    dates: Sequence[tuple[int, datetime, datetime]]
    ordered: Sequence[int]
    known_until: datetime = ALWAYS

    def row(self, tenant: int) -> tuple[Any, ...]:
        """The values of the row, in the order of `_INSERT` and `_UPDATE`."""
        start, end = self.main_date or (NO_DATE, NO_DATE)
        return (
            tenant,
            self.resource_type,
            self.id,
            self.version,
            self.method,
            self.index_generation,
            self.row_id,
            self.self_token,
            self.patient,
            self.last_updated,
            start,
            end,
            self.tokens,
            self.body,
            self.known_until,
        )


class OutdatedExtractionError(Exception):
    """What was to be stored was extracted by search parameters that others may have gone beyond; extract it anew."""


# Nought, or an error where the time is over by which the version should have been stored. By then the transaction has its
# number, so that whoever looks for the transactions of that moment finds it (store/added_parameters.py).
IN_TIME = "0 / (CASE WHEN pg_current_xact_id() IS NOT NULL AND clock_timestamp() < {} THEN 1 ELSE 0 END)"

_PROMISE = f"SELECT {IN_TIME.format('$1::timestamptz')}"
_INSERT = f"""
    INSERT INTO resource (tenant, resource_type, id, version, encoding, method, index_generation, row_id, self_token, patient,
        last_updated, date_start, date_end, tokens, body)
    VALUES ($1, $2, $3, $4, {IN_TIME.format("$15")}, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
_UPDATE = f"""
    UPDATE resource SET version = $4, encoding = {IN_TIME.format("$15")}, method = $5, index_generation = $6, row_id = $7,
        self_token = $8, patient = $9, last_updated = $10, date_start = $11, date_end = $12, tokens = $13, body = $14
    WHERE tenant = $1 AND resource_type = $2 AND id = $3
"""
# The index rows of any number of versions: one array a column. `element` travels as text, since PostgreSQL's arrays of
# arrays are rectangular.
INDEX_ROWS = {
    "strings": """
        INSERT INTO string_index (tenant, row_id, parameter, ordinal, resource_type, value)
        SELECT $1, * FROM unnest({0}::bigint[], {1}::integer[], {2}::smallint[], {3}::smallint[], {4}::text[])
    """,
    "numbers": """
        INSERT INTO number_index (tenant, row_id, parameter, ordinal, resource_type, unit, low, high, element)
        SELECT $1, r, p, o, t, u, l, h, e::bigint[]
        FROM unnest({0}::bigint[], {1}::integer[], {2}::smallint[], {3}::smallint[], {4}::bigint[], {5}::numeric[],
            {6}::numeric[], {7}::text[]) AS rows (r, p, o, t, u, l, h, e)
    """,
    "dates": """
        INSERT INTO date_index (tenant, row_id, parameter, ordinal, resource_type, date_start, date_end)
        SELECT $1, * FROM unnest({0}::bigint[], {1}::integer[], {2}::smallint[], {3}::smallint[], {4}::timestamptz[],
            {5}::timestamptz[])
    """,
    "postings": """
        INSERT INTO posting (tenant, token, row_id, date_start)
        SELECT $1, * FROM unnest({0}::bigint[], {1}::bigint[], {2}::timestamptz[])
    """,
}
INDEX_COLUMNS = {"strings": 5, "numbers": 8, "dates": 6, "postings": 3, "audit": len(AuditEvent._fields)}


def index_columns(versions: Iterable[NewVersion]) -> dict[str, list[list[Any]]]:
    """The index rows of `versions` by table, as columns; tables without rows are left out."""
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in INDEX_ROWS}
    for new in versions:
        kind, row_id = new.resource_type, new.row_id
        rows["strings"] += [(row_id, p, n, kind, value) for n, (p, value) in enumerate(new.strings)]
        rows["numbers"] += [
            (row_id, p, n, kind, unit, low, high, None if element is None else f"{{{','.join(map(str, element))}}}")
            for n, (p, unit, low, high, element) in enumerate(new.numbers)
        ]
        rows["dates"] += [(row_id, p, n, kind, start, end) for n, (p, start, end) in enumerate(new.dates)]
        date = new.main_date[0] if new.main_date else NO_DATE
        rows["postings"] += [(token, row_id, date) for token in new.ordered]
    return {name: [list(column) for column in zip(*found, strict=True)] for name, found in rows.items() if found}


def _with_index_rows(statement: str, names: tuple[str, ...], first_place: int) -> str:
    """`statement` and the insertion of its index rows as one statement, with their columns from `$first_place` on."""
    parts = [f"main AS ({statement})"]
    place = first_place
    for name in names:
        places = [f"${place + n}" for n in range(INDEX_COLUMNS[name])]
        place += INDEX_COLUMNS[name]
        rows = audit.insertion(places) if name == "audit" else INDEX_ROWS[name].format(*places)
        parts.append(f"{name} AS ({rows})")
    return f"WITH {', '.join(parts)} SELECT 1"


_ONE_STATEMENT: dict[tuple[str, tuple[str, ...]], str] = {}


async def _put_one(
    connection: Connection, tenant: int, new: NewVersion, statement: str, event: AuditEvent | None
) -> None:
    columns = index_columns((new,))
    names = (*columns, "audit") if event else tuple(columns)
    sql = _ONE_STATEMENT.get((statement, names))
    if sql is None:
        sql = _ONE_STATEMENT[statement, names] = _with_index_rows(statement, names, 16)
    values = [column for name in columns for column in columns[name]]
    await connection.execute(sql, *new.row(tenant), *values, *(event or ()))


async def promise(connection: Connection, known_until: datetime) -> None:
    """Let the transaction store whatever is extracted by what is known until then, however long it takes.

    Raises OutdatedExtractionError when that is over already.
    """
    try:
        await connection.execute(_PROMISE, known_until)
    except asyncpg.DivisionByZeroError as error:
        raise OutdatedExtractionError from error


async def insert(
    connection: Connection, tenant: int, versions: Sequence[NewVersion], event: AuditEvent | None = None
) -> None:
    """Store new resources with their index rows, and the audit event of a single one in the same statement.

    Raises asyncpg.UniqueViolationError where a (type, id) is live, and OutdatedExtractionError.
    """
    await _put(connection, tenant, versions, _INSERT, event)


async def replace(connection: Connection, tenant: int, versions: Sequence[NewVersion]) -> None:
    """Put `versions` in the place of the live rows that the caller has locked: these move to the history.

    Raises OutdatedExtractionError.
    """
    await _to_history(connection, tenant, [(new.resource_type, new.id) for new in versions])
    await _put(connection, tenant, versions, _UPDATE, None)


async def _put(
    connection: Connection, tenant: int, versions: Sequence[NewVersion], statement: str, event: AuditEvent | None
) -> None:
    try:
        if len(versions) == 1:
            await _put_one(connection, tenant, versions[0], statement, event)
            return
        await connection.executemany(statement, [new.row(tenant) for new in versions])
    except asyncpg.DivisionByZeroError as error:
        raise OutdatedExtractionError from error
    for name, columns in index_columns(versions).items():
        sql = INDEX_ROWS[name].format(*(f"${n + 2}" for n in range(INDEX_COLUMNS[name])))
        await connection.execute(sql, tenant, *columns)


_KEYS = "SELECT * FROM unnest($2::smallint[], $3::text[]) AS keys (resource_type, id)"
_TO_HISTORY = f"""
    WITH keys AS ({_KEYS}), old AS (
        SELECT r.* FROM resource r JOIN keys USING (resource_type, id) WHERE r.tenant = $1
    ), kept AS (
        INSERT INTO resource_history (tenant, resource_type, id, version, encoding, method, row_id, patient, last_updated,
            date_start, date_end, tokens, body)
        SELECT tenant, resource_type, id, version, encoding, method, row_id, patient, last_updated, date_start, date_end,
            tokens, body
        FROM old
    ), strings AS (DELETE FROM string_index WHERE tenant = $1 AND row_id IN (SELECT row_id FROM old)),
    numbers AS (DELETE FROM number_index WHERE tenant = $1 AND row_id IN (SELECT row_id FROM old)),
    dates AS (DELETE FROM date_index WHERE tenant = $1 AND row_id IN (SELECT row_id FROM old)),
    postings AS (
        DELETE FROM posting p USING old WHERE p.tenant = $1 AND p.token = ANY(old.tokens) AND p.row_id = old.row_id
    )
    SELECT 1
"""
_BURY = f"""
    WITH keys AS ({_KEYS}), gone AS (
        DELETE FROM resource r USING keys
        WHERE r.tenant = $1 AND r.resource_type = keys.resource_type AND r.id = keys.id
        RETURNING r.*
    )
    INSERT INTO resource_history (tenant, resource_type, id, version, encoding, method, row_id, patient, last_updated,
        date_start, date_end, tokens, body)
    SELECT tenant, resource_type, id, version + 1, 0, {DELETE}, row_id, patient,
        greatest($4, last_updated + interval '1 millisecond'), date_start, date_end, tokens, NULL
    FROM gone
"""


def _key_columns(keys: Sequence[Key]) -> tuple[list[int], list[str]]:
    return [kind for kind, _ in keys], [id for _, id in keys]


async def _to_history(connection: Connection, tenant: int, keys: Sequence[Key]) -> None:
    await connection.execute(_TO_HISTORY, tenant, *_key_columns(keys))


async def delete(connection: Connection, tenant: int, keys: Sequence[Key], now: datetime) -> None:
    """Delete the live rows that the caller has locked; a tombstone is their next version."""
    await _to_history(connection, tenant, keys)
    await connection.execute(_BURY, tenant, *_key_columns(keys), now)


_LOCK = f"""
    WITH keys AS ({_KEYS})
    SELECT r.resource_type, r.id, r.version, r.last_updated, r.row_id, r.self_token, r.patient, r.body
    FROM resource r JOIN keys USING (resource_type, id)
    WHERE r.tenant = $1 ORDER BY r.resource_type, r.id FOR NO KEY UPDATE OF r
"""
_LOCK_TO_DELETE = _LOCK.replace("FOR NO KEY UPDATE", "FOR UPDATE")
_TOMBSTONES = f"""
    WITH keys AS ({_KEYS})
    SELECT DISTINCT ON (h.resource_type, h.id) h.resource_type, h.id, h.version, h.last_updated, h.patient
    FROM resource_history h JOIN keys USING (resource_type, id)
    WHERE h.tenant = $1 ORDER BY h.resource_type, h.id, h.version DESC
"""


async def lock(
    connection: Connection, tenant: int, keys: Sequence[Key], *, deleting: bool = False
) -> dict[Key, CurrentRow]:
    """The live rows of `keys`, locked in one order so that opposite requests cannot block each other for ever.

    To change a row leaves those alone that only hold it there because they refer to it (`references.lock`); to delete it
    does not.

    This reads without the visibility condition, because a write must know what is there: the caller compares each row's
    patient by `Visibility.allows_version` before anything of it shows.
    """
    rows = await connection.fetch(_LOCK_TO_DELETE if deleting else _LOCK, tenant, *_key_columns(keys))
    return {(row[0], row[1]): CurrentRow(*row[2:]) for row in map(tuple, rows)}


async def tombstones(connection: Connection, tenant: int, keys: Sequence[Key]) -> dict[Key, Tombstone]:
    """The last superseded version or tombstone of each of `keys` that has history; read like `lock`."""
    rows = await connection.fetch(_TOMBSTONES, tenant, *_key_columns(keys))
    return {(row[0], row[1]): Tombstone(*row[2:]) for row in map(tuple, rows)}


async def patients_of(connection: Connection, tenant: int, self_tokens: Sequence[int]) -> dict[int, int | None]:
    """Whose record each of the live resources is in, by self_token; for placing what refers to them, never for showing."""
    rows = await connection.fetch(
        "SELECT self_token, patient FROM resource WHERE tenant = $1 AND self_token = ANY($2::bigint[])",
        tenant,
        self_tokens,
    )
    return {row[0]: row[1] for row in rows}


async def read(connection: Connection, key: Key, visible: str, binder: Binder) -> StoredVersion | None:
    """The live version of `key` under the condition `visible` on alias `r` (binder: `$1` is the tenant)."""
    sql = f"""
        SELECT r.resource_type, r.id, r.version, r.last_updated, r.method, r.body, r.patient FROM resource r
        WHERE {visible} AND r.resource_type = {key[0]} AND r.id = {binder.bind(key[1], "text")}
    """
    row = await connection.fetchrow(sql, *binder.values)
    return None if row is None else StoredVersion(*row)


async def read_past(
    connection: Connection, key: Key, version: int | None, visible: str, binder: Binder
) -> StoredVersion | None:
    """A superseded version or tombstone of `key`, the last one for `version` None, under `visible` on alias `r`."""
    wanted = "" if version is None else f"AND r.version = {binder.bind(version, 'integer')}"
    sql = f"""
        SELECT r.resource_type, r.id, r.version, r.last_updated, r.method, r.body, r.patient FROM resource_history r
        WHERE {visible} AND r.resource_type = {key[0]} AND r.id = {binder.bind(key[1], "text")} {wanted}
        ORDER BY r.version DESC LIMIT 1
    """
    row = await connection.fetchrow(sql, *binder.values)
    return None if row is None else StoredVersion(*row)


STRIPES = 64


async def lock_stripes(connection: Connection, tenant: int, hashes: Iterable[int]) -> None:
    """Let conditional writes on the same criteria follow one another, until the transaction ends.

    Row locks, not advisory ones: those are local to a node on Citus. Stripes are made with the tenant.
    """
    stripes = sorted({value % STRIPES for value in hashes})
    await connection.execute(
        "SELECT 1 FROM lock_stripe WHERE tenant = $1 AND stripe = ANY($2::smallint[]) ORDER BY stripe FOR UPDATE",
        tenant,
        stripes,
    )
