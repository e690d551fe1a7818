"""JSON merge patch (RFC 7386) of a resource (FHIR R4, http.html#patch, `application/merge-patch+json`).

A member of the patch replaces the resource's, null removes it, objects are merged, arrays are replaced as a whole.
"""

from typing import Any

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.json_text import MAX_DEPTH
from bhr_api.fhir.patch.json_values import copied, is_deeper
from bhr_api.fhir.patch.refusals import KeptElements, malformed


def apply_patch(resource: Resource, document: Any) -> Resource:
    """The resource merged with a patch document; `resource` stays as it is.

    Raises `MalformedRequestError` (400) for a document that is no object, and `InvalidResourceError` (422) for one that
    changes the type, id, meta.versionId or meta.lastUpdated. They may be repeated as they are.
    """
    if not isinstance(document, dict):
        # RFC 7386 §2: anything but an object would replace the whole resource.
        raise malformed("A merge patch of a resource is a JSON object (RFC 7386).", None)
    if is_deeper(document, MAX_DEPTH):
        raise malformed(f"The patch nests deeper than {MAX_DEPTH} levels.", None)
    kept = KeptElements(resource)
    patched: Resource = merged(resource, document)
    kept.look(patched, None)
    kept.confirm()
    return patched


def merged(target: Any, patch: Any) -> Any:
    """`target` after `patch`, both any JSON value, as the pseudocode of RFC 7386 §2 defines it; `target` is not changed."""
    if not isinstance(patch, dict):
        return copied(patch)
    if not isinstance(target, dict):
        target = {}
    # What the target has keeps its order; what is new follows.
    merged_members: dict[str, Any] = {}
    for name, value in target.items():
        if name not in patch:
            merged_members[name] = copied(value)
        elif patch[name] is not None:
            merged_members[name] = merged(value, patch[name])
    for name, value in patch.items():
        if name not in target and value is not None:
            merged_members[name] = merged(None, value)
    return merged_members
