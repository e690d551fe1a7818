"""Reading every row of a type: for export, in constant memory, and to index stored rows anew, in batches by key."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from bhr_api.store.database import Connection
from bhr_api.store.sql import Binder
from bhr_api.store.versions import INDEX_COLUMNS, INDEX_ROWS, NewVersion, index_columns

_PREFETCH = 500


async def counts(connection: Connection, visible: str, binder: Binder) -> dict[int, int]:
    """How many live resources there are of each type, under the condition `visible` on alias `r`."""
    rows = await connection.fetch(
        f"SELECT r.resource_type, count(*) FROM resource r WHERE {visible} GROUP BY r.resource_type", *binder.values
    )
    return {row[0]: row[1] for row in rows}


async def bodies(connection: Connection, resource_type: int, visible: str, binder: Binder) -> AsyncIterator[bytes]:
    """The stored JSON of every live resource of a type, in the order of their row ids; only within a transaction."""
    sql = f"""
        SELECT r.body FROM resource r WHERE {visible} AND r.resource_type = {resource_type} ORDER BY r.row_id
    """
    async for row in connection.cursor(sql, *binder.values, prefetch=_PREFETCH):
        yield row[0]


class IndexedRow(NamedTuple):
    """A live row as far as its index depends on it."""

    id: str
    version: int
    method: int
    row_id: int
    last_updated: datetime
    body: bytes


async def lock_outdated(
    connection: Connection, tenant: int, resource_type: int, generation: int, after_id: str, limit: int
) -> list[IndexedRow]:
    """The next rows of a type that were indexed before `generation`, by id, locked as writers lock them."""
    rows = await connection.fetch(
        """
        SELECT id, version, method, row_id, last_updated, body FROM resource
        WHERE tenant = $1 AND resource_type = $2 AND id > $4 AND index_generation < $3
        ORDER BY id LIMIT $5 FOR UPDATE
        """,
        tenant,
        resource_type,
        generation,
        after_id,
        limit,
    )
    return [IndexedRow(*row) for row in rows]


async def count_outdated(
    connection: Connection, tenant: int, resource_types: Sequence[int], generation: int
) -> dict[int, int]:
    """How many rows of each type were indexed before `generation`."""
    rows = await connection.fetch(
        """
        SELECT resource_type, count(*) FROM resource
        WHERE tenant = $1 AND resource_type = ANY($2::smallint[]) AND index_generation < $3 GROUP BY resource_type
        """,
        tenant,
        resource_types,
        generation,
    )
    return {row[0]: row[1] for row in rows}


_FORGET = """
    WITH strings AS (DELETE FROM string_index WHERE tenant = $1 AND row_id = ANY($2::bigint[])),
    numbers AS (DELETE FROM number_index WHERE tenant = $1 AND row_id = ANY($2::bigint[])),
    dates AS (DELETE FROM date_index WHERE tenant = $1 AND row_id = ANY($2::bigint[])),
    postings AS (DELETE FROM posting WHERE tenant = $1 AND row_id = ANY($2::bigint[]))
    SELECT 1
"""
_INDEX = """
    UPDATE resource SET index_generation = $4, self_token = $5, patient = $6, date_start = $7, date_end = $8, tokens = $9
    WHERE tenant = $1 AND resource_type = $2 AND id = $3
"""


async def index_anew(connection: Connection, tenant: int, versions: Sequence[NewVersion]) -> None:
    """Put the index values of `versions` in the place of those of the same, locked rows; nothing else of them changes."""
    await connection.execute(_FORGET, tenant, [new.row_id for new in versions])
    # Of the values of a row: tenant, resource_type, id, index_generation, self_token, patient, main date, tokens.
    rows = [tuple(new.row(tenant)[n] for n in (0, 1, 2, 5, 7, 8, 10, 11, 12)) for new in versions]
    await connection.executemany(_INDEX, rows)
    for name, columns in index_columns(versions).items():
        sql = INDEX_ROWS[name].format(*(f"${n + 2}" for n in range(INDEX_COLUMNS[name])))
        await connection.execute(sql, tenant, *columns)
