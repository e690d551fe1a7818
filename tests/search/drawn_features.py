"""What a query makes use of, so that nothing of R4's search is silently never drawn: a table of names and counts."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.search.drawn_queries import Query
from tests.search.reference_comparisons import OF_SPECIALS, OPERATORS
from tests.search.reference_filter import Compared, Denied, Joined, Term, read_filter
from tests.search.reference_parameters import OF_EVERY_TYPE, PARAMETERS
from tests.search.reference_paths import Parameter
from tests.search.reference_record import Caller
from tests.search.reference_values import PREFIXES, without_prefix

ORDERED = ("date", "number", "quantity")
SPECIALS = ("_text", "_content", "_list", "near")
MODIFIERS = (
    "string:exact", "string:contains", "token:not", "token:text", "token:of-type", "token:in", "token:not-in", "token:above",
    "token:below", "uri:above", "uri:below", "reference:identifier", "reference:above", "reference:below", "reference:[type]",
)  # fmt: skip
CALLERS = (
    "everything", "user/", "one type", "patient/ without a patient", "patient/ alone", "patient/ beside others",
    "s without r", "r without s",
)  # fmt: skip


def _named() -> Iterator[str]:
    yield from (f"caller: {name}" for name in CALLERS)
    yield from (f"address: {name}" for name in ("statement", "type", "Patient/[id]/[type]", "server", "server?_type"))
    yield from (f"kind: {kind}" for kind in (*OPERATORS, *SPECIALS, "_filter"))
    yield from (f"modifier: {name}" for name in MODIFIERS)
    yield from (f"modifier: {kind}:missing" for kind in OPERATORS)
    yield from (f"prefix: {prefix} of {kind}" for kind in ORDERED for prefix in PREFIXES)
    yield from (f"code: {code}" for code in OF_EVERY_TYPE)
    yield from (
        f"links: {name}"
        for name in ("untyped", "typed", "several", "_has", "_has in _has", "_has behind", "before _has")
    )
    yield from ("several criteria", "several values", "several values behind links")
    yield from (f"sort: {kind}" for kind in OPERATORS if kind != "composite")
    yield from ("sort: descending", "sort: by two")
    for name in ("_include", "_revinclude"):
        yield from (f"{name}: {form}" for form in ("by one", "of one type", "by any", "iterated"))
    yield "_include: *"
    for kind, operators in OPERATORS.items():
        yield from (f"_filter: {kind} {operator}" for operator in operators)
    for code in SPECIALS:
        yield from (f"_filter: {code} {operator}" for operator in OF_SPECIALS[code])
    yield from (
        f"_filter: {form}" for form in ("and", "or", "and with or", "not", "brackets", "path", "path[...]", "links")
    )


FEATURES = tuple(_named())


def counts_of(queries: Iterable[Query]) -> Counter[str]:
    """How many of the queries make use of each feature, also of those that none does."""
    counts = Counter(dict.fromkeys(FEATURES, 0))
    for query in queries:
        counts.update(features_of(query))
    return counts


def features_of(query: Query) -> set[str]:
    """The features of one query."""
    found = {*_of_caller(query.caller), f"address: {_address(query)}", *_of_sort(query)}
    if len(query.criteria) > 1:
        found.add("several criteria")
    for name, value in query.criteria:
        found.update(_of_criterion(name, value))
    for name, value in query.includes:
        found.update(_of_include(name, value))
    return found & set(FEATURES)


def _of_caller(caller: Caller) -> Iterator[str]:
    words = caller.scope.split()
    contexts = {word.partition("/")[0] for word in words}
    letters = [word.rpartition(".")[2] for word in words]
    if caller == Caller():
        yield "caller: everything"
    if "user" in contexts:
        yield "caller: user/"
    if len(words) == 1 and "*" not in caller.scope:
        yield "caller: one type"
    if "patient" in contexts:
        beside = "alone" if contexts == {"patient"} else "beside others"
        yield "caller: patient/ " + ("without a patient" if caller.patient is None else beside)
    if any("s" in one and "r" not in one for one in letters):
        yield "caller: s without r"
    if any("r" in one and "s" not in one for one in letters):
        yield "caller: r without s"


def _address(query: Query) -> str:
    if query.address is None:
        return "statement"
    if not query.address:
        return "server?_type" if query.types else "server"
    return "Patient/[id]/[type]" if "/" in query.address else "type"


def _of_sort(query: Query) -> Iterator[str]:
    keys = query.sort.split(",") if query.sort else []
    if len(keys) > 1:
        yield "sort: by two"
    for key in keys:
        if key.startswith("-"):
            yield "sort: descending"
        yield f"sort: {_kind(key.removeprefix('-'))}"


def _kind(code: str) -> str:
    asked = _first(code)
    return asked.kind if asked is not None else code


def _first(code: str) -> Parameter | None:
    """What the code is of the first type that has it; of all that are here, a code is of one kind."""
    named = (of_type[code] for of_type in (OF_EVERY_TYPE, *PARAMETERS.values()) if code in of_type)
    return next(named, None)


def _of_criterion(name: str, value: str) -> Iterator[str]:
    links, end = _parted(name)
    yield from _of_links(links)
    code, _, modifier = end.partition(":")
    kind = _kind(code)
    yield f"kind: {kind}"
    yield f"code: {code}"
    if code == "_filter":
        yield from _of_filter(read_filter(value))
        if links:
            yield "_filter: links"
        return
    if "," in value.replace("\\,", ""):
        yield "several values behind links" if links else "several values"
    if modifier:
        yield f"modifier: {kind}:{'[type]' if modifier[0].isupper() else modifier}"
    elif kind in ORDERED and value[:2] in PREFIXES:
        yield f"prefix: {without_prefix(value)[0]} of {kind}"


def _parted(name: str) -> tuple[list[str], str]:
    """The links before a criterion's parameter, and the parameter with its modifier."""
    links: list[str] = []
    while True:
        if name.startswith("_has:"):
            links.append("_has")
            name = name.split(":", 3)[3]
        elif "." in name:
            link, _, name = name.partition(".")
            links.append("typed" if ":" in link else "untyped")
        else:
            return links, name


def _of_links(links: list[str]) -> Iterator[str]:
    yield from (f"links: {link}" for link in links)
    if len(links) > 1:
        yield "links: several"
    for one, other in itertools.pairwise(links):
        if one == other == "_has":
            yield "links: _has in _has"
        elif other == "_has":
            yield "links: _has behind"
        elif one == "_has":
            yield "links: before _has"


def _of_include(name: str, value: str) -> Iterator[str]:
    name, _, modifier = name.partition(":")
    if modifier:
        yield f"{name}: iterated"
    _, *rest = value.split(":")
    yield f"{name}: " + ("*" if value == "*" else "by any" if rest[0] == "*" else "by one")
    if len(rest) > 1:
        yield f"{name}: of one type"


def _of_filter(term: Term) -> Iterator[str]:
    if isinstance(term, Denied):
        yield "_filter: not"
        yield from _of_filter(term.term)
    elif isinstance(term, Joined):
        joints = {joint for joint, _ in term.others}
        yield from (f"_filter: {joint}" for joint in joints)
        if len(joints) > 1:
            yield "_filter: and with or"
        for one in (term.first, *(other for _, other in term.others)):
            if isinstance(one, Joined):
                yield "_filter: brackets"
            yield from _of_filter(one)
    else:
        yield from _of_comparison(term)


def _of_comparison(one: Compared) -> Iterator[str]:
    if len(one.path) > 1:
        yield "_filter: path"
    for step in one.path:
        if step.narrowed is not None:
            yield "_filter: path[...]"
            yield from _of_filter(step.narrowed)
    yield f"_filter: {_kind(one.path[-1].name)} {one.operator}"


def table_of(counts: Counter[str]) -> str:
    """The counts, a feature a line, the rarest first."""
    return "\n".join(
        f"{count:6} {feature}" for feature, count in sorted(counts.items(), key=lambda item: (item[1], item[0]))
    )
