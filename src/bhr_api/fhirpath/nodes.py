"""The items of FHIRPath collections, and what an evaluation carries from step to step.

FHIR R4 fhirpath.html and FHIRPath N1, http://hl7.org/fhirpath/N1/#path-selection. Collections are plain lists that no
step changes once they are handed on, so that constants are shared.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any, TypeAlias

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, Resource, is_subtype
from bhr_api.fhir.ucum import SYSTEM as UCUM
from bhr_api.fhirpath.errors import FHIRPathEvaluationError
from bhr_api.fhirpath.types import SYSTEM_TYPE_OF_PRIMITIVE, Property, children_of
from bhr_api.fhirpath.values import (
    Quantity,
    SystemValue,
    Temporal,
    canonical_quantity,
    equal,
    equivalent,
    in_utc,
    system_type_of,
)


class Node:
    """One item: a JSON `value` of a FHIR `type` (code or backbone path), or a System value of type `System.X`.

    `companion` is the JSON object `_name` beside a primitive; a primitive with only extensions has the value None.
    """

    __slots__ = ("companion", "type", "value")

    def __init__(self, type_name: str, value: Any, companion: Any = None) -> None:
        self.type = type_name
        self.value = value
        self.companion = companion

    def __repr__(self) -> str:
        return f"Node({self.type}, {self.value!r})"


Nodes: TypeAlias = list[Node]


class FixedNodes(list[Node]):
    """A collection that stays the same for a whole evaluation; its keys are made once, however often it is asked."""

    keys: frozenset[Hashable] | None = None


@dataclass(slots=True)
class Environment:
    """What the evaluations on one resource see beyond their focus: resources, constants, the clock, outside services.

    `resource` is the resource that directly holds the focus, `root` the one that is not contained. `resolve` gives
    the resource of a literal reference; without it a reference resolves as far as its text says the type.
    """

    resource: Node
    root: Node
    context: Nodes
    constants: Mapping[str, Nodes] = field(default_factory=dict)
    now: datetime | None = None
    fixed: dict[object, FixedNodes] = field(default_factory=dict)
    resolve: Callable[[str], Resource | None] | None = None
    member_of: Callable[[Node, str], bool] | None = None
    conforms_to: Callable[[Node, str], bool] | None = None
    trace: Callable[[str, Nodes], None] | None = None

    def moment(self) -> datetime:
        """The time of the evaluation, the same however often it is asked (N1 #now)."""
        if self.now is None:
            self.now = datetime.now(UTC)
        return self.now


class Scope:
    """`$this`, `$index` and `$total` where a step stands."""

    __slots__ = ("environment", "index", "this", "total")

    def __init__(
        self, environment: Environment, this: Nodes, index: int | None = None, total: Nodes | None = None
    ) -> None:
        self.environment = environment
        self.this = this
        self.index = index
        self.total = total

    def at(self, item: Node, index: int) -> "Scope":
        """The scope of a criterion or projection on one item."""
        return Scope(self.environment, [item], index, self.total)


Evaluate: TypeAlias = Callable[[Nodes, Scope], Nodes]
"""A compiled step: from the collection on its left to its own."""

TRUE: Nodes = [Node("System.Boolean", True)]
FALSE: Nodes = [Node("System.Boolean", False)]
EMPTY: Nodes = []


def boolean(value: bool | None) -> Nodes:
    """The collection of a three-valued truth."""
    return EMPTY if value is None else TRUE if value else FALSE


def wrap(value: SystemValue | None) -> Nodes:
    """The collection of one System value, empty for None."""
    return EMPTY if value is None else [Node(f"System.{system_type_of(value)}", value)]


def resource_node(resource: Resource) -> Node:
    """The node of a whole resource."""
    return Node(resource["resourceType"], resource)


def append_children(found: Nodes, node: Node, properties: tuple[Property, ...]) -> None:
    """Append to `found` the children of `node` under these properties, in the order of the document."""
    value = node.value
    data = value if type(value) is dict else node.companion
    if not data:
        return
    for prop in properties:
        child = data.get(prop.key)
        if prop.is_primitive:
            companion = data.get("_" + prop.key)
            if child is not None or companion is not None:
                _append_primitives(found, prop.type, child, companion)
        elif child is not None:
            for item in child if type(child) is list else (child,):
                found.append(Node(_actual_type(prop.type, item), item))


def _append_primitives(found: Nodes, type_name: str, value: Any, companion: Any) -> None:
    if type(value) is list or type(companion) is list:
        found.extend(
            Node(type_name, item, beside)
            for item, beside in zip_longest(value or (), companion or ())
            if item is not None or beside is not None
        )
    else:
        found.append(Node(type_name, value, companion))


def _actual_type(declared: str, value: Any) -> str:
    # Only contained resources, bundle entries and parameters have the abstract type; the JSON says which they are.
    if declared == "Resource" and type(value) is dict:
        actual = value.get("resourceType")
        return actual if isinstance(actual, str) else declared
    return declared


def children(node: Node) -> Nodes:
    """All direct children of a node (N1 #children)."""
    found: Nodes = []
    for properties in children_of(node.type).values():
        append_children(found, node, properties)
    return found


def descendants(nodes: Nodes) -> Iterator[Node]:
    """All children of `nodes`, theirs, and so on (N1 #descendants)."""
    waiting = list(reversed(nodes))
    while waiting:
        inner = children(waiting.pop())
        yield from inner
        waiting.extend(reversed(inner))


def system_value(node: Node) -> SystemValue | None:
    """The System value that a node is or converts to; None for complex types and for primitives without value."""
    value, type_name = node.value, node.type
    if type_name in PRIMITIVE_TYPES:
        system_type = SYSTEM_TYPE_OF_PRIMITIVE.get(type_name)
        if system_type is None or value is None or system_type in ("Boolean", "Integer"):
            return value  # type: ignore[no-any-return]
        if system_type == "Decimal":
            return Decimal(value) if type(value) is int else value
        return Temporal.parse(system_type, value) if isinstance(value, str) else None
    if type(value) is not dict:
        return value  # type: ignore[no-any-return]
    return _quantity(value) if is_subtype(type_name, "Quantity") else None


def _quantity(json: Mapping[str, Any]) -> Quantity | None:
    # A quantity "<5" is no single amount, so it has no System value to compare.
    value, code, system = json.get("value"), json.get("code"), json.get("system")
    if not isinstance(value, (int, Decimal)) or "comparator" in json:
        return None
    if code is not None and system not in (None, UCUM):
        return Quantity(Decimal(value), f"{system}|{code}")
    return Quantity(Decimal(value), code or json.get("unit") or "1")


def singleton(nodes: Nodes) -> Node | None:
    """The only item, None of an empty collection. Raises where N1 #singleton-evaluation demands at most one."""
    if len(nodes) > 1:
        raise FHIRPathEvaluationError(f"Expected at most one item, found {len(nodes)}")
    return nodes[0] if nodes else None


def value_of(nodes: Nodes) -> SystemValue | None:
    """The System value of the only item; None when there is no item or it has no such value."""
    node = singleton(nodes)
    return None if node is None else system_value(node)


def truth(nodes: Nodes) -> bool | None:
    """The collection as a Boolean: a single item that is no Boolean counts as true (N1 #singleton-evaluation)."""
    if not nodes:
        return None
    node = singleton(nodes)
    return node.value if node is not None and type(node.value) is bool else True


def equal_nodes(left: Node, right: Node) -> bool | None:
    """`left = right` for single items (N1 #equals)."""
    ours, theirs = system_value(left), system_value(right)
    if ours is not None and theirs is not None:
        return equal(ours, theirs)
    if type(left.value) is dict or type(right.value) is dict:
        return bool(left.value == right.value)
    return None


def equivalent_nodes(left: Node, right: Node) -> bool:
    """`left ~ right` for single items (N1 #equivalent)."""
    ours, theirs = system_value(left), system_value(right)
    if ours is not None and theirs is not None:
        return equivalent(ours, theirs)
    if type(left.value) is dict and type(right.value) is dict:
        return all_equivalent(children(left), children(right))
    return left.value is None and right.value is None


def all_equivalent(left: Nodes, right: Nodes) -> bool:
    """`left ~ right` for collections: the same items in whatever order."""
    if len(left) != len(right):
        return False
    remaining = list(right)
    for item in left:
        match = next((other for other in remaining if equivalent_nodes(item, other)), None)
        if match is None:
            return False
        remaining.remove(match)
    return True


def identity_of(node: Node) -> Hashable:
    """A key that two nodes share when they are equal, so that sets of many items take linear time."""
    value = system_value(node)
    if value is None:
        return _frozen(node.value if node.value is not None else node.companion)
    if isinstance(value, Temporal):
        is_placed = value.offset_minutes is not None
        return ("Time" if value.kind == "Time" else "Date", is_placed, in_utc(value) if is_placed else value.fields)
    if isinstance(value, Quantity):
        return canonical_quantity(value)
    if isinstance(value, (str, bool)):
        return (type(value), value)
    return ("1", value)


def identities(nodes: Nodes) -> Set[Hashable]:
    """The keys of a collection's items."""
    if type(nodes) is not FixedNodes:
        return {identity_of(node) for node in nodes}
    if nodes.keys is None:
        nodes.keys = frozenset(identity_of(node) for node in nodes)
    return nodes.keys


def _frozen(json: Any) -> Hashable:
    if isinstance(json, dict):
        return frozenset((key, _frozen(value)) for key, value in json.items())
    if isinstance(json, list):
        return tuple(_frozen(item) for item in json)
    return (type(json) is bool, json)
