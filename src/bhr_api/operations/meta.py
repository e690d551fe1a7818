"""$meta, $meta-add and $meta-delete: the profiles, tags and security labels (FHIR R4, resource-operations.html).

Adding and deleting make a version like any other change: R4's Meta.versionId "changes when the resource is created, updated,
or deleted", and labels decide who may see what, so that the history must tell them (docs/named-operations.md).
"""

from collections.abc import Callable, Sequence
from typing import Any

from bhr_api.errors import MalformedRequestError, VersionConflictError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource
from bhr_api.interactions.conditional import in_transaction
from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation
from bhr_api.interactions.patch import require_to_patch
from bhr_api.interactions.read import not_found, vread
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.interactions.sent_resources import check_resource
from bhr_api.interactions.write import Change, allows_row, apply
from bhr_api.operations.focus import read_focus
from bhr_api.operations.inputs import Inputs
from bhr_api.operations.labels import labels_in_use
from bhr_api.store import audit, versions
from bhr_api.store.database import Connection

Meta = dict[str, Any]
LISTS = ("profile", "security", "tag")


async def meta(context: Context, request: Request) -> Result:
    """The meta of a resource or version, or what profiles and labels a type or the tenant uses."""
    Inputs(request, ())
    if not request.id:
        return await _meta_in_use(context, request)
    if request.version_id:
        past = await vread(context, request.resource_type, request.id, request.version_id)
        assert past.body is not None
        return _answer(json_text.parse(past.body).get("meta", {}), past.version)
    async with context.connection() as connection:
        focus = await read_focus(context, connection, request.resource_type, request.id, "$meta")
    await _record(context, request, "$meta", focus.version, [] if focus.patient is None else [focus.patient])
    return _answer(json_text.parse(focus.body).get("meta", {}), focus.version)


async def _meta_in_use(context: Context, request: Request) -> Result:
    async with context.connection() as connection:
        found = await labels_in_use(context, connection, request.resource_type)
    await _record(context, request, "$meta", None, [])
    return _answer(found)


async def meta_add(context: Context, request: Request) -> Result:
    """The meta with what was sent added to it, in a new version unless it had that already."""
    return await _change(context, request, "$meta-add", with_added)


async def meta_delete(context: Context, request: Request) -> Result:
    """The meta without what was sent, in a new version unless it had none of that."""
    return await _change(context, request, "$meta-delete", without)


async def _change(context: Context, request: Request, operation: str, changed: Callable[[Meta, Meta], Meta]) -> Result:
    require_to_patch(context, request.resource_type)
    sent = Inputs(request, ("meta",)).one("meta")
    if not isinstance(sent, dict):
        raise MalformedRequestError(f"{operation} needs a parameter meta with valueMeta.", code="required")

    async def work(connection: Connection) -> Result:
        return await _carry_out(context, connection, request, operation, lambda before: changed(before, sent))

    # Within a bundle's transaction the row may be locked by that.
    return await (in_transaction(context, work) if context.held is None else work(context.held))


async def _carry_out(
    context: Context, connection: Connection, request: Request, operation: str, changed: Callable[[Meta], Meta]
) -> Result:
    key = (RESOURCE_TYPE_NUMBERS[request.resource_type], request.id)
    current = (await versions.lock(connection, context.tenant, [key])).get(key)
    if current is None or not await allows_row(context, connection, request.resource_type, "ur", current):
        raise not_found(request.resource_type, request.id)
    if request.if_match is not None and request.if_match != str(current.version):
        place = f"{request.resource_type}/{request.id}"
        raise VersionConflictError(place, sent=request.if_match, current=str(current.version))
    resource = json_text.parse(current.body)
    before = resource.get("meta", {})
    after = changed(before)
    version = current.version
    if after != before:
        stored = (await apply(context, connection, [_changed(request, resource, after)]))[0]
        assert stored.body is not None
        assert stored.version is not None
        after, version = json_text.parse(stored.body)["meta"], stored.version
    patients = [] if current.patient is None else [current.patient]
    await audit.append(connection, [_event(context, request, operation, version, patients)])
    return _answer(after, version)


def _changed(request: Request, resource: Resource, after: Meta) -> Change:
    changed = {**resource, "meta": after}
    check_resource(changed, request.resource_type)
    return Change("patch", request.resource_type, request.id, changed, json_text.dumps(changed), request.if_match)


def with_added(before: Meta, sent: Meta) -> Meta:
    """`before` with each profile, tag and label of `sent` that it has not: they are sets, and what is there stays as it is."""
    after = dict(before)
    for name in LISTS:
        has = {_identity(item) for item in before.get(name, ())}
        added = {_identity(item): item for item in sent.get(name, ()) if _identity(item) not in has}
        if added:
            after[name] = [*before.get(name, ()), *added.values()]
            _extend(after, name, [*before.get(f"_{name}", ()), *(None for _ in added)])
    return after


def without(before: Meta, sent: Meta) -> Meta:
    """`before` without the profiles, tags and labels of `sent`, whether it has them or not."""
    after = dict(before)
    for name in LISTS:
        unwanted = {_identity(item) for item in sent.get(name, ())}
        places = [place for place, item in enumerate(before.get(name, ())) if _identity(item) not in unwanted]
        extensions = before.get(f"_{name}", ())
        after[name] = [before[name][place] for place in places]
        _extend(after, name, [extensions[place] if place < len(extensions) else None for place in places])
        if not after[name]:
            # FHIR's JSON has no empty arrays.
            del after[name]
    return after


def _extend(meta: Meta, name: str, extensions: list[Any]) -> None:
    """json.html#primitive: extensions of the items stand in an array beside theirs, with null where there is none."""
    if any(extensions):
        meta[f"_{name}"] = extensions
    else:
        meta.pop(f"_{name}", None)


def _identity(item: Any) -> tuple[str | None, str | None]:
    """R4: "The identity of a tag or security label is the system+code"; of a profile its full URL."""
    return (item.get("system"), item.get("code")) if isinstance(item, dict) else (None, item)


def _answer(found: Meta, version: int | None = None) -> Result:
    """operations.html#response: the one parameter `return`, which is no resource."""
    body = {"resourceType": "Parameters", "parameter": [{"name": "return", "valueMeta": found}]}
    if not found:
        # A parameter without any content is none.
        del body["parameter"]
    return Result(200, json_text.dumps(body), version=version)


async def _record(
    context: Context, request: Request, operation: str, version: int | None, patients: Sequence[int]
) -> None:
    await context.record(_event(context, request, operation, version, patients))


def _event(
    context: Context, request: Request, operation: str, version: int | None, patients: Sequence[int]
) -> audit.AuditEvent:
    return context.event(
        operation,
        200,
        resource_type=request.resource_type or None,
        resource_id=request.id or None,
        version=version,
        patients=patients,
    )


def _operation(name: str, levels: set[str], run: Any, *, affects_state: bool = False) -> Operation[Context]:
    url = f"http://hl7.org/fhir/OperationDefinition/Resource-{name}"
    return Operation(name, url, frozenset(levels), run, affects_state=affects_state)


META = _operation("meta", {"system", "type", "instance"}, meta)
META_ADD = _operation("meta-add", {"instance"}, meta_add, affects_state=True)
META_DELETE = _operation("meta-delete", {"instance"}, meta_delete, affects_state=True)
