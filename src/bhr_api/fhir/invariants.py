"""Invariants of the definitions as functions (FHIR R4, conformance-rules.html#constraints).

Those that every element or resource has are checked natively where the walk meets them; the others are compiled from
their FHIRPath.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from bhr_api.fhir.definitions import Constraint, Resource
from bhr_api.fhir.problems import Context
from bhr_api.fhirpath.compiler import compile_invariant

Holds = Callable[[Resource, Any, Resource | None], bool]
"""(container, element, contained resource that the element is in) -> whether the rule holds."""

NATIVE = frozenset({"ele-1", "dom-2", "dom-3", "dom-4", "dom-5", "ref-1", "txt-1", "txt-2"})
"""Keys of the invariants that validation, contained, literal_references and narrative check in Python."""


_CANNOT_BE_EVALUATED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule of a type or element; `sentence` says what is broken if it does not hold."""

    key: str
    holds: Holds
    sentence: str

    def is_broken(self, element: Any, context: Context) -> bool:
        """Whether the rule is known not to hold for the element.

        An invariant looks at members and at the whole resource, whose shape may be wrong in ways that are told as
        problems of their own: where it cannot be evaluated, the answer is unknown. On well-shaped resources of every
        type none fails so; a test holds that.
        """
        try:
            return not self.holds(context.container, element, context.resource)
        except _CANNOT_BE_EVALUATED:
            return False


def _has_one_content(_container: Resource, element: Any, _resource: Resource | None) -> bool:
    """ext-1: "Must have either extensions or value[x], not both"."""
    has_value = any(name.startswith(("value", "_value")) for name in element)
    return has_value != ("extension" in element)


def _component_codes_differ(_container: Resource, element: Any, _resource: Resource | None) -> bool:
    """obs-7: where there is a value, no component has a code of the observation itself.

    Read natively because FHIRPath's intersect() compares each coding with each: 4,000 codings and components took 18 s.
    """
    if "component" not in element or not any(name.startswith(("value", "_value")) for name in element):
        return True
    codings = set(map(_sorted_json, element["code"].get("coding", ())))
    return not any(
        _sorted_json(coding) in codings
        for component in element["component"]
        for coding in component["code"].get("coding", ())
    )


_sorted_json = msgspec.json.Encoder(order="sorted", decimal_format="number", enc_hook=str).encode

# Invariants at choice elements that are about one of the types.
_SUBJECTS = {"sqty-1": "Quantity", "ras-1": "Range"}

_NATIVE_SENTENCES: Mapping[str, tuple[Holds, str]] = {
    "ext-1": (_has_one_content, "An extension has either a value[x] or extensions, and not both (ext-1)."),
    "obs-7": (_component_codes_differ, "A component repeats the code of the observation's own value (obs-7)."),
}


def compiled(constraints: Iterable[Constraint], type_name: str) -> tuple[Invariant, ...]:
    """The invariants of severity error; `type_name` is what they are evaluated on.

    Every one of R4's compiles; a test holds that.
    """
    found = []
    for constraint in constraints:
        if constraint.severity != "error" or _SUBJECTS.get(constraint.key, type_name) != type_name:
            continue
        if constraint.key in _NATIVE_SENTENCES:
            found.append(Invariant(constraint.key, *_NATIVE_SENTENCES[constraint.key]))
        elif constraint.key not in NATIVE:
            holds = compile_invariant(constraint.expression, type_name)
            sentence = f"{constraint.key} does not hold: {constraint.expression}"
            found.append(Invariant(constraint.key, holds, sentence))
    return tuple(found)
