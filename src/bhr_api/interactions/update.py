"""update, update as create and conditional update (FHIR R4, http.html#update and #cond-update)."""

from bhr_api.errors import MalformedRequestError, PreconditionFailedError
from bhr_api.fhir.definitions import Resource
from bhr_api.interactions.conditional import find, in_transaction
from bhr_api.interactions.context import Context
from bhr_api.interactions.read import require
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.interactions.sent_resources import notes_on, parse_resource
from bhr_api.interactions.write import Change, Stored, apply, new_id, of_write
from bhr_api.store.database import Connection


async def update(context: Context, request: Request) -> Result:
    """Store the next version of a resource, or the first under the client's id; 200 or 201.

    Raises VersionConflictError (412) when If-Match names another version than the current one.
    """
    require(context, "u", request.resource_type, "update")
    assert request.body is not None
    resource = parse_resource(request.body, request.resource_type)
    require_same_id(resource, request.id)
    notes = await notes_on(context, resource)
    change = Change("update", request.resource_type, request.id, resource, request.body, request.if_match, notes)

    async def work(connection: Connection) -> Stored:
        return (await apply(context, connection, [change]))[0]

    return of_write(await in_transaction(context, work))


def require_same_id(resource: Resource, id: str) -> None:
    """R4 http.html#update: the resource "SHALL contain an id element that has an identical value to the [id] in the URL"."""
    sent = resource.get("id")
    if sent != id:
        shown = "has no id" if sent is None else f"has the id {sent!r}"
        raise MalformedRequestError(f"The address names the id {id!r}, but the body {shown}.", expression="id")


async def conditional_update(context: Context, request: Request) -> Result:
    """Update the one resource that meets the criteria, or create one where none does; 412 where several do."""
    require(context, "u", request.resource_type, "update")
    assert request.body is not None
    resource = parse_resource(request.body, request.resource_type)
    sent_id = resource.get("id")
    notes = await notes_on(context, resource)

    async def work(connection: Connection) -> Stored:
        found = await find(context, connection, request.resource_type, request.parameters)
        change = conditional_change(request, resource, sent_id, found.id if found else None)
        change.body, change.notes = request.body, notes
        return (await apply(context, connection, [change]))[0]

    return of_write(await in_transaction(context, work))


def conditional_change(request: Request, resource: Resource, sent_id: str | None, found: str | None) -> Change:
    """What a conditional update does when its criteria found the resource `found`, or none (R4 http.html#cond-update)."""
    if found is not None:
        if sent_id not in (None, found):
            raise MalformedRequestError(
                f"The criteria match {request.resource_type}/{found}, but the body has the id {sent_id!r}.",
                expression="id",
            )
        return Change("update", request.resource_type, found, resource, None, request.if_match)
    if request.if_match is not None:
        raise PreconditionFailedError("Nothing meets the criteria, so there is no version for If-Match to name.")
    if sent_id is not None:
        return Change("update", request.resource_type, sent_id, resource)
    return Change("create", request.resource_type, new_id(), resource)
