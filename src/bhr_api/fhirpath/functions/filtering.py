"""Filtering and projection (FHIRPath N1, http://hl7.org/fhirpath/N1/#filtering-and-projection)."""

from bhr_api.fhirpath.errors import FHIRPathEvaluationError
from bhr_api.fhirpath.functions.registry import function
from bhr_api.fhirpath.nodes import EMPTY, Evaluate, Nodes, Scope, identity_of, truth

# A repetition over a finite tree ends; one that makes new values without end (`repeat($this + 1)`) is stopped here.
_MOST_REPEATED = 100_000


@function("where", 1)
def _where(criteria: Evaluate) -> Evaluate:
    return lambda focus, scope: [
        node for index, node in enumerate(focus) if truth(criteria([node], scope.at(node, index)))
    ]


@function("select", 1)
def _select(projection: Evaluate) -> Evaluate:
    return lambda focus, scope: [
        found for index, node in enumerate(focus) for found in projection([node], scope.at(node, index))
    ]


@function("repeat", 1)
def _repeat(projection: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        found: Nodes = []
        seen = set()
        waiting = list(focus)
        while waiting:
            fresh: Nodes = []
            for index, node in enumerate(waiting):
                for item in projection([node], scope.at(node, index)):
                    key = identity_of(item)
                    if key not in seen:
                        seen.add(key)
                        fresh.append(item)
            found += fresh
            if len(found) > _MOST_REPEATED:
                raise FHIRPathEvaluationError(f"repeat() found more than {_MOST_REPEATED} items")
            waiting = fresh
        return found

    return evaluate


@function("aggregate", 1, 2)
def _aggregate(aggregator: Evaluate, initial: Evaluate | None = None) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        total = EMPTY if initial is None else initial(scope.this, scope)
        for index, node in enumerate(focus):
            total = aggregator([node], Scope(scope.environment, [node], index, total))
        return total

    return evaluate


@function("iif", 2, 3)
def _iif(criterion: Evaluate, then: Evaluate, otherwise: Evaluate | None = None) -> Evaluate:
    # ctm-1 writes member.resolve().iif(empty(), ...): the arguments see the input as their focus.
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        inner = Scope(scope.environment, focus, scope.index, scope.total)
        if truth(criterion(focus, inner)):
            return then(focus, inner)
        return EMPTY if otherwise is None else otherwise(focus, inner)

    return evaluate
