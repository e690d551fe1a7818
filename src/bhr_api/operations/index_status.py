"""SearchParameter/[id]/$index-status: whether an added search parameter answers, and how far its index is.

An operation of the project's own (docs/named-operations.md); its answer is a Parameters resource (FHIR R4, parameters.html).
"""

from collections.abc import Sequence
from typing import Any

from bhr_api.fhir import json_text
from bhr_api.fhir.canonical import CANONICAL_BASE
from bhr_api.fhir.definitions import RESOURCE_TYPES, Resource
from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation
from bhr_api.interactions.read import read
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.search.added_parameters import is_built_in
from bhr_api.store import added_parameters
from bhr_api.store.added_parameters import AddedRow

_SENTENCES = {
    "complete": "It answers.",
    "building": "Its index is being built; until that is complete, searches by it are refused.",
    "leaving": "Another definition takes its place; until the index of that is complete, searches by it are refused.",
}


async def index_status(context: Context, request: Request) -> Result:
    """`state` and, for each base, how many resources are indexed of how many, to whom may search all of them.

    Raises what a read of the resource raises.
    """
    stored = await read(context, "SearchParameter", request.id)
    assert stored.body is not None
    definition: Resource = json_text.parse(stored.body)
    async with context.connection() as connection:
        rows = await added_parameters.rows_of(connection, context.tenant)
    own = [row for row in rows if row.origin == request.id and (row.state != "leaving" or row.next_definition)]
    return Result(200, json_text.dumps(_parameters(context, definition, own)))


def _parameters(context: Context, definition: Resource, rows: Sequence[AddedRow]) -> Resource:
    state = {"name": "state", "valueCode": _state(definition, rows)}
    bases = [_of_base(context, row) for row in rows]
    return {"resourceType": "Parameters", "parameter": [state, *_counts(context, rows), *bases]}


def _state(definition: Resource, rows: Sequence[AddedRow]) -> str:
    """complete, building, or not-served: it is not active, or does not add to what there is."""
    if is_built_in(definition["url"]) and definition["status"] == "active":
        return "complete"
    if not rows:
        return "not-served"
    return "complete" if all(row.state == "complete" for row in rows) else "building"


def _counts(context: Context, rows: Sequence[AddedRow]) -> list[dict[str, Any]]:
    """How many there are of a type is told to whom a search would tell it."""
    if not all(context.visibility.is_tenant_wide(RESOURCE_TYPES[row.resource_type - 1], "s") for row in rows):
        return []
    return [
        {"name": "done", "valueInteger": sum(_done(row) for row in rows)},
        {"name": "total", "valueInteger": sum(_total(row) for row in rows)},
    ]


def _of_base(context: Context, row: AddedRow) -> dict[str, Any]:
    return {
        "name": "base",
        "part": [
            {"name": "type", "valueCode": RESOURCE_TYPES[row.resource_type - 1]},
            {"name": "state", "valueCode": "complete" if row.state == "complete" else "building"},
            *_counts(context, [row]),
            {"name": "message", "valueString": _SENTENCES[row.state]},
        ],
    }


def _done(row: AddedRow) -> int:
    return 0 if row.state == "leaving" else row.done


def _total(row: AddedRow) -> int:
    return max(row.total, _done(row))


INDEX_STATUS: Operation[Context] = Operation(
    name="index-status",
    url=f"{CANONICAL_BASE}/OperationDefinition/SearchParameter-index-status",
    levels=frozenset({"instance"}),
    types=frozenset({"SearchParameter"}),
    run=index_status,
)
