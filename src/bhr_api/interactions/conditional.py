"""Conditional interactions: what a criterion matches decides what is written (FHIR R4, http.html#ccreate, #cond-update).

Writers of the same criterion follow one another on lock stripes, so that of any number of simultaneous requests one creates
and the others find what it created.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import NamedTuple, TypeVar

import asyncpg

from bhr_api.errors import ConflictError, MalformedRequestError, MultipleMatchesError, OverloadedError
from bhr_api.interactions.context import STALE_SECONDS, Context
from bhr_api.interactions.read import require
from bhr_api.interactions.requests import Parameters
from bhr_api.interactions.terminologies import search_context
from bhr_api.search.compiler import compile_match
from bhr_api.search.query import parse_query
from bhr_api.store import versions
from bhr_api.store.database import Connection
from bhr_api.store.versions import OutdatedExtractionError

ATTEMPTS = 4
_T = TypeVar("_T")


class Match(NamedTuple):
    """A resource that meets the criteria."""

    id: str
    version: int


async def in_transaction(context: Context, work: Callable[[Connection], Awaitable[_T]]) -> _T:
    """Run `work` in one database transaction, again when it collides with another one or is too slow for what it extracted.

    `work` may run several times and must not keep anything between its runs. Raises ConflictError or OverloadedError at last.
    """
    for attempt in range(ATTEMPTS):
        try:
            await context.words.refresh(STALE_SECONDS)
            async with context.database.acquire() as connection, connection.transaction():
                answer = await work(connection)
                if context.committing is not None:
                    await context.committing(connection, answer)
                return answer
        except OutdatedExtractionError as error:
            if attempt == ATTEMPTS - 1:
                raise OverloadedError("The server was too slow to store what it extracted; try again.") from error
            await context.words.refresh(0.0)
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.UniqueViolationError) as error:
            if attempt == ATTEMPTS - 1:
                raise ConflictError("Other requests are changing the same resources; try again.") from error
            await asyncio.sleep(random.uniform(0.005, 0.05) * 2**attempt)
    raise AssertionError("the loop returns or raises")


def criteria_of(text: str) -> str:
    """The search part of an If-None-Exist header or conditional reference, which may be written with its type or a `?`."""
    return text.partition("?")[2] if "?" in text else text


async def find(context: Context, connection: Connection, resource_type: str, criteria: Parameters) -> Match | None:
    """The one resource that meets `criteria`, or None; the criteria stay locked until the transaction ends.

    Raises MultipleMatchesError (412) for several, MalformedRequestError without criteria.
    """
    require(context, "s", resource_type, "a conditional interaction")
    searched = [(name, value) for name, value in criteria if value and not name.startswith(("_format", "_pretty"))]
    if not searched:
        raise MalformedRequestError(
            "A conditional interaction needs search criteria, such as identifier=system|value; without any it would"
            " match everything."
        )
    await versions.lock_stripes(connection, context.tenant, _stripes(context, resource_type, searched))
    # Packages would take a second connection; criteria know HL7's own terminology and what is stored.
    held = replace(context, held=connection, definitions=None, lenient=False)
    query = parse_query(resource_type, searched, await search_context(held, searched, context.now()))
    statement = compile_match(query, context.visibility, context.words.heavy, limit=2)
    rows = await connection.fetch(statement.sql, *statement.values)
    if len(rows) > 1:
        raise MultipleMatchesError(
            f"Several {resource_type} resources meet the criteria; name one by its id, or narrow the criteria."
        )
    return Match(rows[0][0], rows[0][1]) if rows else None


async def lock_criteria(context: Context, connection: Connection, asked: Iterable[tuple[str, Parameters]]) -> None:
    """Lock all (type, criteria) that a transaction will ask about, at once and so in one order for everybody."""
    stripes = [stripe for resource_type, criteria in asked for stripe in _stripes(context, resource_type, criteria)]
    if stripes:
        await versions.lock_stripes(connection, context.tenant, stripes)


def _stripes(context: Context, resource_type: str, criteria: Parameters) -> list[int]:
    """One stripe for each identifier in the criteria, so that criteria that share one collide; else one for the whole."""
    identifiers = [value for name, value in criteria if name == "identifier"]
    texts = identifiers or ["&".join(sorted(f"{name}={value}" for name, value in criteria))]
    return [context.hasher.code(resource_type, "(criteria)", text) for text in texts]
