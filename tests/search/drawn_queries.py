"""Whole queries on a record, as some caller would ask them: chains, `_has`, includes and orders (hypothesis).

Half of the criteria start from a resource of the record, follow its references or what refers to it, and ask for what
is found at the end; the others are random.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

from tests.search.drawn_aims import aimed_criteria
from tests.search.drawn_criteria import criteria
from tests.search.drawn_resources import TYPES
from tests.search.drawn_values import BASE_URL, IDS, Strategy, Value, one
from tests.search.reference_parameters import OF_EVERY_TYPE, PARAMETERS, parameter
from tests.search.reference_paths import Resource
from tests.search.reference_record import Caller, SeenRecord

Pair = tuple[str, str]
LONGEST_CHAIN = 3


@dataclass(frozen=True, slots=True)
class Query:
    """Who asks for what: the type, the criteria, `_sort` ("" for none), and `_include` and `_revinclude`."""

    caller: Caller
    resource_type: str
    criteria: tuple[Pair, ...]
    sort: str
    includes: tuple[Pair, ...]

    @property
    def parameters(self) -> list[Pair]:
        """All of it, as decoded (name, value) pairs."""
        sort = [("_sort", self.sort)] if self.sort else []
        return [*self.criteria, *sort, *self.includes]


def _links() -> dict[str, list[tuple[str, str]]]:
    """For each type the (name, target) of its reference parameters."""
    return {
        resource_type: [
            (name, target)
            for name, asked in of_type.items()
            for target in asked.targets
        ]
        for resource_type, of_type in PARAMETERS.items()
    }  # fmt: skip


LINKS = _links()
REFERRERS = {
    target: [(kind, name) for kind, links in LINKS.items() for name, to in links if to == target] for target in TYPES
}


@st.composite
def callers(draw: st.DrawFn) -> Caller:
    """Half of them see everything; the others some types, one patient's record, or a mixture."""
    form = draw(one(("all", "all", "all", "types", "patient", "mixed")))
    if form == "all":
        return Caller()
    types = draw(st.lists(one(TYPES), min_size=1, max_size=6, unique=True))
    if form == "types":
        return Caller(" ".join(f"system/{name}.rs" for name in ("Patient", *types)))
    patient = draw(one(IDS))
    if form == "patient":
        return Caller("patient/*.rs", patient)
    return Caller(" ".join(["patient/Patient.rs", *(f"{draw(_SIDES)}/{name}.rs" for name in types)]), patient)


_SIDES = one(("patient", "system"))


class Web:
    """The resources of a record and, for each, every link from it, with `*` in the place of a type, and where it leads."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        record = SeenRecord(resources, Caller(), BASE_URL)
        self.of_type = record.of_type
        self.links: dict[tuple[str, str], list[tuple[str, Resource]]] = defaultdict(list)
        for kind, links in LINKS.items():
            for name in dict.fromkeys(name for name, _ in links):
                for source in record.of_type[kind]:
                    for target in record.referred(parameter(kind, name), source):
                        self.links[key(source)].append((f"{name}*.", target))
                        self.links[key(target)].append((f"_has:{kind}:{name}:", source))


def key(resource: Resource) -> tuple[str, str]:
    return resource["resourceType"], resource["id"]


def _pick(draw: st.DrawFn, values: Sequence[Value]) -> Value:
    # By number: hypothesis describes what it draws from, and the description of a record is long.
    return values[draw(st.integers(0, len(values) - 1))]


def queries_on(record: Sequence[Resource]) -> Strategy[Query]:
    """A query on the record."""
    return _queries(Web(record))


@st.composite
def _queries(draw: st.DrawFn, web: Web) -> Query:
    caller = draw(callers())
    resource_type = draw(one([name for name in TYPES if caller.may_search(name)]))
    asked = []
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 2, 3)))):
        asked.append(draw(_aimed(web, resource_type)) if draw(st.booleans()) else draw(_random(resource_type)))
    sort = draw(_sorts(resource_type)) if draw(st.integers(0, 2)) == 0 else ""
    includes = draw(st.lists(_includes(resource_type), max_size=3)) if draw(st.integers(0, 3)) == 0 else []
    return Query(caller, resource_type, tuple(asked), sort, tuple(includes))


@st.composite
def _random(draw: st.DrawFn, resource_type: str) -> Pair:
    """A criterion behind as many random links as may be."""
    path, kind = "", resource_type
    for _ in range(draw(st.sampled_from((0, 0, 1, 1, 2, LONGEST_CHAIN)))):
        if REFERRERS[kind] and (not LINKS[kind] or draw(st.integers(0, 2)) == 0):
            kind, name = draw(one(REFERRERS[kind]))
            path += f"_has:{kind}:{name}:"
        elif LINKS[kind]:
            name, kind = draw(one(LINKS[kind]))
            path += name + draw(st.sampled_from((f":{kind}.", ".")))
    code = draw(one(sorted({*PARAMETERS[kind], *OF_EVERY_TYPE})))
    name, value = draw(criteria(kind, code))
    return path + name, value


@st.composite
def _aimed(draw: st.DrawFn, web: Web, resource_type: str) -> Pair:
    """A criterion about what the start holds, or what lies at the end of links from it."""
    path, at = "", _pick(draw, web.of_type[resource_type])
    for _ in range(draw(st.sampled_from((0, 1, 1, 2, LONGEST_CHAIN)))):
        if not web.links[key(at)]:
            break
        step, at = _pick(draw, web.links[key(at)])
        path += step.replace("*", draw(st.sampled_from(("", f":{at['resourceType']}"))))
    name, value = draw(aimed_criteria(at))
    return path + name, value


@cache
def _sorts(resource_type: str) -> Strategy[str]:
    of_type = {**OF_EVERY_TYPE, **PARAMETERS[resource_type]}
    # docs/search.md: composites have no order, and deceased is a condition, whose values do not stand in the resource.
    names = sorted(name for name, asked in of_type.items() if asked.kind != "composite" and name != "deceased")
    key = st.builds(str.__add__, one(("", "-")), one(names))
    return st.lists(key, min_size=1, max_size=2, unique_by=lambda one: one.lstrip("-")).map(",".join)


@st.composite
def _includes(draw: st.DrawFn, resource_type: str) -> Pair:
    """An inclusion that the type's own links suggest, or, to be iterated, one of any type."""
    name = draw(one(("_include", "_revinclude")))
    if draw(st.integers(0, 5)) == 0:
        return "_include", "*"
    iterate = draw(st.booleans())
    kind = draw(one(TYPES)) if iterate and draw(st.booleans()) else resource_type
    links = [(kind, *link) for link in LINKS[kind]] if name == "_include" else [
        (source, back, kind) for source, back in REFERRERS[kind]
    ]  # fmt: skip
    if not links:
        return "_include", "*"
    source, code, target = draw(st.sampled_from(links))
    return name + (":iterate" if iterate else ""), f"{source}:{code}" + draw(st.sampled_from(("", f":{target}")))
