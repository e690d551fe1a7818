"""Texts of `_filter` of the whole grammar (hypothesis; FHIR R4, search_filter.html).

Half of the comparisons start from a resource, like other criteria, and the brackets of its paths from what they lead to.
They are functions of `draw`, not strategies: what is made for one value costs more than to draw it.
"""

import json
import re
from collections.abc import Sequence
from functools import cache

from hypothesis import strategies as st

from tests.search.drawn_aims import aims, codes_by_kind
from tests.search.drawn_criteria import values
from tests.search.drawn_specials import single_specials
from tests.search.drawn_values import CODES, STRINGS, SYSTEMS, URIS, Strategy, one, picked
from tests.search.drawn_web import LINKS, Web, key
from tests.search.reference_comparisons import OF_SPECIALS, OPERATORS
from tests.search.reference_matching import escaped, unescaped
from tests.search.reference_parameters import parameter
from tests.search.reference_paths import Parameter, Resource
from tests.search.reference_values import without_prefix

DEEPEST = 2
_PLAIN = re.compile(r'[^\s\])("\[]+')
_OF_CODES = ("ss", "sb", "in", "ni")
_VALUE_SETS = ("http://acme.example/vs/few", "http://acme.example/vs/whole", "ValueSet/few")


def filter_of(draw: st.DrawFn, web: Web, resource_type: str, *, only_common: bool = False) -> str:
    """A filter of resources of the type; `only_common`: by parameters that all types have."""
    return _terms(draw, web, resource_type, 0, only_common)


def filter_about(draw: st.DrawFn, web: Web, at: Resource) -> str:
    """A filter that begins with what the resource holds."""
    kind = at["resourceType"]
    first = _along(draw, web, kind, at, 0)
    form = draw(st.integers(0, 3))
    if form == 0:
        return f"{first} and not {_along(draw, web, kind, None, 1)}"
    return f"{first} and {_along(draw, web, kind, at, 1)}" if form == 1 else first


def _terms(draw: st.DrawFn, web: Web, resource_type: str, depth: int, only_common: bool) -> str:
    text = _term(draw, web, resource_type, depth, only_common)
    for _ in range(picked(draw, (0, 0, 1, 1, 2))):
        text += f" {picked(draw, ('and', 'or'))} {_term(draw, web, resource_type, depth, only_common)}"
    return text


def _term(draw: st.DrawFn, web: Web, resource_type: str, depth: int, only_common: bool) -> str:
    form = draw(st.integers(0, 9))
    if form == 0 and depth < DEEPEST:
        return f"({_terms(draw, web, resource_type, depth + 1, only_common)})"
    if form == 1 and depth < DEEPEST:
        return f"not {_term(draw, web, resource_type, depth + 1, only_common)}"
    at = picked(draw, web.of_type[resource_type]) if draw(st.booleans()) else None
    if only_common:
        return _comparison(draw, resource_type, at, only_common=True)
    return _along(draw, web, resource_type, at, depth)


def _along(draw: st.DrawFn, web: Web, resource_type: str, at: Resource | None, depth: int) -> str:
    """A comparison behind links, by which the resource leads on where there is one."""
    path, kind = "", resource_type
    for _ in range(picked(draw, (0, 0, 0, 1, 1, 2))):
        steps = [(step.removesuffix("*."), to) for step, to in web.links[key(at)] if step.endswith("*.")] if at else []
        if steps:
            name, at = picked(draw, steps)
            kind = at["resourceType"]
        elif at is None and LINKS[kind]:
            name, kind = picked(draw, LINKS[kind])
        else:
            break
        path += name
        if depth < DEEPEST and draw(st.integers(0, 2)) == 0:
            path += f"[{_comparison(draw, kind, at)}]"
        path += "."
    return path + _comparison(draw, kind, at)


def _comparison(draw: st.DrawFn, kind: str, at: Resource | None, *, only_common: bool = False) -> str:
    if draw(st.integers(0, 9)) == 0:
        name, value = draw(single_specials(kind))
        return f"{name} {picked(draw, OF_SPECIALS[name])} {written(draw, value)}"
    held = aims(at, only_common=only_common) if at is not None else {}
    by_kind = codes_by_kind(kind, only_common=only_common)
    codes = picked(draw, list(by_kind.values()))
    code = picked(draw, [code for code in codes if code in held] or codes)
    asked = parameter(kind, code)
    return compared(draw, code, asked, picked(draw, operators_of(code, asked)), at if code in held else None)


def compared(draw: st.DrawFn, code: str, asked: Parameter, operator: str, at: Resource | None) -> str:
    """A comparison by the operator with what `at` holds, or with any value."""
    if at is None:
        value = draw(_values(code, asked, operator))
    else:
        value = _as_aimed(draw, asked, operator, picked(draw, aims(at)[code]))
    return f"{code} {operator} {written(draw, value)}"


def operators_of(code: str, asked: Parameter) -> Sequence[str]:
    """The operators that the parameter takes, of those that find something in what is drawn."""
    operators = OF_SPECIALS.get(code) or OPERATORS[asked.kind]
    if code == "deceased":
        # What the index holds as hashes only has no parts, and no other values (docs/search.md says so of conditions).
        return ("eq", "pr")
    if asked.kind == "token" and asked.form not in ("concept", "coding"):
        return [one for one in operators if one not in _OF_CODES]
    return operators


@cache
def _values(code: str, asked: Parameter, operator: str) -> Strategy[str]:
    """A value that the operator takes of the parameter."""
    if operator == "pr":
        return one(("true", "false", "TRUE"))
    if operator in ("in", "ni"):
        return one(_VALUE_SETS)
    if operator in ("ss", "sb"):
        return st.builds("{}|{}".format, one(SYSTEMS), one(CODES).map(escaped))
    if operator in ("co", "sw", "ew") or asked.kind == "string":
        return one(_parts(asked, operator))
    value = values(code, asked)
    if asked.kind in ("date", "number", "quantity"):
        return value.map(lambda text: without_prefix(text)[1])
    return value if asked.kind in ("token", "composite") else value.map(unescaped)


def _as_aimed(draw: st.DrawFn, asked: Parameter, operator: str, aimed: str) -> str:
    """The value of a search, `aimed`, as the operator takes it; another where it takes none of what is held."""
    if operator == "pr" or operator in _OF_CODES or (operator in ("co", "sw", "ew") and "|" in aimed):
        return draw(_values("", asked, operator))
    if asked.kind in ("token", "composite", "quantity") and operator not in ("co", "sw", "ew"):
        return aimed
    return unescaped(aimed)


def _parts(asked: Parameter, operator: str) -> list[str]:
    """Pieces of what is stored, in another case now and then: beginnings, ends and middles."""
    texts = {"string": STRINGS, "uri": URIS}.get(asked.kind, CODES)
    pieces = {
        text[start:end] if operator != "ew" else text[-end:]
        for text in texts
        for start in ((0,) if operator in ("sw", "eq") else (0, 1))
        for end in (1, 3, 8, 40)
    }
    # In a token a bar would part system and code, and a backslash escape.
    plain = [piece for piece in pieces if piece.strip() and not (asked.kind == "token" and set(piece) & set("|$\\"))]
    return sorted({form for piece in plain for form in (piece, piece.upper(), piece.lower())})


def written(draw: st.DrawFn, value: str) -> str:
    """The value as JSON or, where it can be, as it is."""
    form = draw(st.integers(0, 3))
    if form <= 1 and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=form == 2)
