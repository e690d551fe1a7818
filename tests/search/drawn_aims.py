"""Criteria that ask for what a resource holds, and mostly find it (hypothesis)."""

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.search.drawn_values import picked
from tests.search.reference_matching import escaped, strings_of, tokens_of
from tests.search.reference_parameters import OF_EVERY_TYPE, PARAMETERS, parameter
from tests.search.reference_paths import Parameter, Resource
from tests.search.reference_values import PREFIXES


@st.composite
def aimed_criteria(draw: st.DrawFn, resource: Resource) -> tuple[str, str]:
    """A criterion about something that the resource holds; with a prefix other than eq it may still not match."""
    return aimed_criterion(draw, resource)


def aimed_criterion(draw: st.DrawFn, resource: Resource) -> tuple[str, str]:
    """The same, as a function of `draw`."""
    held = aims(resource)
    by_kind = codes_by_kind(resource["resourceType"])
    kind = picked(draw, [kind for kind, codes in by_kind.items() if any(code in held for code in codes)])
    code = picked(draw, [code for code in by_kind[kind] if code in held])
    text = picked(draw, held[code])
    return code, picked(draw, ("", *PREFIXES)) + text if kind in _ORDERED else text


def aims(resource: Resource, *, only_common: bool = False) -> dict[str, list[str]]:
    """For each parameter, or each that all types have, the values without prefix that ask for what the resource holds."""
    of_type = OF_EVERY_TYPE if only_common else {**OF_EVERY_TYPE, **PARAMETERS[resource["resourceType"]]}
    found = ((code, _aim(asked, resource)) for code, asked in sorted(of_type.items()))
    return {code: values for code, values in found if values}


@cache
def codes_by_kind(resource_type: str, *, only_common: bool = False) -> dict[str, list[str]]:
    """The parameters of the type by their kind, so that what is rare, as number and composite, is not rarely drawn."""
    found: dict[str, list[str]] = defaultdict(list)
    for code in sorted({*OF_EVERY_TYPE, *(() if only_common else PARAMETERS[resource_type])}):
        found[parameter(resource_type, code).kind].append(code)
    return dict(found)


_ORDERED = ("date", "number", "quantity")


def _aim(asked: Parameter, resource: Resource) -> list[str]:
    """Values, without prefix, that ask for what the parameter finds in the resource."""
    if asked.kind == "composite":
        first, second = asked.parts
        return [
            f"{one}${other}"
            for element in asked.elements(resource)
            for one in _aim(first, element)
            for other in _aim(second, element)
        ]
    return [text for element in asked.elements(resource) for text in _AIMS[asked.kind](asked, element)]


def _aim_at_token(asked: Parameter, element: Any) -> list[str]:
    found = []
    for system, code in tokens_of(asked, element):
        text = escaped(code or "")
        found += [text, f"{system}|{text}", f"{system}|"] if system else [text]
    return [text for text in found if text]


def _aim_at_reference(asked: Parameter, element: Any) -> list[str]:
    if isinstance(element, str):
        return [element, element.partition("|")[0]]
    literal = element.get("reference", "").removesuffix("/_history/2")
    if asked.only and f"{asked.only}/" not in literal:
        return []
    if not literal.startswith("https://other.example/"):
        return [literal, literal.rpartition("/")[2]] if literal else []
    return [literal]


def _aim_at_date(_: Parameter, element: Any) -> list[str]:
    if isinstance(element, str):
        return [element, element[:10], element[:7], element[:4]]
    parts = element.get("repeat", {}).get("boundsPeriod", {}) if "repeat" in element else element
    return [*element.get("event", []), *(parts[end] for end in ("start", "end") if end in parts)]


def _aim_at_quantity(_: Parameter, element: Any) -> list[str]:
    number = str(element["value"])
    coded = "system" in element and "code" in element
    return [
        number,
        *([f"{number}|{element['system']}|{element['code']}"] if coded else []),
        *([f"{number}||{element['unit']}"] if "unit" in element else []),
    ]


_AIMS: dict[str, Callable[[Parameter, Any], list[str]]] = {
    "token": _aim_at_token,
    "reference": _aim_at_reference,
    "date": _aim_at_date,
    "quantity": _aim_at_quantity,
    "number": lambda _, element: [str(element)],
    "string": lambda _, element: [escaped(text) for text in strings_of(element)],
    "uri": lambda _, element: [element],
}
