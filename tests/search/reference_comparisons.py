"""What `_filter` compares at the end of a path (FHIR R4, search_filter.html; docs/search.md, "_filter").

A comparison is about the set of the elements there, and holds if it holds of one. `ni` and `pr false`, which hold if it is so
of none, are asked by their opposites.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tests.search.reference_matching import (
    element_matches,
    folded,
    intervals_of,
    strings_of,
    token_matches,
    tokens_of,
)
from tests.search.reference_paths import Parameter
from tests.search.reference_terminology import Terminology
from tests.search.reference_values import interval

_TEXTUAL = ("eq", "ne", "co", "sw", "ew", "pr")
_ORDERED = ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr")
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "string": _TEXTUAL,
    "uri": _TEXTUAL,
    "token": (*_TEXTUAL, "ss", "sb", "in", "ni"),
    "reference": ("eq", "re", "ne", "pr"),
    "date": (*_ORDERED, "po"),
    "number": _ORDERED,
    "quantity": _ORDERED,
    "composite": ("eq", "pr"),
}
OF_SPECIALS: Mapping[str, tuple[str, ...]] = {
    "_id": _TEXTUAL,
    "_text": ("co", "eq"),
    "_content": ("co", "eq"),
    "_list": ("eq",),
    "near": ("eq",),
}
# ss: "the value subsumes a concept in the set"; sb: it "is subsumed by a concept in the set".
MODIFIERS = {"ss": "below", "sb": "above", "in": "in", "ni": "in"}

_IN_PART: Mapping[str, Callable[[str, str], bool]] = {
    "co": lambda held, wanted: wanted in held,
    "sw": str.startswith,
    "ew": str.endswith,
    "eq": str.__eq__,
    "ne": str.__ne__,
}


def compares(
    asked: Parameter, element: Any, operator: str, value: str, now: datetime, terminology: Terminology
) -> bool:
    """Whether the element, of a parameter that is neither a reference nor a composite, is as compared."""
    if asked.kind == "string":
        return any(_IN_PART[operator](folded(text), folded(value)) for text in strings_of(element))
    if asked.kind == "uri":
        return _compares_uri(element, operator, value)
    if asked.kind == "token":
        return _compares_token(asked, element, operator, value, now, terminology)
    if operator == "po":
        low, high = interval(value)
        return any(start < high and end > low for start, end in intervals_of(element))
    return element_matches(asked, element, operator + value, "", now, terminology)


def _compares_uri(held: str, operator: str, value: str) -> bool:
    if operator in ("co", "sw", "ew"):
        return _IN_PART[operator](folded(held), folded(value))
    return _IN_PART[operator](held, value)


def _compares_token(
    asked: Parameter, element: Any, operator: str, value: str, now: datetime, terminology: Terminology
) -> bool:
    tokens = tokens_of(asked, element)
    if operator in MODIFIERS:
        return element_matches(asked, element, value, MODIFIERS[operator], now, terminology)
    if operator in ("co", "sw", "ew"):
        return any(code is not None and _IN_PART[operator](folded(code), folded(value)) for _, code in tokens)
    # A CodeableConcept is equal by any of its codings.
    return any(token_matches(token, value, asked.system) for token in tokens) == (operator == "eq")
