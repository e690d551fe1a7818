"""Slices of a list or choice: who is in which, how many, and in what order (FHIR R4, profiling.html#slicing)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bhr_api.fhir.profiles.discriminators import Test
from bhr_api.fhir.profiles.findings import NOTHING, Finding, Findings, Item
from bhr_api.fhir.profiles.snapshot import DEFAULT_SLICE, Element
from bhr_api.fhir.profiles.walk import Walk

ContentCheck = Callable[[Item, Walk], Findings]
"""(element, walk) -> what is wrong within it; paths start at the holder."""

GroupCheck = Callable[[Sequence[Item], Walk], Findings]
"""(elements that are alike by definition, walk) -> what is wrong with them together; paths start at the holder."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A compiled slice: who is in it, what each must be, and how they are sliced again."""

    element: Element
    test: Test
    content: ContentCheck
    resliced: GroupCheck | None


def compile_slicing(sliced: Element, slices: Sequence[Slice], label: Callable[[Element], str]) -> GroupCheck:
    """The check of all elements of `sliced` together: a slice of them each, counts, order and what is outside."""
    rules = sliced.definition.get("slicing", {})
    is_closed = rules.get("rules") == "closed"
    is_open_at_end = rules.get("rules") == "openAtEnd"
    is_ordered = bool(rules.get("ordered"))
    named = [one for one in slices if one.element.slice_name != DEFAULT_SLICE]
    default = next((one for one in slices if one.element.slice_name == DEFAULT_SLICE), None)
    counts = [_count_check(one.element, label(one.element)) for one in named]
    names = ", ".join(str(one.element.slice_name) for one in named)
    outside = f"This is in none of the slices {names}, and no others are allowed {label(sliced)}."
    late = f"The slices {names} come before all others {label(sliced)}."
    order = f"The slices come in the order {names} {label(sliced)}."

    is_needed = any(one.element.min or one.resliced for one in named)

    def check(items: Sequence[Item], walk: Walk) -> Findings:
        if not items and not is_needed:
            return NOTHING
        found: list[Finding] = []
        groups: list[list[Item]] = [[] for _ in named]
        maybe = [0] * len(named)
        rest: list[Item] = []
        furthest = 0
        for item in items:
            position = _position(item, named, maybe, walk)
            if position is None:
                rest.append(item)
                continue
            groups[position].append(item)
            if is_open_at_end and rest:
                found.append(Finding("error", "structure", late, item[0]))
            if is_ordered and position < furthest:
                found.append(Finding("error", "structure", order, item[0]))
            furthest = max(furthest, position)
        for one, group, count, unsure in zip(named, groups, counts, maybe, strict=True):
            found += count(group, unsure)
            for item in group:
                found += one.content(item, walk)
            # What is missing altogether is not missing from the slices of the slice as well.
            if one.resliced and (group or not one.element.min):
                found += one.resliced(group, walk)
        if default is not None:
            for item in rest:
                found += default.content(item, walk)
        elif is_closed and not any(maybe):
            found += [Finding("error", "structure", outside, item[0]) for item in rest]
        return found

    return check


def _position(item: Item, slices: Sequence[Slice], maybe: list[int], walk: Walk) -> int | None:
    _, value, companion, code = item
    unsure = []
    for position, one in enumerate(slices):
        answer = one.test(value, companion, code, walk)
        if answer:
            return position
        if answer is None:
            unsure.append(position)
    for position in unsure:
        maybe[position] += 1
    return None


def _count_check(element: Element, label: str) -> Callable[[Sequence[Item], int], Findings]:
    least, most = element.min, element.max
    name = f"{element.name}:{element.slice_name}"
    few = f"There are too few {name}; at least {least} must be given {label}."
    many = f"{element.name} is in the slice {element.slice_name}, which takes {most} at most {label}."
    none = f"{element.name} in the slice {element.slice_name} is not allowed {label}."

    def check(group: Sequence[Item], unsure: int) -> Findings:
        # An element that may be in the slice (its value set cannot be expanded) is taken for what is missing.
        if len(group) + unsure < least:
            shown = f"{name} is missing; at least {least} must be given {label}."
            return [Finding("error", "required", few if group else shown, element.name)]
        if most is not None and len(group) > most:
            return [Finding("error", "structure", many if most else none, group[most][0])]
        return NOTHING

    return check
