"""Whether a Reference names what its element may refer to (FHIR R4, references.html#literal, #contained; ref-1)."""

import re
from collections.abc import Mapping, Set
from typing import Any

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource

_RESTFUL = re.compile(
    r"(?:https?://\S+/)?([A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII
)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+", re.ASCII)
_CONDITIONAL = re.compile(r"([A-Za-z]+)\?\S+", re.ASCII)


def problem_of(
    reference: Mapping[str, Any], targets: Set[str], container: Resource, in_transaction: bool
) -> tuple[str, str] | None:
    """(issue code, sentence) for a Reference of the right shape that names no possible target; None if it may.

    `targets` are the element's types, none for any. `container` is the resource whose contained ones `#id` names. In a
    transaction a reference may be conditional (http.html#trules).
    """
    literal = reference.get("reference")
    if literal is not None and (problem := _literal_problem(literal, reference, targets, container, in_transaction)):
        return problem
    stated = reference.get("type")
    if targets and stated in RESOURCE_TYPE_NUMBERS and stated not in targets:
        return "value", f"Reference.type is {stated}; {_wanted(targets)}."
    return None


def _literal_problem(
    literal: str, reference: Mapping[str, Any], targets: Set[str], container: Resource, in_transaction: bool
) -> tuple[str, str] | None:
    if literal.startswith("#"):
        return _fragment_problem(literal[1:], targets, container)
    match = _RESTFUL.fullmatch(literal) or (in_transaction and _CONDITIONAL.fullmatch(literal)) or None
    resource_type = match[1] if match else None
    if resource_type not in RESOURCE_TYPE_NUMBERS:
        # An absolute URL or URN may lead anywhere; only a relative one must be type/id.
        if _ABSOLUTE.fullmatch(literal):
            return None
        return "value", f"{literal[:80]!r} is neither an absolute URL nor Type/id of an R4 type nor #id."
    if targets and resource_type not in targets:
        return "value", f"The reference is to a {resource_type}; {_wanted(targets)}."
    stated = reference.get("type")
    if stated in RESOURCE_TYPE_NUMBERS and stated != resource_type:
        # references.html#type: the type SHALL be that of the resource that is referred to.
        return "value", f"Reference.type is {stated}, but the reference is to a {resource_type}."
    return None


def _fragment_problem(fragment: str, targets: Set[str], container: Resource) -> tuple[str, str] | None:
    target = container if fragment == "" else _contained(container, fragment)
    if target is None:
        return "invariant", f"'#{fragment[:64]}' names no contained resource; ref-1 wants one with that id."
    resource_type = target.get("resourceType")
    if targets and resource_type in RESOURCE_TYPE_NUMBERS and resource_type not in targets:
        return "value", f"The reference is to a contained {resource_type}; {_wanted(targets)}."
    return None


def _contained(container: Resource, id: str) -> Resource | None:
    contained = container.get("contained")
    for resource in contained if isinstance(contained, list) else ():
        if isinstance(resource, dict) and resource.get("id") == id:
            return resource
    return None


def _wanted(targets: Set[str]) -> str:
    return f"this element takes {', '.join(sorted(targets))}"
