"""Building the indexes of added search parameters while the server serves (docs/decisions/0009-added-search-parameters.md).

A definition answers when every live row of its type has been extracted by it. First whoever may not know it yet is waited
for; from then on every write leaves its values, so that one walk through the rows that are there is enough. The walk is
committed in batches together with how far it is, so that any indexer goes on from there.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.interactions.conditional import in_transaction
from bhr_api.interactions.context import Context
from bhr_api.interactions.reindexing import BATCH, index_rows
from bhr_api.search.referring import FOLLOWING_GENERATION
from bhr_api.store import added_parameters, whole_types
from bhr_api.store.added_parameters import LEASE, AddedRow
from bhr_api.store.database import Connection

# A search is not stopped by the end of the lease as a write is: it may have waited for a connection since it was read.
SEARCHES_END = timedelta(seconds=5)
_LOOK_SECONDS = 0.1


class Progress(NamedTuple):
    """How far an index is: `done` of about `total` rows of the type."""

    resource_type: str
    done: int
    total: int


async def index_parameters(context: Context, known: frozenset[AddedRow] = frozenset()) -> AsyncIterator[Progress]:
    """Build what is to be built for the tenant, and let go of what is leaving; telling how far it is, batch by batch.

    `known` are those of its `unfinished` that `wait_until_known` has waited for. Several may index at once: they take turns.
    It ends when there is nothing left to do.
    """
    while rows := await unfinished(context):
        if rows - known:
            await wait_until_known(context, rows - known)
            known |= rows
        leaving = [row for row in rows if row.state == "leaving"]
        if leaving:
            await _let_go(context, leaving)
            continue
        async for progress in _build(context, rows):
            yield progress


async def unfinished(context: Context) -> frozenset[AddedRow]:
    """What the tenant has that is not complete, without what changes while the index is built."""
    async with context.database.acquire() as connection:
        rows = await added_parameters.rows_of(connection, context.tenant)
    return frozenset(_as_registered(row) for row in rows if row.state != "complete")


def _as_registered(row: AddedRow) -> AddedRow:
    return row._replace(after_id="", done=0, total=0)


async def wait_until_known(context: Context, rows: Collection[AddedRow]) -> None:
    """Until no process extracts by less than `rows`, which are registered, nor answers by those of them that are leaving."""
    patience = LEASE + (SEARCHES_END if any(row.state == "leaving" for row in rows) else timedelta())
    async with context.database.acquire() as connection:
        over = await added_parameters.clock(connection) + patience
    while True:
        async with context.database.acquire() as connection:
            left = (over - await added_parameters.clock(connection)).total_seconds()
            if left < 0:
                last = await added_parameters.last_transaction(connection)
                break
        await asyncio.sleep(left + 0.01)
    await _wait_for_end(context, last)


async def _wait_for_end(context: Context, last: int) -> None:
    """Until all transactions of lower numbers have ended, which began to write before now."""
    while True:
        async with context.database.acquire() as connection:
            if await added_parameters.have_ended(connection, last):
                return
        await asyncio.sleep(_LOOK_SECONDS)


async def _let_go(context: Context, seen: Sequence[AddedRow]) -> None:
    """What is leaving makes room for its next definition, or goes."""

    async def work(connection: Connection) -> None:
        _, packages = await added_parameters.lock_set(connection, context.tenant)
        rows = await added_parameters.rows_of(connection, context.tenant)
        rows = [row for row in rows if _as_registered(row) in seen]
        following = [
            AddedRow(*row.key, row.origin, "building", row.next_definition)
            for row in rows
            if row.next_definition is not None
        ]
        await added_parameters.put(connection, context.tenant, following)
        await added_parameters.remove(
            connection, context.tenant, [row.key for row in rows if row.next_definition is None]
        )
        await added_parameters.raise_generation(connection, context.tenant, packages)

    await in_transaction(context, work)


async def _build(context: Context, registered: frozenset[AddedRow]) -> AsyncIterator[Progress]:
    """Index the types of what is registered, until it is done or something else is registered."""
    await context.words.refresh(0.0)
    for number in sorted({row.resource_type for row in registered}):
        while True:

            async def work(connection: Connection, number: int = number) -> Progress | None:
                return await _index_batch(context, connection, number, registered)

            progress = await in_transaction(context, work)
            if progress is None:
                break
            yield progress


async def _index_batch(
    context: Context, connection: Connection, number: int, registered: frozenset[AddedRow]
) -> Progress | None:
    """Index the next rows of a type; None when there are none left, and its parameters answer, or others are building."""
    tenant, resource_type = context.tenant, RESOURCE_TYPES[number - 1]
    # Indexers of one tenant take turns, and what is registered does not change under a batch.
    _, packages = await added_parameters.lock_set(connection, tenant)
    building = await added_parameters.building(connection, tenant, number)
    if not building or any(_as_registered(row) not in registered for row in building):
        return None
    after_id = min(row.after_id for row in building)
    behind = [row for row in building if row.after_id == after_id]
    rows = await whole_types.lock_outdated(connection, tenant, number, FOLLOWING_GENERATION, after_id, BATCH)
    if not rows:
        finished = [row._replace(state="complete", total=row.done) for row in building]
        await added_parameters.put(connection, tenant, finished)
        await added_parameters.raise_generation(connection, tenant, packages)
        return None
    total = behind[0].total if after_id else await added_parameters.count(connection, tenant, number)
    await index_rows(context, connection, resource_type, rows)
    ahead = [row._replace(after_id=rows[-1].id, done=row.done + len(rows), total=total or row.total) for row in behind]
    await added_parameters.put(connection, tenant, ahead)
    return _progress(resource_type, ahead)


def _progress(resource_type: str, rows: Sequence[AddedRow]) -> Progress:
    return Progress(resource_type, rows[0].done, max(rows[0].total, rows[0].done))
