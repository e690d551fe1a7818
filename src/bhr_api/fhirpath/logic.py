"""Three-valued logic as closures over JSON elements (FHIRPath N1, http://hl7.org/fhirpath/N1/#boolean-logic).

None is the empty collection: a truth that is not known.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from bhr_api.fhir.definitions import Resource

Decide = Callable[[Any, Resource | None, Resource | None], bool | None]
"""(element, its resource, the root resource) -> the three-valued truth."""


def negation(decide: Decide) -> Decide:
    """`not()`."""

    def negated(element: Any, resource: Resource | None, root: Resource | None) -> bool | None:
        answer = decide(element, resource, root)
        return None if answer is None else not answer

    return negated


def conjunction(left: Decide, right: Decide) -> Decide:
    """`and`."""

    def both(element: Any, resource: Resource | None, root: Resource | None) -> bool | None:
        ours = left(element, resource, root)
        if ours is False:
            return False
        theirs = right(element, resource, root)
        return False if theirs is False else True if ours and theirs else None

    return both


def disjunction(left: Decide, right: Decide) -> Decide:
    """`or`."""

    def either(element: Any, resource: Resource | None, root: Resource | None) -> bool | None:
        ours = left(element, resource, root)
        if ours:
            return True
        theirs = right(element, resource, root)
        return True if theirs else None if ours is None or theirs is None else False

    return either


def exclusive(left: Decide, right: Decide) -> Decide:
    """`xor`."""

    def one(element: Any, resource: Resource | None, root: Resource | None) -> bool | None:
        ours, theirs = left(element, resource, root), right(element, resource, root)
        return None if ours is None or theirs is None else ours != theirs

    return one


def implication(left: Decide, right: Decide) -> Decide:
    """`implies`."""

    def follows(element: Any, resource: Resource | None, root: Resource | None) -> bool | None:
        ours = left(element, resource, root)
        if ours is False:
            return True
        theirs = right(element, resource, root)
        return True if theirs else False if ours and theirs is False else None

    return follows


def choice(criterion: Decide, then: Decide, instead: Decide) -> Decide:
    """`iif(criterion, then, instead)`."""

    def chosen(element: Any, resource: Resource | None, root: Resource | None) -> bool | None:
        return (then if criterion(element, resource, root) else instead)(element, resource, root)

    return chosen


CONNECTIVES: Mapping[str, Callable[[Decide, Decide], Decide]] = MappingProxyType(
    {"and": conjunction, "or": disjunction, "xor": exclusive, "implies": implication}
)
"""The operators whose operands and result are truths."""
