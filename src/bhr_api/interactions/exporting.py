"""export: every live resource that the caller may read, as NDJSON, in constant memory, at one moment.

The format is that of Bulk Data (hl7.org/fhir/uv/bulkdata): a resource on each line, in UTF-8.
"""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES
from bhr_api.interactions.context import Context
from bhr_api.store import audit, whole_types
from bhr_api.store.database import Connection


@dataclass(frozen=True, slots=True)
class Export:
    """One snapshot of the record; `counts` are the resources of each type that there are."""

    counts: Mapping[str, int]
    _context: Context
    _connection: Connection

    async def lines(self, resource_type: str) -> AsyncIterator[bytes]:
        """The resources of a type in the order in which they were first stored, each as one line."""
        visibility = self._context.visibility
        binder = visibility.binder()
        visible = visibility.of_type(resource_type, "r", "r", binder)
        number = RESOURCE_TYPE_NUMBERS[resource_type]
        async for body in whole_types.bodies(self._connection, number, visible, binder):
            yield line_of(body)


@asynccontextmanager
async def snapshot(context: Context, resource_types: Collection[str]) -> AsyncIterator[Export]:
    """The record as it is now, of `resource_types`; what others write meanwhile is not in it. Audited before it starts."""
    async with context.database.acquire() as connection:
        event = context.event("export", 200, query="&".join(f"_type={name}" for name in resource_types) or None)
        await audit.append(connection, [event])
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            binder = context.visibility.binder()
            visible = context.visibility.of_types(resource_types, "r", "r", binder)
            counts = await whole_types.counts(connection, visible, binder)
            yield Export({RESOURCE_TYPES[n - 1]: count for n, count in sorted(counts.items())}, context, connection)


def line_of(body: bytes) -> bytes:
    """`body` on one line: as it is stored or, where it was sent with line breaks, compact, with every digit kept."""
    if b"\n" in body or b"\r" in body:
        body = json_text.dumps(json_text.parse(body))
    return body + b"\n"
