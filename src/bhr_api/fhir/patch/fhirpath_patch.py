"""FHIRPath Patch: a Parameters resource of operations on elements (FHIR R4, fhirpatch.html)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bhr_api.errors import Issue
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.patch.element_paths import ElementPath
from bhr_api.fhir.patch.given_values import Fit, Given, fitted, given_in, present
from bhr_api.fhir.patch.located_resource import Home, LocatedResource, object_of
from bhr_api.fhir.patch.refusals import (
    KeptElements,
    inapplicable,
    malformed,
    refuse_depth,
    refuse_too_many,
    shown,
)
from bhr_api.fhir.validation import validate
from bhr_api.fhirpath.nodes import Node

MAX_WORK = 50_000_000
"""Characters of all paths times elements of the resource: what the evaluation of the paths can cost."""

# fhirpatch.html#concept: which parts each type of operation has.
_PARTS: Mapping[str, tuple[str, ...]] = {
    "add": ("path", "name", "value"),
    "insert": ("path", "index", "value"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}


@dataclass(frozen=True, slots=True)
class _Operation:
    type: str
    path: ElementPath
    place: str
    parts: Mapping[str, "_Part"]

    @property
    def name(self) -> str:
        return self.parts["name"].text

    @property
    def value(self) -> Given:
        return given_in(self.parts["value"].json, self.parts["value"].place)


@dataclass(frozen=True, slots=True)
class _Part:
    json: Mapping[str, Any]
    place: str

    @property
    def text(self) -> str:
        for key in ("valueString", "valueCode"):
            if key in self.json:
                return str(self.json[key])
        raise malformed("This part is a valueString or a valueCode.", self.place)

    @property
    def number(self) -> int:
        for key in ("valueInteger", "valueUnsignedInt", "valuePositiveInt"):
            if key in self.json and self.json[key] >= 0:
                return int(self.json[key])
        raise malformed("This part is a valueInteger of 0 or more.", self.place)


def apply_patch(resource: Resource, parameters: Any) -> Resource:
    """The resource after all operations of a FHIRPath Patch; `resource` stays as it is.

    Raises `MalformedRequestError` (400) for what is no such patch, `InvalidResourceError` (422) for one that does not
    apply: no element at a path or several, a value of the wrong type, a change of type, id, meta.versionId or
    meta.lastUpdated. The place told is a FHIRPath into the patch.
    """
    operations = _operations_of(parameters, resource["resourceType"])
    located = LocatedResource(resource)
    _refuse_work(operations, located.size)
    kept = KeptElements(resource)
    for operation in operations:
        _ACTS[operation.type](located, operation)
        kept.look(located.root, operation.place)
    kept.confirm()
    return located.resource


# Reading the patch


def _operations_of(parameters: Any, resource_type: str) -> list[_Operation]:
    if not isinstance(parameters, dict) or parameters.get("resourceType") != "Parameters":
        raise malformed("A FHIRPath Patch is a Parameters resource.", None)
    entries = parameters.get("parameter", [])
    refuse_too_many(len(entries) if isinstance(entries, list) else 0, "Parameters.parameter")
    _refuse_ill_formed(parameters)
    return [_operation(entry, f"Parameters.parameter[{at}]", resource_type) for at, entry in enumerate(entries)]


def _refuse_ill_formed(parameters: Resource) -> None:
    """Only shapes and types count here; what the values mean is decided where they are put."""
    issues = [each for each in validate(parameters, in_transaction=True) if each.code in ("structure", "value")]
    if issues:
        error = malformed(issues[0].diagnostics, issues[0].expression)
        error.issues = [Issue("error", each.code, each.diagnostics, each.expression) for each in issues]
        raise error


def _operation(entry: Mapping[str, Any], place: str, resource_type: str) -> _Operation:
    if entry.get("name") != "operation":
        raise malformed("Each parameter of a FHIRPath Patch is named operation.", f"{place}.name")
    parts: dict[str, _Part] = {}
    for index, json in enumerate(entry.get("part", ())):
        name, here = str(json.get("name")), f"{place}.part[{index}]"
        if name in parts:
            raise malformed(f"The part {shown(name)} is given twice.", here)
        parts[name] = _Part(json, here)
    operation_type = _type_of(parts, place)
    path = ElementPath(parts["path"].text, resource_type, parts["path"].place)
    operation = _Operation(operation_type, path, place, parts)
    _read_all(operation)
    return operation


def _type_of(parts: Mapping[str, _Part], place: str) -> str:
    if "type" not in parts:
        raise malformed("The operation has no type.", place)
    operation_type = parts["type"].text
    if operation_type not in _PARTS:
        raise malformed(f"type is one of {', '.join(_PARTS)}, not {shown(operation_type)}.", parts["type"].place)
    wanted = {"type", *_PARTS[operation_type]}
    for name, part in parts.items():
        if name not in wanted:
            raise malformed(f"{operation_type} has no part {shown(name)}.", part.place)
    for name in _PARTS[operation_type]:
        if name not in parts:
            raise malformed(f"{operation_type} needs the part {name}.", place)
    return operation_type


def _read_all(operation: _Operation) -> None:
    """So that a malformed patch is refused before its first operation is tried."""
    for name, part in operation.parts.items():
        if name == "value":
            given_in(part.json, part.place)
        elif name in ("index", "source", "destination"):
            _ = part.number
        else:
            _ = part.text


def _refuse_work(operations: list[_Operation], size: int) -> None:
    work = size * sum(len(operation.path.text) for operation in operations)
    if work > MAX_WORK:
        sentence = (
            "There are too many operations for a resource of this size; send them in several patches, or use PUT."
        )
        raise inapplicable(sentence, "Parameters.parameter", "too-costly")


# Acting


def _add(located: LocatedResource, operation: _Operation) -> None:
    node = _required(operation.path.node_in(located), operation)
    given = operation.value
    fit = fitted(given, node.type, operation.name)
    holder = object_of(node)
    if fit.element.max == 1 and present(holder, node.type, fit.element.name):
        raise inapplicable(f"{shown(operation.name)} is there already; use replace.", operation.place, "conflict")
    _refuse_deep(located, holder, fit, operation)
    located.insert(holder, node.type, fit.key, fit.content)


def _insert(located: LocatedResource, operation: _Operation) -> None:
    home = _list_at(located, operation)
    index = operation.parts["index"]
    if index.number > home.length:
        sentence = f"index is at most {home.length}, as many elements as the list has."
        raise inapplicable(sentence, index.place, "value")
    fit = fitted(operation.value, home.type, home.key)
    _refuse_deep(located, home.holder, fit, operation)
    located.insert(home.holder, home.type, fit.key, fit.content, index.number)


def _delete(located: LocatedResource, operation: _Operation) -> None:
    node = operation.path.node_in(located)
    # fhirpatch.html: "Except for the delete operation, it is an error if no element matches the specified path".
    if node is not None:
        located.remove(_home(located, node, operation))


def _replace(located: LocatedResource, operation: _Operation) -> None:
    home = _home(located, _required(operation.path.node_in(located), operation), operation)
    fit = fitted(operation.value, home.type, home.element.name)
    _refuse_deep(located, home.holder, fit, operation)
    located.replace(home, fit.key, fit.content)


def _move(located: LocatedResource, operation: _Operation) -> None:
    home = _list_at(located, operation)
    source, destination = operation.parts["source"], operation.parts["destination"]
    for index in (source, destination):
        if index.number >= home.length:
            raise inapplicable(f"The list has elements 0 to {home.length - 1} only.", index.place, "value")
    located.move(home, source.number, destination.number)


_ACTS: Mapping[str, Callable[[LocatedResource, _Operation], None]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}


def _required(node: Node | None, operation: _Operation) -> Node:
    if node is None:
        sentence = f"{shown(operation.path.text)} finds nothing to {operation.type}."
        raise inapplicable(sentence, operation.path.place, "not-found")
    return node


def _home(located: LocatedResource, node: Node, operation: _Operation) -> Home:
    home = located.home_of(node)
    if home is None:
        sentence = f"The path is the resource itself; a patch does not {operation.type} it, PUT or DELETE do."
        raise inapplicable(sentence, operation.path.place)
    return home


def _list_at(located: LocatedResource, operation: _Operation) -> Home:
    """The list that the path names: all its elements, and of no other list."""
    nodes = operation.path.nodes_in(located)
    if not nodes:
        sentence = f"{shown(operation.path.text)} finds no list; add makes its first element."
        raise inapplicable(sentence, operation.path.place, "not-found")
    homes = [_home(located, node, operation) for node in nodes]
    first = homes[0]
    if first.element.max == 1:
        raise inapplicable(f"{first.element.name} does not repeat; there is no list.", operation.path.place)
    if any(home.holder is not first.holder or home.key != first.key for home in homes):
        raise inapplicable("The path finds the elements of several lists.", operation.path.place, "multiple-matches")
    if len(nodes) != first.length:
        sentence = f"The path finds {len(nodes)} of the {first.length} elements of a list; name the whole list."
        raise inapplicable(sentence, operation.path.place)
    return first


def _refuse_deep(located: LocatedResource, holder: Resource, fit: Fit, operation: _Operation) -> None:
    levels = located.levels_above(holder) + (1 if fit.element.max != 1 else 0)
    for value in (fit.content.value, fit.content.companion):
        refuse_depth(value, levels, operation.place)
