"""HL7's R4 examples of behavioral health, and a walk over every element of a resource with its type."""

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bhr_api.fhir.definitions import Constraint, Resource, constraints_of, json_names

SHARED = Path(__file__).parents[2] / "../shared/fhir/r4"


@cache
def _examples() -> tuple[Resource, ...]:
    path = SHARED / "examples-behavioral-health.ndjson.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines()
    return tuple(json.loads(line, parse_float=Decimal) for line in lines)


def official_examples() -> tuple[Resource, ...]:
    """The examples; the calling test is skipped where the shared folder is absent."""
    if not SHARED.exists():
        pytest.skip("the published R4 examples are not here (../shared/fhir/r4)")
    return _examples()


class Element(NamedTuple):
    """An element where it stands: in `resource`, which is `root` or is contained in it."""

    type_name: str
    value: Any
    companion: Any
    constraints: tuple[Constraint, ...]
    root: Resource
    resource: Resource
    path: str


def elements_in(root: Resource) -> Iterator[Element]:
    """Every element of a resource, itself first; the resource of a bundle entry is a root of its own."""
    name = root["resourceType"]
    yield from _walk(Element(name, root, None, constraints_of(name), root, root, f"{name}/{root.get('id')}"))


def _walk(element: Element) -> Iterator[Element]:
    yield element
    data = element.value if isinstance(element.value, dict) else element.companion
    for key, (definition, code) in json_names(element.type_name).items() if data else ():
        for value, companion in _occurrences(data.get(key), data.get(f"_{key}")):
            name, root, resource = code, element.root, element.resource
            if code == "Resource":
                name, resource = value["resourceType"], value
                root = root if key == "contained" else value
            rules = (*constraints_of(name), *definition.constraints)
            yield from _walk(Element(name, value, companion, rules, root, resource, f"{element.path}.{key}"))


def _occurrences(value: Any, companion: Any) -> Iterator[tuple[Any, Any]]:
    values = value if isinstance(value, list) else [value]
    companions = companion if isinstance(companion, list) else [companion]
    for item, beside in zip_longest(values, companions):
        if item is not None or beside is not None:
            yield item, beside
