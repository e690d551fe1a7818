"""What FHIR R4 (4.0.1) defines: types, elements, value sets, search parameters, the Patient compartment.

The tables are built by tools/build_definitions.py from HL7's StructureDefinitions, ValueSets, SearchParameters and
CompartmentDefinitions (structuredefinition.html, valueset.html, searchparameter.html, compartmentdefinition.html).
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

Resource = dict[str, Any]
"""FHIR JSON as it came in."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """An invariant: a FHIRPath `expression` that must be true of the element (conformance-rules.html#constraints)."""

    key: str
    severity: str
    expression: str


@dataclass(frozen=True, slots=True)
class ElementDefinition:
    """One element of a type; `name` is as in FHIRPath (`value` for `value[x]`).

    `max` None is unbounded. `types` are FHIR type codes; a backbone's type is its path (`Observation.component`), also
    where R4 refers to another element's content. `targets` are the resource types that a Reference may name, () for
    any. `binding` is the value set that codes must come from. `constraints` are those that the types do not have.
    """

    name: str
    min: int
    max: int | None
    types: tuple[str, ...]
    is_choice: bool
    targets: tuple[str, ...]
    binding: str | None
    is_summary: bool
    is_modifier: bool
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter as it is for one resource type.

    `expression` holds only the alternatives of that type; it is "" for the few that have none (`_text`, `_content`,
    `_query`). `components` are (definition url, expression relative to each element of `expression`).
    """

    url: str
    code: str
    resource_type: str
    type: str
    expression: str
    targets: tuple[str, ...]
    components: tuple[tuple[str, str], ...]


def _table(name: str) -> dict[str, Any]:
    table: dict[str, Any] = json.loads(
        gzip.decompress(files(__package__).joinpath("tables", f"{name}.json.gz").read_bytes())
    )
    return table


_TYPES = _table("elements")

RESOURCE_TYPES: tuple[str, ...] = tuple(
    sorted(name for name, entry in _TYPES.items() if entry["kind"] == "resource" and not entry["abstract"])
)
# The number is stored in the database. R4 is closed, so the sorted list never changes; a test pins some of it.
RESOURCE_TYPE_NUMBERS: Mapping[str, int] = MappingProxyType(
    {name: number for number, name in enumerate(RESOURCE_TYPES, start=1)}
)
PRIMITIVE_TYPES: frozenset[str] = frozenset(name for name, entry in _TYPES.items() if entry["kind"] == "primitive-type")


def is_type(name: str) -> bool:
    """Whether `name` is a resource type, a data type or a backbone path."""
    return name in _TYPES


def is_resource_type(name: str) -> bool:
    """Whether `name` is a resource type, the abstract Resource and DomainResource included."""
    entry = _TYPES.get(name)
    return entry is not None and entry["kind"] == "resource"


def base_of(type_name: str) -> str | None:
    """The type that this one specializes (`Age` -> `Quantity`), None for Element and Resource. KeyError if unknown."""
    base: str | None = _TYPES[type_name]["base"]
    return base


@lru_cache(maxsize=1 << 14)
def is_subtype(type_name: str, ancestor: str) -> bool:
    """Whether `type_name` is `ancestor` or specializes it, directly or not."""
    current: str | None = type_name
    while current is not None and current != ancestor:
        current = base_of(current) if current in _TYPES else None
    return current is not None


@cache
def elements_of(type_name: str) -> Mapping[str, ElementDefinition]:
    """The elements of a resource type, data type or backbone path by name, in R4's order. KeyError if unknown."""
    elements: Mapping[str, Any] = _TYPES[type_name]["elements"]
    return MappingProxyType({name: _element(name, entry) for name, entry in elements.items()})


def _element(name: str, entry: Mapping[str, Any]) -> ElementDefinition:
    return ElementDefinition(
        name=name,
        min=entry.get("min", 0),
        max=entry.get("max", 1),
        types=tuple(entry["types"]),
        is_choice=entry.get("choice", False),
        targets=tuple(entry.get("targets", ())),
        binding=entry.get("binding"),
        is_summary=entry.get("summary", False),
        is_modifier=entry.get("modifier", False),
        constraints=_constraints(entry.get("constraints", ())),
    )


def _constraints(entries: Any) -> tuple[Constraint, ...]:
    return tuple(Constraint(*entry) for entry in entries)


@cache
def json_names(type_name: str) -> Mapping[str, tuple[ElementDefinition, str]]:
    """JSON property -> (element, type code): `valueQuantity` -> (value, `Quantity`). KeyError if unknown."""
    return MappingProxyType(
        {
            element.name + (code[0].upper() + code[1:] if element.is_choice else ""): (element, code)
            for element in elements_of(type_name).values()
            for code in element.types
        }
    )


@cache
def constraints_of(type_name: str) -> tuple[Constraint, ...]:
    """The invariants of every element of this type, those of its base types first. KeyError if unknown."""
    base = base_of(type_name)
    return (constraints_of(base) if base else ()) + _constraints(_TYPES[type_name]["constraints"])


def primitive_regex(type_name: str) -> str | None:
    """R4's regular expression for the text of a primitive (datatypes.html#primitive), None if it has none."""
    regex: str | None = _TYPES[type_name].get("regex")
    return regex


@cache
def _value_sets() -> Mapping[str, Mapping[str, list[str]]]:
    return _table("value_sets")


@cache
def value_set_codes(url: str) -> frozenset[tuple[str, str]] | None:
    """The (system, code) pairs of a value set that an element is bound to; None if HL7's code systems do not settle it.

    Not settled are those on languages, media types, currencies, units, LOINC and the like.
    """
    systems = _value_sets().get(url.partition("|")[0])
    if systems is None:
        return None
    return frozenset((system, code) for system, codes in systems.items() for code in codes)


def _search_parameter(code: str, resource_type: str, entry: Mapping[str, Any]) -> SearchParameter:
    return SearchParameter(
        url=entry["url"],
        code=code,
        resource_type=resource_type,
        type=entry["type"],
        expression=entry["expression"],
        targets=tuple(entry.get("targets", ())),
        components=tuple((url, expression) for url, expression in entry.get("components", ())),
    )


def _search_parameters() -> Mapping[str, Mapping[str, SearchParameter]]:
    table = _table("search_parameters")
    parameters: dict[str, Mapping[str, SearchParameter]] = {}
    for resource_type in RESOURCE_TYPES:
        entries = dict(table["Resource"])
        if is_subtype(resource_type, "DomainResource"):
            entries |= table["DomainResource"]
        entries |= table.get(resource_type, {})
        parameters[resource_type] = MappingProxyType(
            {code: _search_parameter(code, resource_type, entry) for code, entry in sorted(entries.items())}
        )
    return MappingProxyType(parameters)


SEARCH_PARAMETERS: Mapping[str, Mapping[str, SearchParameter]] = _search_parameters()
"""Resource type -> code -> parameter, those of Resource and DomainResource (`_id`, `_lastUpdated`, ...) included."""

COMPARTMENTS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        compartment: MappingProxyType({name: tuple(codes) for name, codes in members.items()})
        for compartment, members in _table("compartments").items()
    }
)
"""Compartment -> resource type -> the search parameters that put a resource into it (compartmentdefinition.html)."""

PATIENT_COMPARTMENT: Mapping[str, tuple[str, ...]] = COMPARTMENTS["Patient"]
"""Resource type -> search parameter codes; the Patient itself is also in its own compartment."""
