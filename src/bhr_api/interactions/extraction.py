"""What is stored of a version besides its body: the values by which it is found, by the search parameters that are known."""

from dataclasses import replace
from datetime import datetime

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource
from bhr_api.interactions.context import Context, KnownParameters
from bhr_api.search.extract import index_entry
from bhr_api.search.referring import reference_tokens
from bhr_api.store import versions
from bhr_api.store.database import Connection
from bhr_api.store.versions import NewVersion


async def promised(connection: Connection, known: KnownParameters) -> KnownParameters:
    """`known` for all that the transaction extracts, however long it takes. Raises OutdatedExtractionError."""
    await versions.promise(connection, known.until)
    return replace(known, until=versions.ALWAYS)


def new_version(
    context: Context,
    known: KnownParameters,
    resource: Resource,
    *,
    version: int,
    method: int,
    row_id: int,
    last_updated: datetime,
    body: bytes,
) -> NewVersion:
    """`resource`, whose text is `body`, with its index values."""
    entry = index_entry(resource, context.hasher, context.base_url, known.served.indexed)
    if context.integrity == "strict":
        entry.tokens |= reference_tokens(resource, context.hasher, context.base_url)
    return NewVersion(
        resource_type=RESOURCE_TYPE_NUMBERS[resource["resourceType"]],
        id=resource["id"],
        version=version,
        method=method,
        index_generation=context.index_generation,
        row_id=row_id,
        self_token=entry.self_token,
        patient=entry.patient,
        last_updated=last_updated,
        main_date=entry.main_date,
        tokens=sorted(entry.tokens),
        body=body,
        strings=entry.strings,
        numbers=entry.numbers,
        dates=entry.dates,
        ordered=sorted(entry.ordered),
        known_until=known.until,
    )
