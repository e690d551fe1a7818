"""Whole queries on a record, as some caller would ask them: chains, `_has`, includes and orders (hypothesis).

Half of the criteria start from a resource of the record, follow its references or what refers to it, and ask for what
is found at the end; the others are random.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from hypothesis import strategies as st

from tests.search.drawn_aims import aimed_criterion, aims, codes_by_kind
from tests.search.drawn_callers import callers
from tests.search.drawn_cells import of_a_cell
from tests.search.drawn_criteria import criteria
from tests.search.drawn_filters import filter_about, filter_of
from tests.search.drawn_resources import TYPES
from tests.search.drawn_specials import specials
from tests.search.drawn_values import REFERRED, Strategy, one, picked
from tests.search.drawn_web import LINKS, REFERRERS, Web, key
from tests.search.reference_compartment import COMPARTMENT
from tests.search.reference_parameters import OF_EVERY_TYPE, PARAMETERS
from tests.search.reference_record import Caller

Pair = tuple[str, str]
LONGEST_CHAIN = 3


@dataclass(frozen=True, slots=True)
class Query:
    """Who asks for what: the type, the criteria, `_sort` ("" for none), and `_include` and `_revinclude`.

    `address` is None for a search whose statement alone is asked; the others are asked as a client does. It is the type, a
    compartment's type (`Patient/p1/Goal`), or "" for the whole server, where `types` are the `_type`s, all if there are none.
    """

    caller: Caller
    resource_type: str
    criteria: tuple[Pair, ...]
    sort: str
    includes: tuple[Pair, ...]
    address: str | None = None
    types: tuple[str, ...] = ()

    @property
    def parameters(self) -> list[Pair]:
        """All of it, as decoded (name, value) pairs."""
        sort = [("_sort", self.sort)] if self.sort else []
        types = [("_type", ",".join(self.types))] if self.types else []
        return [*types, *self.criteria, *sort, *self.includes]


@st.composite
def queries_on(draw: st.DrawFn, record: Web) -> Query:
    """A query on the record."""
    return _FORMS[picked(draw, _NAMES)](draw, record)


def _of_type(draw: st.DrawFn, web: Web) -> Query:
    caller = draw(callers())
    return _asked(draw, web, caller, picked(draw, [name for name in _TYPES if caller.may_search(name)]))


def _of_cell(draw: st.DrawFn, web: Web) -> Query:
    """A search by one parameter, or one beside another criterion."""
    caller = draw(callers())
    found = of_a_cell(draw, web, caller)
    if found is None:
        return _of_type(draw, web)
    resource_type, criterion = found
    others = [_aimed(draw, web, resource_type)] if draw(st.integers(0, 3)) == 0 else []
    sort = draw(_sorts(resource_type)) if draw(st.integers(0, 2)) == 0 else ""
    return Query(caller, resource_type, (criterion, *others), sort, ())


def _of_client(draw: st.DrawFn, web: Web) -> Query:
    """A search of a type, which now and then is closed to the caller."""
    resource_type = picked(draw, _TYPES)
    return replace(_asked(draw, web, draw(callers()), resource_type), address=resource_type)


def _of_compartment(draw: st.DrawFn, web: Web) -> Query:
    resource_type, patient = picked(draw, sorted(COMPARTMENT)), picked(draw, REFERRED)
    asked = _asked(draw, web, draw(callers()), resource_type)
    # What a patient has is little: mostly it is asked for whole.
    criteria = asked.criteria[: picked(draw, (0, 0, 1))]
    return replace(asked, criteria=criteria, address=f"Patient/{patient}/{resource_type}")


def _of_system(draw: st.DrawFn, web: Web) -> Query:
    """A search of some types, or all that the caller may search, by what all types have."""
    caller = draw(callers())
    types = draw(st.lists(one([*TYPES, *filter(caller.may_search, TYPES)]), max_size=4, unique=True))
    kinds = types or [name for name in TYPES if caller.may_search(name)]
    asked = [_common(draw, web, picked(draw, kinds)) for _ in range(picked(draw, (0, 1, 2) if types else (1, 2)))]
    sort = picked(draw, ("", "", "_id", "-_id", "_lastUpdated,-_id"))
    return Query(caller, "", tuple(asked), sort, _some_includes(draw, kinds[0], 1), "", tuple(types))


_FORMS: Mapping[str, Callable[[st.DrawFn, Web], Query]] = {
    "type": _of_type, "cell": _of_cell, "client": _of_client, "compartment": _of_compartment, "system": _of_system,
}  # fmt: skip
_NAMES = ("type",) * 10 + ("cell",) * 7 + ("client", "compartment", "system")
# The types that alone have numbers, composites or places are drawn more often.
_TYPES = (
    *TYPES,
    "Observation",
    "Observation",
    "RiskAssessment",
    "RiskAssessment",
    "ChargeItem",
    "ChargeItem",
    "Location",
)


def _asked(draw: st.DrawFn, web: Web, caller: Caller, resource_type: str) -> Query:
    asked = []
    for _ in range(picked(draw, (1, 1, 1, 2, 2, 3))):
        asked.append(_aimed(draw, web, resource_type) if draw(st.booleans()) else _random(draw, web, resource_type))
    sort = draw(_sorts(resource_type)) if draw(st.integers(0, 2)) == 0 else ""
    return Query(caller, resource_type, tuple(asked), sort, _some_includes(draw, resource_type, 3))


def _some_includes(draw: st.DrawFn, resource_type: str, out_of: int) -> tuple[Pair, ...]:
    """Up to three inclusions, in one of `out_of` + 1 queries."""
    if draw(st.integers(0, out_of)):
        return ()
    return tuple(dict.fromkeys(_include(draw, resource_type) for _ in range(draw(st.integers(1, 3)))))


def _common(draw: st.DrawFn, web: Web, kind: str) -> Pair:
    """A criterion by what all types have, about a resource of the kind or random."""
    form = draw(st.integers(0, 9))
    if form <= 1:
        return draw(specials("Patient"))
    if form <= 3:
        return "_filter", filter_of(draw, web, kind, only_common=True)
    held = aims(picked(draw, web.of_type[kind]), only_common=True)
    if form <= 8:
        code = picked(draw, sorted(held))
        return code, picked(draw, held[code])
    return draw(criteria(kind, picked(draw, sorted(OF_EVERY_TYPE))))


def _random(draw: st.DrawFn, web: Web, resource_type: str) -> Pair:
    """A criterion behind as many random links as may be."""
    path, kind = "", resource_type
    for _ in range(picked(draw, (0, 0, 1, 1, 2, LONGEST_CHAIN))):
        if REFERRERS[kind] and (not LINKS[kind] or draw(st.integers(0, 2)) == 0):
            kind, name = picked(draw, REFERRERS[kind])
            path += f"_has:{kind}:{name}:"
        elif LINKS[kind]:
            name, kind = picked(draw, LINKS[kind])
            path += name + picked(draw, (f":{kind}.", "."))
    name, value = _at_the_end(draw, web, kind)
    return path + name, value


def _at_the_end(draw: st.DrawFn, web: Web, kind: str) -> Pair:
    form = draw(st.integers(0, 9))
    if form == 0:
        return draw(specials(kind))
    if form == 1:
        return "_filter", filter_of(draw, web, kind)
    codes = picked(draw, list(codes_by_kind(kind).values()))
    return draw(criteria(kind, picked(draw, codes)))


def _aimed(draw: st.DrawFn, web: Web, resource_type: str) -> Pair:
    """A criterion about what the start holds, or what lies at the end of links from it."""
    path, at = "", picked(draw, web.of_type[resource_type])
    for _ in range(picked(draw, (0, 1, 1, 2, LONGEST_CHAIN))):
        if not web.links[key(at)]:
            break
        step, at = picked(draw, web.links[key(at)])
        path += step.replace("*", picked(draw, ("", f":{at['resourceType']}")))
    if draw(st.integers(0, 4)) == 0:
        return path + "_filter", filter_about(draw, web, at)
    name, value = aimed_criterion(draw, at)
    return path + name, value


@cache
def _sorts(resource_type: str) -> Strategy[str]:
    of_type = {**OF_EVERY_TYPE, **PARAMETERS[resource_type]}
    # docs/search.md: composites have no order, and deceased is a condition, whose values do not stand in the resource.
    names = sorted(name for name, asked in of_type.items() if asked.kind != "composite" and name != "deceased")
    key = st.builds(str.__add__, one(("", "-")), one(names))
    return st.lists(key, min_size=1, max_size=2, unique_by=lambda one: one.lstrip("-")).map(",".join)


def _include(draw: st.DrawFn, resource_type: str) -> Pair:
    """An inclusion that the type's own links suggest, or, to be iterated, one of any type."""
    name = picked(draw, ("_include", "_revinclude"))
    if draw(st.integers(0, 5)) == 0:
        return "_include", "*"
    iterate = draw(st.booleans())
    kind = picked(draw, TYPES) if iterate and draw(st.booleans()) else resource_type
    links = [(kind, *link) for link in LINKS[kind]] if name == "_include" else [
        (source, back, kind) for source, back in REFERRERS[kind]
    ]  # fmt: skip
    if not links:
        return "_include", "*"
    source, code, target = picked(draw, links)
    if draw(st.integers(0, 7)) == 0:
        code = "*"
    return name + (":iterate" if iterate else ""), f"{source}:{code}" + picked(draw, ("", f":{target}"))
