"""Paths of discriminators: in an instance, and in the definitions (FHIR R4, profiling.html#discriminator).

The "restricted FHIRPath" of R4: element names, `$this`, `extension('url')`, `resolve()`, `ofType(type)` and `as(type)`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, is_type
from bhr_api.fhir.profiles.conformance import core_type
from bhr_api.fhir.profiles.scope import Scope
from bhr_api.fhir.profiles.snapshot import Element, at_path
from bhr_api.fhir.profiles.walk import Walk
from bhr_api.fhirpath.nodes import Node, Nodes, append_children
from bhr_api.fhirpath.references import type_of_reference
from bhr_api.fhirpath.types import children_of

_STEP = re.compile(
    r"""(?P<this>\$this)|(?P<resolve>resolve\(\))|extension\(\s*(['"])(?P<url>.*?)\3\s*\)"""
    r"""|(?:ofType|as)\(\s*(?:FHIR\.)?(?P<type>\w+)\s*\)|(?P<name>[A-Za-z_]\w*)(?:\[x\])?"""
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `kind` is name, url (an extension), resolve or type; `text` its name, url or type."""

    kind: str
    text: str


def steps_of(path: str) -> tuple[Step, ...]:
    """The steps of a discriminator's path; () for `$this`. ValueError if it is not of the restricted form."""
    steps = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise ValueError(f"{path!r} is no path of a discriminator")
        kind = match.lastgroup or ""
        if kind != "this":
            steps.append(Step(kind, match[kind]))
        position = match.end()
        if position < len(path):
            if path[position] != ".":
                raise ValueError(f"{path!r} is no path of a discriminator")
            position += 1
    return tuple(steps)


# In an instance


def selected(steps: Sequence[Step], node: Node, walk: Walk) -> Nodes:
    """The nodes that the path leads to."""
    nodes = [node]
    for step in steps:
        nodes = list(_stepped(step, nodes, walk))
    return nodes


def _stepped(step: Step, nodes: Nodes, walk: Walk) -> Iterator[Node]:
    for node in nodes:
        if step.kind == "name":
            found: Nodes = []
            append_children(found, node, children_of(node.type).get(step.text, ()))
            yield from found
        elif step.kind == "url":
            yield from _extensions(node, step.text)
        elif step.kind == "resolve":
            yield from _resolved(node, walk)
        elif node.type == step.text:
            yield node


def _extensions(node: Node, url: str) -> Iterator[Node]:
    found: Nodes = []
    append_children(found, node, children_of(node.type).get("extension", ()))
    yield from (one for one in found if one.value.get("url") == url)


def _resolved(node: Node, walk: Walk) -> Iterator[Node]:
    """The target if it is at hand; else a node without value that has its type, as far as the reference says it."""
    value: Any = node.value if isinstance(node.value, dict) else {"reference": node.value}
    reference = value.get("reference")
    resource = walk.resolve(reference) if isinstance(reference, str) else None
    if resource is not None:
        yield Node(resource["resourceType"], resource)
    elif (resource_type := type_of_reference(value, walk.root)) is not None:
        yield Node(resource_type, None)


# In the definitions


@dataclass(frozen=True, slots=True)
class Place:
    """What the definitions say where a path leads.

    `element` is the definition; `targets` are the profiles of which one is resolved to; `given` is the part of a fixed
    value or pattern above that lies at this path.
    """

    element: Element | None = None
    targets: tuple[str, ...] = ()
    given: tuple[Any, ...] = ()


def places(steps: Sequence[Step], element: Element, scope: Scope) -> list[Place]:
    """Where the path leads from the definition of a slice; empty if the definitions do not say anything there."""
    found = [Place(element)]
    for step in steps:
        found = [after for place in found for after in _defined(step, place, scope)]
    return found


def _defined(step: Step, place: Place, scope: Scope) -> Iterator[Place]:
    if place.given:
        yield from _given(step, place.given)
    if place.targets:
        for target in place.targets:
            yield from _within_profile(step, target, scope)
    if place.element is None:
        return
    element = place.element
    for stated in (element.fixed, element.pattern):
        if stated:
            yield from _given(step, (stated[0],))
    yield from _beneath(step, element, scope)


def _beneath(step: Step, element: Element, scope: Scope) -> Iterator[Place]:
    if step.kind == "resolve":
        targets = (*element.targets_of("Reference"), *element.targets_of("canonical"))
        yield Place(targets=targets)
    elif step.kind == "type":
        slices = [one for one in element.slices if one.type_codes == {step.text}]
        yield from (Place(one) for one in slices or (element,))
    else:
        yield from _children(step, element, scope)


def _children(step: Step, element: Element, scope: Scope) -> Iterator[Place]:
    holder = element
    if element.content_reference and not element.children:
        holder = at_path(scope.root, element.content_reference) or element
    child = holder.children.get("extension" if step.kind == "url" else step.text)
    if child is not None and step.kind == "url":
        yield from (Place(one) for one in child.slices if step.text in urls_of(one))
    elif child is not None:
        yield Place(child)
        # What must be in a slice of the element is said of the element too: a coding that is sliced by its code.
        yield from (Place(one) for one in child.slices if one.min > 0)
    else:
        profiles = [profile for type_ in element.types for profile in type_.get("profile", ())]
        for profile in profiles:
            yield from _within_profile(step, profile, scope)


def _within_profile(step: Step, canonical: str, scope: Scope) -> Iterator[Place]:
    profile = None if core_type(canonical) else scope.profiles.get(canonical)
    if profile is not None:
        yield from _defined(step, Place(profile.root), scope)


def urls_of(extension: Element) -> frozenset[str]:
    """The urls of the extensions that a slice stands for: its fixed url, or those of its profiles."""
    url = extension.children.get("url")
    if url is not None and url.fixed:
        return frozenset({url.fixed[0]})
    return frozenset(profile.partition("|")[0] for profile in extension.profiles_of("Extension"))


def _given(step: Step, values: Sequence[Any]) -> Iterator[Place]:
    if step.kind == "type":
        yield Place(given=tuple(values))
        return
    found: list[Any] = []
    for value in values:
        for name, member in value.items() if isinstance(value, dict) else ():
            if _is_named(name, step, member):
                found += _matching(member, step)
    if found:
        yield Place(given=tuple(found))


def _is_named(name: str, step: Step, _member: Any) -> bool:
    if step.kind == "url":
        return name == "extension"
    return name == step.text or (name.startswith(step.text) and _is_choice_suffix(name[len(step.text) :]))


def _is_choice_suffix(suffix: str) -> bool:
    return is_type(suffix) or suffix[:1].lower() + suffix[1:] in PRIMITIVE_TYPES


def _matching(member: Any, step: Step) -> list[Any]:
    values = member if isinstance(member, list) else [member]
    return [value for value in values if step.kind != "url" or value.get("url") == step.text]
