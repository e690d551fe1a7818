"""reindex: extract the search values of stored resources anew, when the program has learnt to extract more or other ones.

Versions, bodies and times stay as they are. Rows are locked some hundreds at a time, in the order in which writers lock
them, so that the server may serve meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES, Resource
from bhr_api.interactions.conditional import in_transaction
from bhr_api.interactions.context import Context, KnownParameters
from bhr_api.interactions.extraction import new_version, promised
from bhr_api.interactions.placing import place
from bhr_api.interactions.relating import relate
from bhr_api.resources import HOOKS
from bhr_api.search.referring import FOLLOWING_GENERATION
from bhr_api.store import whole_types
from bhr_api.store.database import Connection
from bhr_api.store.versions import NewVersion
from bhr_api.store.whole_types import IndexedRow

BATCH = 250
GIVE_WAY_EVERY = 20


async def outdated(context: Context, resource_types: Collection[str], *, everything: bool) -> dict[str, int]:
    """How many resources of each type are to be indexed anew: those of older programs, or `everything`."""
    numbers = [RESOURCE_TYPE_NUMBERS[name] for name in resource_types]
    async with context.database.acquire() as connection:
        found = await whole_types.count_outdated(connection, context.tenant, numbers, _generation(context, everything))
    return {RESOURCE_TYPES[number - 1]: count for number, count in sorted(found.items())}


async def reindex(context: Context, resource_type: str, *, everything: bool) -> AsyncIterator[int]:
    """Index the resources of a type anew; gives how many it did, batch by batch."""
    after_id = ""
    while True:

        async def work(connection: Connection, after_id: str = after_id) -> list[IndexedRow]:
            number = RESOURCE_TYPE_NUMBERS[resource_type]
            generation = _generation(context, everything)
            rows = await whole_types.lock_outdated(connection, context.tenant, number, generation, after_id, BATCH)
            if rows:
                await index_rows(context, connection, resource_type, rows)
            return rows

        rows = await in_transaction(context, work)
        if not rows:
            return
        after_id = rows[-1].id
        yield len(rows)


def _generation(context: Context, everything: bool) -> int:
    """The generation before which a row is outdated."""
    return FOLLOWING_GENERATION if everything else context.index_generation


async def index_rows(context: Context, connection: Connection, resource_type: str, rows: Sequence[IndexedRow]) -> None:
    """Put new index values in the place of those of `rows`, which are locked. Raises OutdatedExtractionError."""
    known = await promised(connection, context.words.known)
    resources: list[Resource] = []
    indexed: list[NewVersion] = []
    for row in rows:
        resources.append(json_text.parse(row.body))
        indexed.append(_indexed(context, known, resources[-1], row))
        if len(indexed) % GIVE_WAY_EVERY == 0:
            await asyncio.sleep(0)
    if resource_type in HOOKS:
        await place(context, connection, list(zip(resources, indexed, strict=True)), {})
    await whole_types.index_anew(connection, context.tenant, indexed)
    await relate(context, connection, [(resource_type, resource["id"], resource) for resource in resources])


def _indexed(context: Context, known: KnownParameters, resource: Resource, row: IndexedRow) -> NewVersion:
    return new_version(
        context,
        known,
        resource,
        version=row.version,
        method=row.method,
        row_id=row.row_id,
        last_updated=row.last_updated,
        body=row.body,
    )
