"""The table of types and their elements (structuredefinition.html, elementdefinition.html)."""

from collections.abc import Iterable, Mapping
from typing import Any

from tools.definitions.bundles import STRUCTURE_URL, Resource

FHIR_TYPE_URL = STRUCTURE_URL + "structuredefinition-fhir-type"
FHIRPATH_SYSTEM_URL = "http://hl7.org/fhirpath/System."
REGEX_URL = STRUCTURE_URL + "regex"
MAX_VALUE_SET_URL = STRUCTURE_URL + "elementdefinition-maxValueSet"

# Profiles of Quantity that R4 names where others name a type; their one rule is added to the element itself.
QUANTITY_PROFILES = {"SimpleQuantity", "MoneyQuantity"}


def element_table(types: Mapping[str, Resource], profiles: Mapping[str, Resource]) -> dict[str, Any]:
    """Each type and backbone path with its base, kind, own constraints and elements."""
    table: dict[str, Any] = {}
    for name, structure in sorted(types.items()):
        table.update(type_entries(name, structure, types, profiles))
    return table


def type_entries(
    name: str, structure: Resource, types: Mapping[str, Resource], profiles: Mapping[str, Resource]
) -> dict[str, Any]:
    """The type's own entry, and one for every backbone within it."""
    root, *elements = structure["snapshot"]["element"]
    parents = {element["path"].rpartition(".")[0] for element in elements}
    base = structure.get("baseDefinition", "").removeprefix(STRUCTURE_URL)
    inherited = constraint_keys(types[base]["snapshot"]["element"][0]) if base else set()
    entries = {
        name: {
            "kind": structure["kind"],
            "base": base or None,
            "abstract": structure["abstract"],
            "constraints": constraints_of(root, inherited),
            "elements": {},
        }
    }
    if structure["kind"] == "primitive-type" and (regex := primitive_regex(elements)):
        entries[name]["regex"] = regex
    for element in elements:
        path = element["path"]
        parent, _, last = path.rpartition(".")
        if path in parents:
            entries[path] = {
                "kind": "backbone",
                "base": element["type"][0]["code"],
                "abstract": False,
                "constraints": constraints_of(element, {"ele-1"}),
                "elements": {},
            }
        # The value of a primitive is JSON itself, not a property; no primitive but xhtml lacks extensions.
        if (structure["kind"] == "primitive-type" and last == "value") or element["max"] == "0":
            continue
        entries[parent]["elements"][last.removesuffix("[x]")] = element_entry(element, path in parents, types, profiles)
    return entries


def primitive_regex(elements: Iterable[Resource]) -> str | None:
    """The regular expression of a primitive's `value`."""
    for element in elements:
        for extension in (one for kind in element.get("type", []) for one in kind.get("extension", [])):
            if extension["url"] == REGEX_URL:
                return str(extension["valueString"])
    return None


def constraint_keys(element: Resource) -> set[str]:
    """The keys of the element's constraints, inherited ones included."""
    return {constraint["key"] for constraint in element.get("constraint", [])}


def constraints_of(element: Resource, inherited: set[str]) -> list[list[str]]:
    """[key, severity, expression] of the constraints that are not inherited."""
    return [
        [constraint["key"], constraint["severity"], constraint.get("expression", "")]
        for constraint in element.get("constraint", [])
        if constraint["key"] not in inherited
    ]


def element_entry(
    element: Resource, is_backbone: bool, types: Mapping[str, Resource], profiles: Mapping[str, Resource]
) -> dict[str, Any]:
    """The facts of one element; what is usual (0..1, no binding, ...) is left out."""
    kinds = element.get("type", [])
    path = element["path"]
    codes = [path] if is_backbone else [type_code(kind, element) for kind in kinds]
    if "contentReference" in element:
        codes = [element["contentReference"].removeprefix("#")]
    entry: dict[str, Any] = {"types": codes}
    if element["min"]:
        entry["min"] = element["min"]
    if element["max"] != "1":
        entry["max"] = None if element["max"] == "*" else int(element["max"])
    if path.endswith("[x]"):
        entry["choice"] = True
    if targets := reference_targets(kinds):
        entry["targets"] = targets
    if binding := required_binding(element):
        entry["binding"] = binding
    if element.get("isSummary"):
        entry["summary"] = True
    if element.get("isModifier"):
        entry["modifier"] = True
    if not is_backbone and (constraints := element_constraints(element, kinds, types, profiles)):
        entry["constraints"] = constraints
    return entry


def type_code(kind: Resource, element: Resource) -> str:
    """The FHIR type, also where the definition names a FHIRPath type."""
    if element["base"]["path"] == "Resource.id":
        return "id"  # 4.0.1 calls it a string here, but resource.html#id says id.
    for extension in kind.get("extension", []):
        if extension["url"] == FHIR_TYPE_URL:
            return str(extension["valueUrl"])
    code = str(kind["code"]).removeprefix(FHIRPATH_SYSTEM_URL)
    return code if code == kind["code"] else code[0].lower() + code[1:]


def reference_targets(kinds: Iterable[Resource]) -> list[str]:
    """Resource types that a Reference may name; empty for any."""
    profiles = [one for kind in kinds if kind["code"] == "Reference" for one in kind.get("targetProfile", [])]
    targets = sorted({profile.removeprefix(STRUCTURE_URL) for profile in profiles})
    return [] if "Resource" in targets else targets


def required_binding(element: Resource) -> str | None:
    """The value set of a required binding, or the maximum value set of a looser one, without version."""
    binding = element.get("binding", {})
    if binding.get("strength") == "required":
        return str(binding["valueSet"]).partition("|")[0]
    for extension in binding.get("extension", []):
        if extension["url"] == MAX_VALUE_SET_URL:
            return str(extension["valueCanonical"])
    return None


def element_constraints(
    element: Resource,
    kinds: Iterable[Resource],
    types: Mapping[str, Resource],
    profiles: Mapping[str, Resource],
) -> list[list[str]]:
    """The constraints that this element adds to those of its types."""
    inherited: set[str] = {"ele-1"}
    for kind in kinds:
        if kind["code"] in types:
            inherited |= constraint_keys(types[kind["code"]]["snapshot"]["element"][0])
    constraints = constraints_of(element, inherited)
    for profile in (one.removeprefix(STRUCTURE_URL) for kind in kinds for one in kind.get("profile", [])):
        if profile in QUANTITY_PROFILES:
            constraints += constraints_of(profiles[profile]["snapshot"]["element"][0], inherited)
    return constraints
