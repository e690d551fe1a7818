"""delete and conditional delete (FHIR R4, http.html#delete and #3.1.0.7.1)."""

from bhr_api.interactions.conditional import find, in_transaction
from bhr_api.interactions.context import Context
from bhr_api.interactions.read import require
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.interactions.write import Change, Stored, apply, of_write
from bhr_api.store.database import Connection


async def delete(context: Context, request: Request) -> Result:
    """Delete a resource; its history stays. 204, also when there was nothing to delete."""
    require(context, "d", request.resource_type, "delete")
    change = Change("delete", request.resource_type, request.id, if_match=request.if_match)

    async def work(connection: Connection) -> Stored:
        return (await apply(context, connection, [change]))[0]

    return of_write(await in_transaction(context, work))


async def conditional_delete(context: Context, request: Request) -> Result:
    """Delete the one resource that meets the criteria; 204 where none does, 412 where several do."""
    require(context, "d", request.resource_type, "delete")

    async def work(connection: Connection) -> Stored | None:
        found = await find(context, connection, request.resource_type, request.parameters)
        if found is None:
            return None
        change = Change("delete", request.resource_type, found.id, if_match=request.if_match)
        return (await apply(context, connection, [change]))[0]

    stored = await in_transaction(context, work)
    return Result(204) if stored is None else of_write(stored)
