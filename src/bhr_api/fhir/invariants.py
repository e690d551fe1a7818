"""Invariants of the definitions as functions (FHIR R4, conformance-rules.html#constraints).

Those that every element or resource has are checked natively where the walk meets them; the others are compiled from
their FHIRPath.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bhr_api.fhir.definitions import Constraint, Resource
from bhr_api.fhirpath.compiler import compile_invariant

Holds = Callable[[Resource, Any, Resource | None], bool]
"""(container, element, contained resource that the element is in) -> whether the rule holds."""

NATIVE = frozenset({"ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "ref-1", "txt-1", "txt-2"})
"""Keys of the invariants that validation, contained, literal_references and narrative check in Python."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """`holds(resource, element)` is whether the rule holds; `sentence` says what is broken if it does not."""

    key: str
    holds: Holds
    sentence: str


def _extension_has_one_content(container: Resource, element: Any, resource: Resource | None) -> bool:
    """ext-1: "Must have either extensions or value[x], not both"."""
    has_value = any(name.startswith(("value", "_value")) for name in element)
    return has_value != ("extension" in element)


def compiled(constraints: Iterable[Constraint], type_name: str) -> tuple[Invariant, ...]:
    """The invariants of severity error; `type_name` is what they are evaluated on.

    Every one of R4's compiles; a test holds that.
    """
    found = []
    for constraint in constraints:
        if constraint.severity != "error" or not constraint.expression:
            continue
        if constraint.key == "ext-1":
            sentence = "An extension has either a value[x] or extensions, and not both (ext-1)."
            found.append(Invariant("ext-1", _extension_has_one_content, sentence))
        elif constraint.key not in NATIVE:
            holds = compile_invariant(constraint.expression, type_name)
            sentence = f"{constraint.key} does not hold: {constraint.expression}"
            found.append(Invariant(constraint.key, holds, sentence))
    return tuple(found)
