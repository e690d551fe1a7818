"""One criterion of every kind of parameter by every prefix, modifier and operator, each as likely as the others (hypothesis).

What only few parameters have, as numbers have prefixes, is otherwise drawn a few times in thousands.
"""

from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

from tests.search.drawn_aims import aims, codes_by_kind
from tests.search.drawn_criteria import modified, values
from tests.search.drawn_filters import compared, operators_of, written
from tests.search.drawn_resources import TYPES
from tests.search.drawn_specials import near
from tests.search.drawn_values import picked
from tests.search.drawn_web import Web
from tests.search.reference_comparisons import OPERATORS
from tests.search.reference_parameters import parameter
from tests.search.reference_record import Caller
from tests.search.reference_values import PREFIXES, without_prefix

ORDERED = ("date", "number", "quantity")


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of parameter and how it is asked for: by a `prefix`, a `modifier` or an `operator` of `_filter`."""

    kind: str
    by: str
    name: str


def _cells() -> tuple[Cell, ...]:
    prefixes = [Cell(kind, "prefix", prefix) for kind in ORDERED for prefix in PREFIXES]
    operators = [Cell(kind, "operator", name) for kind, names in OPERATORS.items() for name in names]
    named = {(kind, name) for kind in OPERATORS for of_type in TYPES for name in _modifiers(of_type, kind)}
    every = (*prefixes, *operators, *(Cell(kind, "modifier", name) for kind, name in sorted(named)))
    # Two types have numbers, and one has composites, which not every caller may search; of tokens, not all have codes.
    rare = [one for one in every if one.kind in ("number", "quantity", "composite") or one.by == "modifier"]
    return (*every, *rare, *rare)


def _modifiers(resource_type: str, kind: str) -> set[str]:
    codes = codes_by_kind(resource_type).get(kind, [])
    return {"missing"}.union(*(modified(resource_type, code) for code in codes)) if codes else set()


@cache
def _places(cell: Cell) -> list[tuple[str, str]]:
    """The (type, parameter) that can be asked for so."""
    return [
        (resource_type, code)
        for resource_type in TYPES
        for code in codes_by_kind(resource_type).get(cell.kind, [])
        if cell.by != "modifier" or cell.name == "missing" or cell.name in modified(resource_type, code)
        if cell.by != "operator" or cell.name in operators_of(code, parameter(resource_type, code))
    ]


CELLS = _cells()


def of_a_cell(draw: st.DrawFn, web: Web, caller: Caller) -> tuple[str, tuple[str, str]] | None:
    """A type and a criterion on it of some cell; None where the caller may search no type that has it."""
    if caller.may_search("Location") and draw(st.integers(0, 19)) == 0:
        return "Location", _of_places(draw)
    cell = picked(draw, CELLS)
    places = [place for place in _places(cell) if caller.may_search(place[0])]
    if not places:
        return None
    resource_type, code = picked(draw, places)
    held = [one for one in web.of_type[resource_type] if code in aims(one)]
    is_aimed = draw(st.booleans())
    at = picked(draw, held) if held and is_aimed else None
    if cell.by == "operator":
        return resource_type, ("_filter", compared(draw, code, parameter(resource_type, code), cell.name, at))
    if cell.by == "prefix":
        value = picked(draw, aims(at)[code]) if at else draw(values(code, parameter(resource_type, code)))
        return resource_type, (code, cell.name + without_prefix(value)[1])
    value = (
        picked(draw, ("true", "false")) if cell.name == "missing" else draw(modified(resource_type, code)[cell.name])
    )
    return resource_type, (f"{code}:{cell.name}", value)


def _of_places(draw: st.DrawFn) -> tuple[str, str]:
    if draw(st.booleans()):
        return draw(near())
    value = draw(near().filter(lambda pair: "," not in pair[1]))[1]
    return "_filter", f"near eq {written(draw, value)}"
