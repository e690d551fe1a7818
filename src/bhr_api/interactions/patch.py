"""patch and conditional patch: part of a resource is changed, the rest stays (FHIR R4, http.html#patch).

A patch document can ask what stands in a resource, by its tests and paths, so that it needs a scope to read as well.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bhr_api.errors import InvalidResourceError, Issue, MalformedRequestError, NotFoundError, UnsupportedMediaTypeError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource
from bhr_api.fhir.patch import fhirpath_patch, json_patch, merge_patch
from bhr_api.interactions.conditional import find, in_transaction
from bhr_api.interactions.context import Context
from bhr_api.interactions.read import not_found, require
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.interactions.sent_resources import check_resource, notes_on
from bhr_api.interactions.write import Change, Stored, allows_row, apply, of_write
from bhr_api.store import versions
from bhr_api.store.database import Connection

MAXIMUM_BYTES = 10_000_000
"""Of the patched resource, so that patch after patch does not grow it without bound."""

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
FHIRPATH_PATCH = "application/fhir+json"
_KINDS: Mapping[str, Callable[[Resource, Any], Resource]] = {
    JSON_PATCH: json_patch.apply_patch,
    MERGE_PATCH: merge_patch.apply_patch,
    FHIRPATH_PATCH: fhirpath_patch.apply_patch,
}
PATCH_TYPES = frozenset(_KINDS)
# What simple clients send says nothing of the kind; the document does.
PLAIN_JSON = "application/json"


class _Patch(NamedTuple):
    apply: Callable[[Resource, Any], Resource]
    document: Any


async def patch(context: Context, request: Request) -> Result:
    """Change the resource as the patch says; 200. Without an id in the address, the one that meets its criteria.

    Raises NotFoundError, VersionConflictError, InvalidResourceError, and MultipleMatchesError (412) where several meet them.
    """
    require_to_patch(context, request.resource_type)
    sent = _patch_in(request)
    if context.profiles is not None:
        await context.profiles.refresh()

    async def work(connection: Connection) -> Stored:
        return (await apply(context, connection, [await _patched(context, connection, request, sent)]))[0]

    return of_write(await in_transaction(context, work))


async def planned_patch(context: Context, connection: Connection, request: Request) -> Change:
    """The change that a transaction's entry asks for."""
    require_to_patch(context, request.resource_type)
    return await _patched(context, connection, request, _patch_in(request))


def require_to_patch(context: Context, resource_type: str) -> None:
    """Refuse the caller who may not update the type or may not read it. Raises ForbiddenError."""
    require(context, "u", resource_type, "patch")
    require(context, "r", resource_type, "patch")


async def _patched(context: Context, connection: Connection, request: Request, sent: _Patch) -> Change:
    """The change to the resource that is meant, whose row stays locked until the transaction ends."""
    id = request.id
    if not id:
        match = await find(context, connection, request.resource_type, request.parameters)
        if match is None:
            raise NotFoundError(f"No {request.resource_type} meets the criteria, so there is nothing to patch.")
        id = match.id
    resource_type = request.resource_type
    key = (RESOURCE_TYPE_NUMBERS[resource_type], id)
    current = (await versions.lock(connection, context.tenant, [key])).get(key)
    if current is None or not await allows_row(context, connection, resource_type, "ur", current):
        raise not_found(resource_type, id)
    before = json_text.parse(current.body)
    after = sent.apply(before, sent.document)
    _keep_narrative_safe(before, after)
    body = json_text.dumps(after)
    if len(body) > MAXIMUM_BYTES:
        raise InvalidResourceError(
            [
                Issue(
                    "error",
                    "too-long",
                    f"The patched resource has {len(body)} bytes; at most {MAXIMUM_BYTES} are kept.",
                )
            ]
        )
    check_resource(after, resource_type)
    return Change("patch", resource_type, id, after, body, request.if_match, await notes_on(context, after))


def _patch_in(request: Request) -> _Patch:
    content_type = request.content_type
    if content_type not in PATCH_TYPES | {PLAIN_JSON}:
        raise UnsupportedMediaTypeError(
            f"{content_type[:100]!r} is no kind of patch; send {', '.join(sorted(PATCH_TYPES))}."
        )
    document = json_text.parse(request.body or b"")
    if content_type == PLAIN_JSON:
        is_parameters = isinstance(document, dict) and document.get("resourceType") == "Parameters"
        content_type = JSON_PATCH if isinstance(document, list) else FHIRPATH_PATCH if is_parameters else MERGE_PATCH
    return _Patch(_KINDS[content_type], document)


def _keep_narrative_safe(before: Resource, after: Resource) -> None:
    """http.html#patch: "the server SHALL ensure that the narrative in a resource is not clinically unsafe" afterwards.

    A narrative that was made from the data does not speak of what they are now, and is dropped; one that says more than the
    data must be patched with them.
    """
    text = after.get("text")
    if not isinstance(text, dict) or text != before.get("text") or _data(after) == _data(before):
        return
    if text.get("status") in ("generated", "extensions"):
        del after["text"]
    elif text.get("status") == "additional":
        sentence = "The narrative (text, status additional) may no longer fit; change or remove it in the same patch."
        raise InvalidResourceError([Issue("error", "business-rule", sentence, f"{after['resourceType']}.text")])


def _data(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name not in ("text", "meta")}


def take_patch(request: Request, place: str) -> None:
    """Take the patch of a bundle's entry: a Binary that holds it, or the Parameters of a FHIRPath Patch (http.html#patch)."""
    sent = request.resource
    match sent:
        case {"resourceType": "Parameters"}:
            request.content_type, request.body = FHIRPATH_PATCH, json_text.dumps(sent)
        case {"resourceType": "Binary", "contentType": str(content_type), "data": str(data)}:
            try:
                request.content_type, request.body = content_type, b64decode(data, validate=True)
            except Base64Error as error:
                raise MalformedRequestError(
                    f"{place}: the data of the Binary is no base64.", expression=f"{place}.resource.data"
                ) from error
        case _:
            raise MalformedRequestError(
                f"{place} has method PATCH; its resource is a Binary with contentType and data, or Parameters.",
                expression=f"{place}.resource",
            )
    request.resource = None
