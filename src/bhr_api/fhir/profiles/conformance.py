"""What a profile refers to: other StructureDefinitions and value sets, by canonical (FHIR R4, references.html#canonical)."""

import re
from collections.abc import Iterator
from typing import Any, Protocol

from bhr_api.fhir.definitions import Resource, is_type

CORE = "http://hl7.org/fhir/StructureDefinition/"
SIMPLE_QUANTITY = "http://hl7.org/fhir/StructureDefinition/SimpleQuantity"
MAX_VALUE_SET = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"

_SERVICE_CALL = re.compile(r"(?:memberOf|conformsTo)\(\s*'([^']+)'")


class Conformance(Protocol):
    """The loaded definitions."""

    def structure(self, canonical: str) -> Resource | None:
        """The StructureDefinition of a `url` or `url|version`, without a version the newest; None if not loaded."""

    def is_member(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether the value set has the code; `system` None is the one that the value set implies.

        None if the value set cannot be expanded.
        """


def core_type(canonical: str) -> str | None:
    """The type of R4 that the canonical stands for (`.../StructureDefinition/Patient`), None if it is a profile."""
    url = canonical.partition("|")[0]
    name = url.removeprefix(CORE)
    return name if name != url and is_type(name) and "." not in name else None


def mentions(structure: Resource) -> frozenset[str]:
    """The canonicals of the profiles, extensions and value sets that `structure` refers to.

    As written, so with a version where the structure gives one; the types of R4 are left out. What those refer to in
    turn is not among them.
    """
    elements = structure.get("snapshot", {}).get("element", ())
    return frozenset(
        canonical for element in elements for canonical in _of_element(element) if not core_type(canonical)
    )


def _of_element(element: Resource) -> Iterator[str]:
    for type_ in element.get("type", ()):
        yield from type_.get("profile", ())
        yield from type_.get("targetProfile", ())
    binding = element.get("binding", {})
    if "valueSet" in binding:
        yield binding["valueSet"]
    if maximum := max_value_set(binding):
        yield maximum
    for constraint in element.get("constraint", ()):
        yield from _SERVICE_CALL.findall(constraint.get("expression", ""))


def max_value_set(binding: Resource) -> str | None:
    """The value set beyond which a binding that is not required lets no code go (extension maxValueSet)."""
    for extension in binding.get("extension", ()):
        if extension.get("url") == MAX_VALUE_SET:
            found: Any = extension.get("valueCanonical") or extension.get("valueUri")
            return str(found) if found else None
    return None
