"""The elements of one name in an object, whatever their JSON: single, array, choice, with `_name` (FHIR R4, json.html)."""

from collections.abc import Callable, Sequence
from typing import Any

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, ElementDefinition, is_resource_type, json_names
from bhr_api.fhir.profiles.findings import Item

Reader = Callable[[Any], Sequence[Item]]
"""object -> its elements of one name."""

NO_ITEMS: Sequence[Item] = ()


def reader_of(element: ElementDefinition, type_name: str) -> Reader:
    """How the elements are read from an object of `type_name`."""
    if element.is_choice:
        return _choice(element, type_name)
    name, code = element.name, element.types[0]
    if code in PRIMITIVE_TYPES:
        return _primitive(name, code) if element.max == 1 else _primitives(name, code)
    is_resource = is_resource_type(code)
    return _complex(name, code, is_resource) if element.max == 1 else _complexes(name, code, is_resource)


def _primitive(name: str, code: str) -> Reader:
    beside = f"_{name}"

    def read(holder: Any) -> Sequence[Item]:
        value, companion = holder.get(name), holder.get(beside)
        return NO_ITEMS if value is None and companion is None else ((name, value, companion, code),)

    return read


def _primitives(name: str, code: str) -> Reader:
    beside = f"_{name}"

    def read(holder: Any) -> Sequence[Item]:
        values, companions = holder.get(name) or (), holder.get(beside) or ()
        count = max(len(values), len(companions))
        if not count:
            return NO_ITEMS
        filled = [*values, *([None] * (count - len(values)))]
        others = [*companions, *([None] * (count - len(companions)))]
        return [(f"{name}[{index}]", *pair, code) for index, pair in enumerate(zip(filled, others, strict=True))]

    return read


def _complex(name: str, code: str, is_resource: bool) -> Reader:
    def read(holder: Any) -> Sequence[Item]:
        value = holder.get(name)
        if value is None:
            return NO_ITEMS
        return ((name, value, None, value["resourceType"] if is_resource else code),)

    return read


def _complexes(name: str, code: str, is_resource: bool) -> Reader:
    def read(holder: Any) -> Sequence[Item]:
        values = holder.get(name)
        if values is None:
            return NO_ITEMS
        if is_resource:
            return [(f"{name}[{index}]", value, None, value["resourceType"]) for index, value in enumerate(values)]
        return [(f"{name}[{index}]", value, None, code) for index, value in enumerate(values)]

    return read


def _choice(element: ElementDefinition, type_name: str) -> Reader:
    codes = {name: code for name, (one, code) in json_names(type_name).items() if one.name == element.name}
    keys = {key: name for name in codes for key in (name, f"_{name}")}
    segments = {name: f"{element.name}.ofType({code})" for name, code in codes.items()}

    def read(holder: Any) -> Sequence[Item]:
        # An object has fewer members than most choices have types.
        for key in holder:
            if key in keys:
                name = keys[key]
                return ((segments[name], holder.get(name), holder.get(f"_{name}"), codes[name]),)
        return NO_ITEMS

    return read
