"""The order that _sort asks for, over resources in memory (FHIR R4, search.html#sort; docs/search.md, "The answer").

A missing value comes first ascending and last descending; of several values the smallest counts ascending and the
greatest descending. Strings are compared without case and accents, dates and quantities by where
they begin: `<10` before every number, and units are not converted.
"""

from fractions import Fraction
from typing import Any

from tests.search.reference_matching import folded, intervals_of, strings_of, tokens_of
from tests.search.reference_parameters import parameter
from tests.search.reference_paths import Parameter, Resource
from tests.search.reference_record import SeenRecord
from tests.search.reference_values import span

Key = tuple[bool, Any]


def sort_keys(record: SeenRecord, resource: Resource, sort: str) -> list[tuple[Key, bool]]:
    """For each key of `sort` the resource's (present, value), and whether it is descending."""
    return [(_key(record, resource, one.removeprefix("-"), one[0] == "-"), one[0] == "-") for one in sort.split(",")]


def in_order(first: list[tuple[Key, bool]], second: list[tuple[Key, bool]]) -> bool:
    """Whether a resource with the keys `first` may come before one with the keys `second`."""
    for (one, descending), (other, _) in zip(first, second, strict=True):
        if one != other:
            return bool(one > other) if descending else bool(one < other)
    return True


def _key(record: SeenRecord, resource: Resource, name: str, descending: bool) -> Key:
    asked = parameter(resource["resourceType"], name)
    values = [value for element in record.elements(asked, resource) for value in _values(record, asked, element)]
    if not values:
        return False, None
    return True, max(values) if descending else min(values)


def _values(record: SeenRecord, asked: Parameter, element: Any) -> list[Any]:
    if asked.kind == "string":
        return [folded(text) for text in strings_of(element)]
    if asked.kind == "token":
        return [code for _, code in tokens_of(asked, element) if code is not None]
    if asked.kind == "date":
        return [start for start, _ in intervals_of(element)]
    if asked.kind == "number":
        return [Fraction(str(element))]
    if asked.kind == "quantity":
        return [span(element["value"], element.get("comparator")).low] if "value" in element else []
    if asked.kind == "reference":
        text = element if isinstance(element, str) else record.local(element.get("reference", ""))
        return [text] if text else []
    return [element]
