"""Existence (FHIRPath N1, http://hl7.org/fhirpath/N1/#existence)."""

from bhr_api.fhirpath.functions.registry import Builder, argument, function
from bhr_api.fhirpath.nodes import FALSE, TRUE, Evaluate, Node, Nodes, Scope, boolean, identities, truth
from bhr_api.fhirpath.operators import distinct


@function("empty")
def _empty() -> Evaluate:
    return lambda focus, _scope: FALSE if focus else TRUE


@function("exists", 0, 1)
def _exists(criteria: Evaluate | None = None) -> Evaluate:
    if criteria is None:
        return lambda focus, _scope: TRUE if focus else FALSE
    return lambda focus, scope: boolean(
        any(truth(criteria([node], scope.at(node, index))) for index, node in enumerate(focus))
    )


@function("all", 1)
def _all(criteria: Evaluate) -> Evaluate:
    return lambda focus, scope: boolean(
        all(truth(criteria([node], scope.at(node, index))) for index, node in enumerate(focus))
    )


@function("not")
def _not() -> Evaluate:
    def evaluate(focus: Nodes, _scope: Scope) -> Nodes:
        value = truth(focus)
        return boolean(None if value is None else not value)

    return evaluate


def _every(wanted: bool) -> Builder:
    return lambda: lambda focus, _scope: boolean(all(node.value is wanted for node in focus))


def _some(wanted: bool) -> Builder:
    return lambda: lambda focus, _scope: boolean(any(node.value is wanted for node in focus))


function("allTrue")(_every(True))
function("allFalse")(_every(False))
function("anyTrue")(_some(True))
function("anyFalse")(_some(False))


def is_subset(part: Nodes, whole: Nodes) -> bool:
    """Whether every item of `part` equals one of `whole`."""
    return identities(part) <= identities(whole)


@function("subsetOf", 1)
def _subset_of(other: Evaluate) -> Evaluate:
    return lambda focus, scope: boolean(is_subset(focus, argument(other, scope)))


@function("supersetOf", 1)
def _superset_of(other: Evaluate) -> Evaluate:
    return lambda focus, scope: boolean(is_subset(argument(other, scope), focus))


@function("count")
def _count() -> Evaluate:
    return lambda focus, _scope: [Node("System.Integer", len(focus))]


@function("distinct")
def _distinct() -> Evaluate:
    return lambda focus, _scope: distinct(focus)


@function("isDistinct")
def _is_distinct() -> Evaluate:
    return lambda focus, _scope: boolean(len(identities(focus)) == len(focus))
