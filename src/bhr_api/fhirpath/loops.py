"""Paths as loops over JSON: paths that begin alike are walked once, and the commonest shapes have their own closures.

benchmarks/extraction.py measures what each shape is worth: an Observation has 44 expressions, of which most find nothing,
so that the look-up of an absent property decides.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from bhr_api.fhir.definitions import Resource
from bhr_api.fhirpath.paths import Filter, Path
from bhr_api.fhirpath.types import Property

Value = tuple[str, Any]
"""A FHIR type code or backbone path, and the JSON value."""

Collect = Callable[[Any, Resource | None, list[Value]], None]
"""Append to the list what is found in a JSON value; the resource around it is for filters."""


class Extractor(Protocol):
    """Finds the values of an expression in an element; `root` is its resource, when the element is not that itself."""

    def __call__(self, element: Any, root: Resource | None = None) -> list[Value]:
        """Every value found, in no particular order; primitives without a value are left out."""


@dataclass(slots=True)
class Tree:
    """Paths by their first steps; `codes` are the types of the values that end here."""

    codes: dict[str, None] = field(default_factory=dict)
    branches: dict[Property | Filter, "Tree"] = field(default_factory=dict)

    @property
    def is_leaf(self) -> bool:
        """Whether every path ends here."""
        return not self.branches


def tree_of(paths: Iterable[Path]) -> Tree:
    """The paths as one tree."""
    root = Tree()
    for path in paths:
        tree = root
        for step in path.steps:
            tree = tree.branches.setdefault(step, Tree())
        tree.codes[path.type] = None
    return root


def extractor_of(
    paths: Iterable[Path], *, is_resource: bool, distinct: Callable[[list[Value]], list[Value]]
) -> Extractor:
    """The extractor of all the paths; `is_resource` is whether they start at a whole resource."""
    tree = tree_of(paths)
    leaves, roads = _leaves(tree), _roads(tree)
    if tree.codes or len(leaves) + len(roads) != len(tree.branches):
        return _from_the_element(collector_of(tree), distinct)
    if len(leaves) == 1 and not roads:
        return _one_leaf(*leaves[0])
    if not leaves and len(roads) == 1:
        return _one_road(tree, is_resource, distinct)
    return _several(leaves, roads, is_resource, distinct)


def collector_of(tree: Tree) -> Collect:
    """What to do with a JSON value where the paths of `tree` begin."""
    leaves, roads = _leaves(tree), _roads(tree)
    filters = [(step, collector_of(branch)) for step, branch in tree.branches.items() if not isinstance(step, Property)]
    parts = [_append(code) for code in tree.codes]
    parts += [_filtered(*each) for each in filters]
    if len(leaves) == 1 and not roads:
        parts.append(_leaf(*leaves[0]))
    elif leaves or roads:
        parts.append(_properties(leaves, roads))
    return parts[0] if len(parts) == 1 else _in_turn(tuple(parts))


def _leaves(tree: Tree) -> tuple[tuple[str, str], ...]:
    """(key, type code) of the properties with at most one value, at which a path ends."""
    return tuple(
        (step.key, step.type)
        for step, branch in tree.branches.items()
        if isinstance(step, Property) and branch.is_leaf and not step.is_array
    )


def _roads(tree: Tree) -> tuple[tuple[str, Collect], ...]:
    """(key, what to do with its value) of the other properties."""
    return tuple(
        (step.key, _each(collector_of(branch)) if step.is_array else collector_of(branch))
        for step, branch in tree.branches.items()
        if isinstance(step, Property) and not (branch.is_leaf and not step.is_array)
    )


def _one_leaf(key: str, code: str) -> Extractor:
    def extract(element: Any, root: Resource | None = None) -> list[Value]:  # noqa: ARG001
        value = element.get(key)
        return [] if value is None else [(code, value)]

    return extract


def _one_road(tree: Tree, is_resource: bool, distinct: Callable[[list[Value]], list[Value]]) -> Extractor:
    ((step, branch),) = tree.branches.items()
    assert isinstance(step, Property)
    if branch.is_leaf:
        return _one_array(step.key, step.type)
    below = _leaves(branch)
    if not step.is_array and not branch.codes and len(branch.branches) == len(below) == 1:
        return _leaf_of_property(step.key, *below[0])
    ((key, collect),) = _roads(tree)

    def extract(element: Any, root: Resource | None = None) -> list[Value]:
        value = element.get(key)
        if value is None:
            return []
        found: list[Value] = []
        collect(value, element if root is None and is_resource else root, found)
        return found if len(found) < 2 else distinct(found)

    return extract


def _one_array(key: str, code: str) -> Extractor:
    def extract(element: Any, root: Resource | None = None) -> list[Value]:  # noqa: ARG001
        items = element.get(key)
        return [] if items is None else [(code, item) for item in items if item is not None]

    return extract


def _leaf_of_property(outer: str, key: str, code: str) -> Extractor:
    def extract(element: Any, root: Resource | None = None) -> list[Value]:  # noqa: ARG001
        holder = element.get(outer)
        if holder is None:
            return []
        value = holder.get(key)
        return [] if value is None else [(code, value)]

    return extract


def _several(
    leaves: tuple[tuple[str, str], ...],
    roads: tuple[tuple[str, Collect], ...],
    is_resource: bool,
    distinct: Callable[[list[Value]], list[Value]],
) -> Extractor:
    def extract(element: Any, root: Resource | None = None) -> list[Value]:
        found: list[Value] = []
        for key, code in leaves:
            value = element.get(key)
            if value is not None:
                found.append((code, value))
        for key, collect in roads:
            value = element.get(key)
            if value is not None:
                collect(value, element if root is None and is_resource else root, found)
        return found if len(found) < 2 else distinct(found)

    return extract


def _from_the_element(collect: Collect, distinct: Callable[[list[Value]], list[Value]]) -> Extractor:
    """For `$this` and filters on the element itself, as components of composite parameters have them."""

    def extract(element: Any, root: Resource | None = None) -> list[Value]:
        found: list[Value] = []
        collect(element, root, found)
        return found if len(found) < 2 else distinct(found)

    return extract


def _append(code: str) -> Collect:
    return lambda value, _root, found: found.append((code, value))


def _each(collect: Collect) -> Collect:
    def collect_each(items: Any, root: Resource | None, found: list[Value]) -> None:
        for item in items:
            if item is not None:
                collect(item, root, found)

    return collect_each


def _filtered(keeps: Filter, collect: Collect) -> Collect:
    def collect_kept(value: Any, root: Resource | None, found: list[Value]) -> None:
        if keeps(value, root):
            collect(value, root, found)

    return collect_kept


def _leaf(key: str, code: str) -> Collect:
    def collect_leaf(value: Any, _root: Resource | None, found: list[Value]) -> None:
        child = value.get(key)
        if child is not None:
            found.append((code, child))

    return collect_leaf


def _properties(leaves: tuple[tuple[str, str], ...], roads: tuple[tuple[str, Collect], ...]) -> Collect:
    def collect_properties(value: Any, root: Resource | None, found: list[Value]) -> None:
        for key, code in leaves:
            child = value.get(key)
            if child is not None:
                found.append((code, child))
        for key, collect in roads:
            child = value.get(key)
            if child is not None:
                collect(child, root, found)

    return collect_properties


def _in_turn(parts: tuple[Collect, ...]) -> Collect:
    def collect_in_turn(value: Any, root: Resource | None, found: list[Value]) -> None:
        for collect in parts:
            collect(value, root, found)

    return collect_in_turn
