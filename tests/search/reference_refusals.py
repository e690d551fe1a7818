"""Which queries are refused: for what the caller may not search, and for terms that nobody can tell (FHIR R4, search.html).

A parameter behind links, or in a `_filter`, means something if it does on some type that the links lead to.
"""

from collections.abc import Callable, Iterator, Sequence

from tests.search.reference_comparisons import MODIFIERS, OF_SPECIALS, OPERATORS
from tests.search.reference_filter import Compared, Denied, Joined, Step, Term, read_filter
from tests.search.reference_matching import split, unescaped
from tests.search.reference_parameters import OF_EVERY_TYPE, PARAMETERS
from tests.search.reference_paths import Parameter
from tests.search.reference_record import Caller
from tests.search.reference_terminology import Terminology

MaySearch = Callable[[str], bool]


class NotAllowedError(Exception):
    """The query goes through a type that the caller may not search."""


class UnknownTermsError(Exception):
    """The query names a value set, or asks for the hierarchy of a code, that the caller may not read."""


def require(caller: Caller, resource_type: str, name: str, value: str) -> None:
    """Raises KeyError for a parameter or chain of no meaning, NotAllowedError for one that is not for the caller."""
    if not leads(resource_type, name, value, lambda _: True):
        raise KeyError(name)
    if not leads(resource_type, name, value, caller.may_search):
        raise NotAllowedError(name)


def leads(resource_type: str, name: str, value: str, may_search: MaySearch) -> bool:
    """Whether the name, a parameter at the end of no link or many, means something on the type to who may search so."""
    if name.startswith("_has:"):
        _, referrer, back, rest = name.split(":", 3)
        asked = known(referrer, back)
        return (
            asked is not None
            and resource_type in asked.targets
            and may_search(referrer)
            and leads(referrer, rest, value, may_search)
        )
    head, dot, rest = name.partition(".")
    if not dot:
        return _means(resource_type, name, value, may_search)
    asked = known(resource_type, head.partition(":")[0])
    return asked is not None and any(
        may_search(target) and leads(target, rest, value, may_search) for target in targets(asked, head)
    )


def _means(resource_type: str, name: str, value: str, may_search: MaySearch) -> bool:
    if name == "_filter":
        return _passes(resource_type, read_filter(value), may_search)
    if name == "_list":
        return may_search("List")
    if name == "near":
        return resource_type == "Location"
    return name in ("_text", "_content") or known(resource_type, name.partition(":")[0]) is not None


def _passes(resource_type: str, term: Term, may_search: MaySearch) -> bool:
    return all(_compares(resource_type, one.path, one.operator, may_search) for one in comparisons_of(term))


def _compares(resource_type: str, path: Sequence[Step], operator: str, may_search: MaySearch) -> bool:
    step, *rest = path
    if rest:
        asked = known(resource_type, step.name)
        return asked is not None and any(leads_on(target, step, rest, operator, may_search) for target in asked.targets)
    asked = known(resource_type, step.name)
    operators = OF_SPECIALS.get(step.name) or (OPERATORS[asked.kind] if asked else ())
    return operator in operators and _means(resource_type, step.name, "", may_search)


def leads_on(target: str, step: Step, rest: Sequence[Step], operator: str, may_search: MaySearch) -> bool:
    """Whether a filter's path goes on through a type: what is in brackets and what comes then mean something on it."""
    return (
        may_search(target)
        and (step.narrowed is None or _passes(target, step.narrowed, may_search))
        and _compares(target, rest, operator, may_search)
    )


def comparisons_of(term: Term) -> Iterator[Compared]:
    """The comparisons of a filter that are about the resource itself, not those in the brackets of paths."""
    if isinstance(term, Compared):
        yield term
    elif isinstance(term, Denied):
        yield from comparisons_of(term.term)
    elif isinstance(term, Joined):
        for one in (term.first, *(other for _, other in term.others)):
            yield from comparisons_of(one)


def known(resource_type: str, name: str) -> Parameter | None:
    """The parameter, if the type has it."""
    return OF_EVERY_TYPE.get(name) or PARAMETERS.get(resource_type, {}).get(name)


def targets(asked: Parameter, head: str) -> list[str]:
    """The types that the link `reference[:Type]` of a chain leads to."""
    only = head.partition(":")[2]
    return [target for target in asked.targets if not only or target == only]


def require_terms(terminology: Terminology, name: str, value: str) -> None:
    """Raises UnknownTermsError for a value set, or a code in a hierarchy, that is not there."""
    if name.rpartition(".")[2].rpartition(":")[2] == "_filter":
        asked = [(MODIFIERS.get(one.operator, ""), one.value) for one in _all_comparisons(read_filter(value))]
    else:
        asked = [(name.rpartition(":")[2], one) for one in split(value, ",")]
    for modifier, one in asked:
        system, *code = map(unescaped, split(one, "|"))
        unknown_set = modifier in ("in", "not-in") and not terminology.has_value_set(unescaped(one))
        unknown_code = modifier in ("above", "below") and code and not terminology.has_code(system, code[0])
        if unknown_set or unknown_code:
            raise UnknownTermsError(name)


def _all_comparisons(term: Term) -> Iterator[Compared]:
    for one in comparisons_of(term):
        yield one
        for step in one.path:
            if step.narrowed is not None:
                yield from _all_comparisons(step.narrowed)
