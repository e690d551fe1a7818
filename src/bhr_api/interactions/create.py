"""create and conditional create (FHIR R4, http.html#create and #ccreate)."""

import asyncpg

from bhr_api.interactions.conditional import criteria_of, find, in_transaction
from bhr_api.interactions.context import Context
from bhr_api.interactions.read import read, require
from bhr_api.interactions.requests import Parameters, Request, parse_parameters
from bhr_api.interactions.results import Result, of_version
from bhr_api.interactions.sent_resources import notes_on, parse_resource
from bhr_api.interactions.write import Change, Stored, apply, new_id, of_write
from bhr_api.resources.responsibility import RESPONSIBILITIES
from bhr_api.store.database import Connection
from bhr_api.store.versions import OutdatedExtractionError


async def create(context: Context, request: Request) -> Result:
    """Store a new resource under an id of the server's choice; 201.

    With If-None-Exist: 200 and the resource that is there already where one meets the criteria, 412 where several do.
    """
    require(context, "c", request.resource_type, "create")
    assert request.body is not None
    resource = parse_resource(request.body, request.resource_type)
    notes = await notes_on(context, resource)
    change = Change("create", request.resource_type, new_id(), resource, request.body, notes=notes)
    criteria = _criteria(request)
    if criteria is None and _is_one_statement(context, request.resource_type):
        return of_write(await _store_alone(context, change))

    async def work(connection: Connection) -> Result | str:
        found = None if criteria is None else await find(context, connection, request.resource_type, criteria)
        return of_write((await apply(context, connection, [change]))[0]) if found is None else found.id

    result = await in_transaction(context, work)
    if isinstance(result, Result):
        return result
    return await existing(context, request.resource_type, result)


def _is_one_statement(context: Context, resource_type: str) -> bool:
    """Whether a new resource is all there is to store; what else comes of it is committed together with it."""
    return (
        context.committing is None
        and context.integrity == "off"
        and resource_type not in RESPONSIBILITIES
        and resource_type != "SearchParameter"
    )


def _criteria(request: Request) -> Parameters | None:
    """The criteria of a conditional create; None for a plain one.

    They stand in If-None-Exist. Some clients (fhirpy) write them into the address instead: what they mean is plain, and to
    pass over them would make the duplicate that they are meant to prevent.
    """
    if request.if_none_exist is not None:
        return parse_parameters(criteria_of(request.if_none_exist))
    return [pair for pair in request.parameters if pair[0] not in ("_format", "_pretty")] or None


async def existing(context: Context, resource_type: str, id: str) -> Result:
    """What a conditional create answers when the resource is there (http.html#ccreate: "returns 200 OK").

    A caller who may not read learns no more than its place.
    """
    if not context.caller.may("r", resource_type):
        return Result(200, None, resource_type, id, location=f"{resource_type}/{id}")
    result = of_version(await read(context, resource_type, id))
    result.location = f"{resource_type}/{id}/_history/{result.version}"
    return result


async def _store_alone(context: Context, change: Change) -> Stored:
    """A single new resource is one statement and needs no explicit transaction."""
    try:
        async with context.connection() as connection:
            return (await apply(context, connection, [change]))[0]
    except (asyncpg.UniqueViolationError, OutdatedExtractionError):
        # Another process made the same row id, and the next one differs; or what was extracted waited for too long.
        await context.words.refresh(0.0)
        async with context.connection() as connection:
            return (await apply(context, connection, [change]))[0]
