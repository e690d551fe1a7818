"""JSON Patch (RFC 6902) of a resource (FHIR R4, http.html#patch, `application/json-patch+json`).

Written here and not left to the package `jsonpatch`: that one's messages repeat what is stored, and it copies without
bound. docs/patch.md has the rules.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.json_text import dumps
from bhr_api.fhir.patch.json_pointer import NoSuchPlaceError, Tokens, child_of, index_of, text_of, tokens_of, value_at
from bhr_api.fhir.patch.json_values import copied, same_json
from bhr_api.fhir.patch.refusals import (
    KeptElements,
    inapplicable,
    malformed,
    refuse_depth,
    refuse_too_many,
    shown,
)

MAX_COPIED_BYTES = 4_000_000
"""How much JSON all copy operations of a patch may add: copying what was copied doubles it each time."""


@dataclass(frozen=True, slots=True)
class _Operation:
    name: str
    path: Tokens
    source: Tokens
    value: Any
    place: str


def apply_patch(resource: Resource, document: Any) -> Resource:
    """The resource after all operations of a JSON Patch document; `resource` stays as it is.

    Raises `MalformedRequestError` (400) for a document that is no JSON Patch, `InvalidResourceError` (422) for one that
    does not apply: a failed test, a place that is not there, a change of type, id, meta.versionId or meta.lastUpdated.
    The place told is a JSON pointer into the patch document.
    """
    operations = _operations_of(document)
    patching = _Patching(copied(resource))
    kept = KeptElements(resource)
    for operation in operations:
        try:
            _ACTS[operation.name](patching, operation)
        except NoSuchPlaceError as error:
            raise inapplicable(f"{operation.name}: {error}", operation.place, "not-found") from error
        kept.look(patching.document, operation.place)
    kept.confirm()
    patched: Resource = patching.document
    return patched


# Reading the document


def _operations_of(document: Any) -> list[_Operation]:
    if not isinstance(document, list):
        raise malformed("A JSON Patch is an array of operations (RFC 6902 §3).", None)
    refuse_too_many(len(document), None)
    return [_operation(entry, f"/{index}") for index, entry in enumerate(document)]


def _operation(entry: Any, place: str) -> _Operation:
    if not isinstance(entry, dict):
        raise malformed("An operation is an object with op and path (RFC 6902 §4).", place)
    name = entry.get("op")
    if not isinstance(name, str) or name not in _ACTS:
        raise malformed(f"op is one of {', '.join(_ACTS)}.", f"{place}/op" if "op" in entry else place)
    if name in ("add", "replace", "test") and "value" not in entry:
        raise malformed(f"{name} needs a value (RFC 6902 §4).", place)
    path = _pointer(entry, "path", name, place)
    source = _pointer(entry, "from", name, place) if name in ("move", "copy") else ()
    if name == "move" and source == path[: len(source)] and source != path:
        # RFC 6902 §4.4: "a location cannot be moved into one of its children."
        raise malformed("from stands above path; nothing can be moved into itself.", f"{place}/from")
    return _Operation(name, path, source, entry.get("value"), place)


def _pointer(entry: dict[str, Any], member: str, name: str, place: str) -> Tokens:
    text = entry.get(member)
    if not isinstance(text, str):
        raise malformed(f"{name} needs {member}, a JSON pointer in a string.", place)
    tokens = tokens_of(text)
    if tokens is None:
        sentence = f'{member} {shown(text)} is no JSON pointer: "" or "/" before each name, "~" written "~0".'
        raise malformed(sentence, f"{place}/{member}")
    return tokens


# Acting


class _Patching:
    """The document as far as it is patched, and how much may still be copied within it."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.may_copy_bytes = MAX_COPIED_BYTES

    def take(self, path: Tokens) -> Any:
        """Remove and give what is at `path`."""
        if not path:
            raise NoSuchPlaceError("The resource itself cannot be removed; DELETE it.")
        holder, above = value_at(self.document, path[:-1]), path[:-1]
        value = child_of(holder, path[-1], above)
        del holder[path[-1] if isinstance(holder, dict) else int(path[-1])]
        return value

    def put(self, path: Tokens, value: Any, place: str) -> None:
        """Set the member, or insert the item, at `path` (RFC 6902 §4.1)."""
        refuse_depth(value, len(path), place)
        if not path:
            self.document = value
            return
        holder, above, token = value_at(self.document, path[:-1]), path[:-1], path[-1]
        if isinstance(holder, dict):
            holder[token] = value
        elif isinstance(holder, list):
            # RFC 6901 §4: "-" is the place after the last item.
            holder.insert(len(holder) if token == "-" else index_of(token, len(holder), above), value)  # noqa: S105
        else:
            child_of(holder, token, above)

    def exchange(self, path: Tokens, value: Any, place: str) -> None:
        """Set the member or item at `path`, which must be there (RFC 6902 §4.3)."""
        refuse_depth(value, len(path), place)
        if not path:
            self.document = value
            return
        holder, above, token = value_at(self.document, path[:-1]), path[:-1], path[-1]
        child_of(holder, token, above)
        holder[token if isinstance(holder, dict) else int(token)] = value


def _add(patching: _Patching, operation: _Operation) -> None:
    patching.put(operation.path, copied(operation.value), operation.place)


def _remove(patching: _Patching, operation: _Operation) -> None:
    patching.take(operation.path)


def _replace(patching: _Patching, operation: _Operation) -> None:
    patching.exchange(operation.path, copied(operation.value), operation.place)


def _move(patching: _Patching, operation: _Operation) -> None:
    if operation.source == operation.path:
        value_at(patching.document, operation.path)
    else:
        patching.put(operation.path, patching.take(operation.source), operation.place)


def _copy(patching: _Patching, operation: _Operation) -> None:
    value = value_at(patching.document, operation.source)
    patching.may_copy_bytes -= len(dumps(value))
    if patching.may_copy_bytes < 0:
        sentence = f"The copy operations add more than {MAX_COPIED_BYTES:,} bytes; send the resource by PUT."
        raise inapplicable(sentence, operation.place, "too-costly")
    patching.put(operation.path, copied(value), operation.place)


def _test(patching: _Patching, operation: _Operation) -> None:
    # R4 http.html#patch: a failing test is answered with 422. What is stored instead is not told.
    if not same_json(value_at(patching.document, operation.path), operation.value):
        where = shown(text_of(operation.path)) if operation.path else "the top"
        raise inapplicable(f"test failed: the value at {where} is another one.", operation.place, "conflict")


_ACTS: dict[str, Callable[[_Patching, _Operation], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
