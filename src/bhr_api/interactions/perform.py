"""Every interaction by its name: the one place that HTTP requests and batch entries go through."""

from collections.abc import Awaitable, Callable, Mapping

from bhr_api.interactions.audit_search import read_audit_event
from bhr_api.interactions.context import Context
from bhr_api.interactions.create import create
from bhr_api.interactions.delete import conditional_delete, delete
from bhr_api.interactions.history import history
from bhr_api.interactions.patch import patch
from bhr_api.interactions.preconditions import is_not_modified
from bhr_api.interactions.read import part_asked, read, require, vread
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result, of_version
from bhr_api.interactions.search import search
from bhr_api.interactions.system_search import search_system
from bhr_api.interactions.update import conditional_update, update

Interaction = Callable[[Context, Request], Awaitable[Result]]


async def _read(context: Context, request: Request) -> Result:
    part = part_asked(request.parameters)
    result = await _read_whole(context, request)
    if result.body is not None:
        result.body = part(result.body)
    return result


async def _read_whole(context: Context, request: Request) -> Result:
    if request.resource_type == "AuditEvent":
        require(context, "r", request.resource_type, "read")
        return await read_audit_event(context, request.id)
    found = await read(context, request.resource_type, request.id)
    result = of_version(found)
    if is_not_modified(request, found):
        # http.html#cread: 304, with the headers and without the body.
        result.status, result.body = 304, None
    return result


async def _vread(context: Context, request: Request) -> Result:
    part = part_asked(request.parameters)
    result = of_version(await vread(context, request.resource_type, request.id, request.version_id))
    assert result.body is not None
    result.body = part(result.body)
    return result


async def _operate(context: Context, request: Request) -> Result:
    return await context.operations.perform(context, request)


_READING: Mapping[str, Interaction] = {
    "read": _read,
    "vread": _vread,
    "search-type": search,
    "search-compartment": search,
    "search-system": search_system,
    "history-instance": history,
    "history-type": history,
    "history-system": history,
    "operation": _operate,
}
_WRITING: Mapping[str, Interaction] = {
    "create": create,
    "update": update,
    "conditional-update": conditional_update,
    "patch": patch,
    "conditional-patch": patch,
    "delete": delete,
    "conditional-delete": conditional_delete,
}


WRITES = frozenset(_WRITING)


async def perform_reading(context: Context, request: Request) -> Result:
    """Carry out an interaction that changes nothing."""
    return await _READING[request.interaction](context, request)


async def perform(context: Context, request: Request) -> Result:
    """Carry out any interaction but batch, transaction and capabilities. Raises what the interaction refuses with."""
    return await (_READING.get(request.interaction) or _WRITING[request.interaction])(context, request)
