"""The observations that a search finds, one after the other from the newest on (FHIR R4, search.html).

For operations that reckon with many of them: their bodies pass by in portions and are never in memory together.
"""

from collections.abc import AsyncGenerator
from typing import NamedTuple

from bhr_api.errors import TooCostlyError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.interactions.context import Context
from bhr_api.interactions.requests import Parameters
from bhr_api.interactions.terminologies import search_context
from bhr_api.search.compiler import compile_page
from bhr_api.search.cursor import Position
from bhr_api.search.order import NEWEST_DATED
from bhr_api.search.query import SearchQuery, parse_query
from bhr_api.store.database import Connection

MAXIMUM_OBSERVATIONS = 50_000
_AT_ONCE = 200
_EVERYTHING = Position((), 0, (1 << 63) - 1)


class Found(NamedTuple):
    """An observation; `taken` is its effective time as text, None where it has none."""

    id: str
    patient: int | None
    taken: str | None
    body: bytes
    resource: Resource


async def query_of(context: Context, parameters: Parameters) -> SearchQuery:
    """The search for observations that `parameters` spell, in the order of their effective times."""
    query = parse_query("Observation", parameters, await search_context(context, parameters, context.now()))
    query.sort = (NEWEST_DATED,)
    query.count = MAXIMUM_OBSERVATIONS
    return query


async def found_observations(
    context: Context, connection: Connection, query: SearchQuery
) -> AsyncGenerator[Found, None]:
    """What the caller may see of it. Raises TooCostlyError after MAXIMUM_OBSERVATIONS."""
    statement = compile_page(query, context.visibility, context.hasher, context.words.heavy, _EVERYTHING)
    number = 0
    async with connection.transaction():
        async for row in connection.cursor(statement.sql, *statement.values, prefetch=_AT_ONCE):
            number += 1
            if number > MAXIMUM_OBSERVATIONS:
                raise TooCostlyError(f"More than {MAXIMUM_OBSERVATIONS} observations are meant; narrow the criteria.")
            taken = None if row["sort"][0] == "-infinity" else row["sort"][0]
            yield Found(row["id"], row["patient"], taken, row["body"], json_text.parse(row["body"]))
