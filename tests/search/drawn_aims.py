"""Criteria that ask for what a resource holds, and mostly find it (hypothesis)."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.search.drawn_criteria import escaped
from tests.search.drawn_values import Strategy, one
from tests.search.reference_matching import strings_of, tokens_of
from tests.search.reference_parameters import OF_EVERY_TYPE, PARAMETERS
from tests.search.reference_paths import Parameter, Resource
from tests.search.reference_values import PREFIXES


@st.composite
def aimed_criteria(draw: st.DrawFn, resource: Resource) -> tuple[str, str]:
    """A criterion about something that the resource holds; with a prefix other than eq it may still not match."""
    of_type = {**OF_EVERY_TYPE, **PARAMETERS[resource["resourceType"]]}
    held = {code: asked for code, asked in sorted(of_type.items()) if _aim(asked, resource)}
    kind = draw(st.sampled_from(sorted({asked.kind for asked in held.values()})))
    code = draw(st.sampled_from([code for code, asked in held.items() if asked.kind == kind]))
    text = draw(st.sampled_from(_aim(held[code], resource)))
    return code, draw(_prefixed(text)) if kind in _ORDERED else text


_ORDERED = ("date", "number", "quantity")


def _prefixed(text: str) -> Strategy[str]:
    return one(("", *PREFIXES)).map(lambda prefix: prefix + text)


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
