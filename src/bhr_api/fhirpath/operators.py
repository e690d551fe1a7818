"""FHIRPath's operators as closures over collections (N1, http://hl7.org/fhirpath/N1/#operations)."""

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType

from bhr_api.fhirpath.arithmetic import calculate
from bhr_api.fhirpath.errors import FHIRPathEvaluationError
from bhr_api.fhirpath.nodes import (
    EMPTY,
    FALSE,
    TRUE,
    Evaluate,
    Node,
    Nodes,
    Scope,
    all_equivalent,
    boolean,
    equal_nodes,
    identities,
    identity_of,
    singleton,
    truth,
    value_of,
    wrap,
)
from bhr_api.fhirpath.values import Quantity, SystemValue, less

Builder = Callable[[Evaluate, Evaluate], Evaluate]


def equal_collections(left: Nodes, right: Nodes) -> bool | None:
    """`left = right` (N1 #equals): item by item in order; None if one side is empty or an item leaves it open."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    answers = [equal_nodes(ours, theirs) for ours, theirs in zip(left, right, strict=True)]
    if False in answers:
        return False
    return None if None in answers else True


def union_of(left: Nodes, right: Nodes) -> Nodes:
    """`left | right`: the distinct items of both, in order of first appearance."""
    return distinct([*left, *right])


def distinct(nodes: Nodes) -> Nodes:
    """The items without those equal to an earlier one (N1 #distinct)."""
    if len(nodes) < 2:
        return nodes
    seen: dict[Hashable, Node] = {}
    for node in nodes:
        seen.setdefault(identity_of(node), node)
    return list(seen.values())


def _equals(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda focus, scope: boolean(equal_collections(left(focus, scope), right(focus, scope)))


def _differs(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        answer = equal_collections(left(focus, scope), right(focus, scope))
        return EMPTY if answer is None else FALSE if answer else TRUE

    return evaluate


def _equivalent(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda focus, scope: boolean(all_equivalent(left(focus, scope), right(focus, scope)))


def _not_equivalent(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda focus, scope: boolean(not all_equivalent(left(focus, scope), right(focus, scope)))


def _ordered(decide: Callable[[SystemValue, SystemValue], bool | None]) -> Builder:
    def build(left: Evaluate, right: Evaluate) -> Evaluate:
        def evaluate(focus: Nodes, scope: Scope) -> Nodes:
            ours, theirs = value_of(left(focus, scope)), value_of(right(focus, scope))
            if ours is None or theirs is None:
                return EMPTY
            try:
                return boolean(decide(ours, theirs))
            except TypeError as error:
                raise FHIRPathEvaluationError(str(error)) from error

        return evaluate

    return build


def _negated(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _and(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        ours = truth(left(focus, scope))
        if ours is False:
            return FALSE
        theirs = truth(right(focus, scope))
        if theirs is False:
            return FALSE
        return TRUE if ours and theirs else EMPTY

    return evaluate


def _or(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        ours = truth(left(focus, scope))
        if ours:
            return TRUE
        theirs = truth(right(focus, scope))
        if theirs:
            return TRUE
        return EMPTY if ours is None or theirs is None else FALSE

    return evaluate


def _xor(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        ours, theirs = truth(left(focus, scope)), truth(right(focus, scope))
        return EMPTY if ours is None or theirs is None else boolean(ours != theirs)

    return evaluate


def _implies(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        ours = truth(left(focus, scope))
        if ours is False:
            return TRUE
        theirs = truth(right(focus, scope))
        if theirs:
            return TRUE
        return FALSE if ours and theirs is False else EMPTY

    return evaluate


def _union(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda focus, scope: union_of(left(focus, scope), right(focus, scope))


def _member(item: Node | None, nodes: Nodes) -> Nodes:
    if item is None:
        return EMPTY
    return boolean(identity_of(item) in identities(nodes))


def _in(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda focus, scope: _member(singleton(left(focus, scope)), right(focus, scope))


def _contains(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda focus, scope: _member(singleton(right(focus, scope)), left(focus, scope))


def _concatenated(left: Evaluate, right: Evaluate) -> Evaluate:
    # N1 #string-concatenation: an empty operand of & counts as the empty string.
    return lambda focus, scope: wrap(_text(left(focus, scope)) + _text(right(focus, scope)))


def _text(nodes: Nodes) -> str:
    value = value_of(nodes)
    if value is not None and not isinstance(value, str):
        raise FHIRPathEvaluationError("& takes strings only")
    return value or ""


def _arithmetic(operator: str) -> Builder:
    def build(left: Evaluate, right: Evaluate) -> Evaluate:
        def evaluate(focus: Nodes, scope: Scope) -> Nodes:
            ours, theirs = value_of(left(focus, scope)), value_of(right(focus, scope))
            return EMPTY if ours is None or theirs is None else wrap(calculate(operator, ours, theirs))

        return evaluate

    return build


BINARY: Mapping[str, Builder] = MappingProxyType(
    {
        "=": _equals,
        "!=": _differs,
        "~": _equivalent,
        "!~": _not_equivalent,
        "<": _ordered(less),
        ">": _ordered(lambda left, right: less(right, left)),
        "<=": _ordered(lambda left, right: _negated(less(right, left))),
        ">=": _ordered(lambda left, right: _negated(less(left, right))),
        "and": _and,
        "or": _or,
        "xor": _xor,
        "implies": _implies,
        "|": _union,
        "in": _in,
        "contains": _contains,
        "&": _concatenated,
        **{operator: _arithmetic(operator) for operator in ("+", "-", "*", "/", "div", "mod")},
    }
)
"""Operator -> the closure of its operands' closures."""


def negative(operand: Evaluate) -> Evaluate:
    """`-operand` (N1 #math)."""

    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        value = value_of(operand(focus, scope))
        if isinstance(value, Quantity):
            return wrap(Quantity(-value.value, value.unit))
        return EMPTY if value is None else wrap(calculate("-", 0, value))

    return evaluate
