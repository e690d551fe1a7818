"""Subsetting (FHIRPath N1, http://hl7.org/fhirpath/N1/#subsetting)."""

from bhr_api.fhirpath.functions.registry import argument, function, integer_of
from bhr_api.fhirpath.nodes import EMPTY, Evaluate, Nodes, Scope, identities, identity_of, singleton


@function("first")
def _first() -> Evaluate:
    return lambda focus, _scope: focus[:1]


@function("last")
def _last() -> Evaluate:
    return lambda focus, _scope: focus[-1:]


@function("tail")
def _tail() -> Evaluate:
    return lambda focus, _scope: focus[1:]


@function("single")
def _single() -> Evaluate:
    def evaluate(focus: Nodes, _scope: Scope) -> Nodes:
        singleton(focus)
        return focus

    return evaluate


@function("skip", 1)
def _skip(number: Evaluate) -> Evaluate:
    return lambda focus, scope: focus[max(0, integer_of(argument(number, scope)) or 0) :]


@function("take", 1)
def _take(number: Evaluate) -> Evaluate:
    return lambda focus, scope: focus[: max(0, integer_of(argument(number, scope)) or 0)]


@function("intersect", 1)
def _intersect(other: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        if not focus:
            return EMPTY
        theirs = identities(argument(other, scope))
        ours = {identity_of(node): node for node in reversed(focus)}
        return [ours[key] for key in reversed(ours) if key in theirs]

    return evaluate


@function("exclude", 1)
def _exclude(other: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        theirs = identities(argument(other, scope))
        return [node for node in focus if identity_of(node) not in theirs]

    return evaluate
