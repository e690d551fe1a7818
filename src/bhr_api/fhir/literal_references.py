"""Whether a Reference names what its element may refer to (FHIR R4, references.html#literal, #contained; ref-1)."""

import re
from collections.abc import Mapping, Set
from typing import Any

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.fhir.problems import Context, Problem

_RESTFUL = re.compile(
    r"(?:https?://\S+/)?([A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII
)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+", re.ASCII)
_CONDITIONAL = re.compile(r"([A-Za-z]+)\?\S+", re.ASCII)


def problem_of(reference: Mapping[str, Any], targets: Set[str], context: Context) -> Problem | None:
    """What is wrong with a Reference of the right shape that names no possible target; None if it may name one.

    `targets` are the element's types, none for any. In a transaction a reference may be conditional (http.html#trules).
    """
    literal = reference.get("reference")
    if literal is not None and (problem := _literal_problem(literal, reference, targets, context)):
        return problem
    stated = reference.get("type")
    if targets and stated in RESOURCE_TYPE_NUMBERS and stated not in targets:
        return Problem("value", f"Reference.type is {stated}; {_wanted(targets)}.")
    return None


def _literal_problem(literal: str, reference: Mapping[str, Any], targets: Set[str], context: Context) -> Problem | None:
    if literal.startswith("#"):
        return _fragment_problem(literal[1:], targets, context)
    match = _RESTFUL.fullmatch(literal) or (_CONDITIONAL.fullmatch(literal) if context.in_transaction else None)
    resource_type = match[1] if match else None
    if resource_type not in RESOURCE_TYPE_NUMBERS:
        # An absolute URL or URN may lead anywhere; only a relative one must be Type/id.
        if _ABSOLUTE.fullmatch(literal):
            return None
        return Problem("value", f"{literal[:80]!r} is neither an absolute URL nor Type/id of an R4 type nor #id.")
    if targets and resource_type not in targets:
        return Problem("value", f"The reference is to {resource_type}; {_wanted(targets)}.")
    stated = reference.get("type")
    if stated in RESOURCE_TYPE_NUMBERS and stated != resource_type:
        # references.html: Reference.type is the type of the resource that the reference is to.
        return Problem("value", f"Reference.type is {stated}, but the reference is to {resource_type}.")
    return None


def _fragment_problem(fragment: str, targets: Set[str], context: Context) -> Problem | None:
    target = context.contained.get(fragment) if fragment else context.container
    if target is None:
        return Problem("invariant", f"'#{fragment[:64]}' names no contained resource; ref-1 wants one with that id.")
    resource_type = target.get("resourceType")
    if targets and isinstance(resource_type, str) and resource_type not in targets:
        return Problem("value", f"The reference is to the contained {resource_type[:60]}; {_wanted(targets)}.")
    return None


def _wanted(targets: Set[str]) -> str:
    return f"this element takes {', '.join(sorted(targets))}"
