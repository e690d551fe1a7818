"""Build the fact tables that the package ships from HL7's R4 (4.0.1) definitions.

    python tools/build_definitions.py ../shared/fhir/r4 src/bhr_api/fhir/tables

Facts only (types, elements, cardinalities, codes, expressions); descriptions are left behind. The same sources give the
same bytes. Sources: FHIR R4, structuredefinition.html, searchparameter.html, valueset.html, compartmentdefinition.html.
"""

import gzip
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Resource = dict[str, Any]

STRUCTURE_URL = "http://hl7.org/fhir/StructureDefinition/"
FHIR_TYPE_URL = STRUCTURE_URL + "structuredefinition-fhir-type"
FHIRPATH_SYSTEM_URL = "http://hl7.org/fhirpath/System."
REGEX_URL = STRUCTURE_URL + "regex"
MAX_VALUE_SET_URL = STRUCTURE_URL + "elementdefinition-maxValueSet"

# Profiles of Quantity that R4 names where others name a type; their one rule is added to the element itself.
QUANTITY_PROFILES = {"SimpleQuantity", "MoneyQuantity"}

# The definitions come by way of a package that adds elements of its own and of Releases 4B and 5. R4's official
# JSON schema and the element lists of hl7.org/fhir/R4 have none of these.
NOT_IN_R4 = {
    "SubscriptionStatus",
    "Binary.url",
    "DeviceDefinition.bodySite",
    "DeviceDefinition.classification",
    *(f"Meta.{name}" for name in ("project", "author", "onBehalfOf", "account", "accounts", "compartment")),
    "ObservationDefinition.publisher",
    "ResearchStudy.objective.description",
    *(
        f"ResearchStudy.{name}"
        for name in [
            "name",
            "label",
            "progressStatus",
            "studyDesign",
            "region",
            "descriptionSummary",
            "classifier",
            "associatedParty",
            "whyStopped",
            "recruitment",
            "comparisonGroup",
            "outcomeMeasure",
            "result",
        ]
    ),
}
TARGETS_NOT_IN_R4 = {
    "AuditEvent.source.observer": {"Subscription"},
    "MeasureReport.subject": {"CareTeam", "HealthcareService", "Organization"},
    "ResearchStudy.site": {"Organization", "ResearchStudy"},
}
# hl7.org/fhir/R4/evidencevariable-definitions.html#EvidenceVariable.characteristic
EVIDENCE_VARIABLE_CHARACTERISTIC: dict[str, dict[str, Any]] = {
    "description": {"types": "string"},
    "definition[x]": {
        "types": "Reference(Group) canonical CodeableConcept Expression DataRequirement TriggerDefinition",
        "minimum": 1,
        "is_summary": True,
    },
    "usageContext": {"types": "UsageContext", "maximum": "*"},
    "exclude": {"types": "boolean"},
    "participantEffective[x]": {"types": "dateTime Period Duration Timing"},
    "timeFromStart": {"types": "Duration"},
    "groupMeasure": {"types": "code", "binding": "http://hl7.org/fhir/ValueSet/group-measure"},
}


def read_bundle(path: Path) -> list[Resource]:
    """The resources of one bundle of definitions."""
    return [entry["resource"] for entry in json.loads(gzip.decompress(path.read_bytes()))["entry"]]


def tables(source: Path) -> dict[str, Any]:
    """Name of each table and its content."""
    structures = structure_definitions(source)
    types = {structure["id"]: structure for structure in structures if structure.get("derivation") != "constraint"}
    constraints = {
        structure["id"]: structure for structure in structures if structure.get("derivation") == "constraint"
    }
    elements = element_table(types, constraints)
    return {
        "elements": elements,
        "search_parameters": search_parameter_table(source),
        "value_sets": value_set_table(source, required_value_sets(elements)),
        "compartments": compartment_table(source),
    }


# Structure definitions


def structure_definitions(source: Path) -> list[Resource]:
    """Data types and resources, without the logical model MetadataResource, as R4 published them."""
    resources = read_bundle(source / "profiles-types.json.gz") + read_bundle(source / "profiles-resources.json.gz")
    return [
        as_published(resource)
        for resource in resources
        if resource["resourceType"] == "StructureDefinition"
        and resource["kind"] != "logical"
        and resource["id"] not in NOT_IN_R4
    ]


def as_published(structure: Resource) -> Resource:
    """The structure without what the carrier of the definitions added to R4 4.0.1."""
    if structure["type"] == "EvidenceVariable":
        replace_characteristic(structure)
    elements = []
    for element in structure["snapshot"]["element"]:
        if any(element["path"] == path or element["path"].startswith(f"{path}.") for path in NOT_IN_R4):
            continue
        for kind in element.get("type", []):
            kind["targetProfile"] = [
                profile
                for profile in kind.get("targetProfile", [])
                if profile.startswith(STRUCTURE_URL)
                and profile.removeprefix(STRUCTURE_URL) not in TARGETS_NOT_IN_R4.get(element["path"], ())
            ]
        elements.append(element)
    structure["snapshot"]["element"] = elements
    return structure


def replace_characteristic(structure: Resource) -> None:
    """Put R4's EvidenceVariable.characteristic in the place of that of Release 5."""
    path = "EvidenceVariable.characteristic"
    elements: list[Resource] = structure["snapshot"]["element"]
    by_path = {element["path"]: element for element in elements}
    by_path[path]["min"] = 1
    kept = [by_path[f"{path}.{name}"] for name in ("id", "extension", "modifierExtension")]
    added = [r4_element(f"{path}.{name}", **facts) for name, facts in EVIDENCE_VARIABLE_CHARACTERISTIC.items()]
    structure["snapshot"]["element"] = [
        *(element for element in elements if not element["path"].startswith(f"{path}.")),
        *kept,
        *added,
    ]


def r4_element(
    path: str, types: str, minimum: int = 0, maximum: str = "1", binding: str = "", is_summary: bool = False
) -> Resource:
    """An ElementDefinition with the facts that this tool reads; a Reference names its targets as `Reference(Group)`."""
    element: Resource = {"path": path, "min": minimum, "max": maximum, "base": {"path": path}, "isSummary": is_summary}
    element["type"] = []
    for code, _, targets in (one.partition("(") for one in types.split()):
        profiles = [STRUCTURE_URL + target for target in targets.rstrip(")").split("|") if target]
        element["type"].append({"code": code, "targetProfile": profiles})
    if binding:
        element["binding"] = {"strength": "required", "valueSet": binding}
    return element


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


# Search parameters


def search_parameter_table(source: Path) -> dict[str, Any]:
    """Type -> code -> parameter, where Resource and DomainResource hold those of every resource."""
    table: dict[str, Any] = {}
    for parameter in read_bundle(source / "search-parameters.json.gz"):
        for base in parameter["base"]:
            table.setdefault(base, {})[parameter["code"]] = search_parameter_entry(parameter, base)
    return {base: dict(sorted(parameters.items())) for base, parameters in sorted(table.items())}


def search_parameter_entry(parameter: Resource, base: str) -> dict[str, Any]:
    """The facts of one parameter as they are for `base`."""
    entry: dict[str, Any] = {
        "url": parameter["url"],
        "type": parameter["type"],
        "expression": expression_for(parameter, base),
    }
    if "target" in parameter:
        entry["targets"] = sorted(parameter["target"])
    if "component" in parameter:
        entry["components"] = [[one["definition"], one["expression"]] for one in components_of(parameter)]
    return entry


def components_of(parameter: Resource) -> list[Resource]:
    """The components; R4 swaps the two expressions of DocumentReference-relationship, which is put right here."""
    components: list[Resource] = parameter["component"]
    if parameter["id"] == "DocumentReference-relationship":
        relatesto, relation = components
        assert (relatesto["expression"], relation["expression"]) == ("code", "target"), "The source no longer errs."
        return [{**relatesto, "expression": "target"}, {**relation, "expression": "code"}]
    return components


def expression_for(parameter: Resource, base: str) -> str:
    """The alternatives of the expression that start at `base`; "" for a parameter without expression."""
    expression: str = parameter.get("expression", "")
    if len(parameter["base"]) == 1:
        return expression
    alternatives = [one for one in top_level_alternatives(expression) if one.lstrip("(").split(".")[0] == base]
    if not alternatives:
        raise ValueError(f"{parameter['url']} says nothing about {base}.")
    return " | ".join(alternatives)


def top_level_alternatives(expression: str) -> Iterator[str]:
    """The parts between the `|` that stand outside all parentheses."""
    depth = start = 0
    for position, character in enumerate(expression):
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            yield expression[start:position].strip()
            start = position + 1
    yield expression[start:].strip()


# Value sets


def required_value_sets(elements: Mapping[str, Any]) -> list[str]:
    """Value sets that some element must take its codes from."""
    return sorted(
        {
            element["binding"]
            for entry in elements.values()
            for element in entry["elements"].values()
            if "binding" in element
        }
    )


def value_set_table(source: Path, urls: Iterable[str]) -> dict[str, Any]:
    """url -> system -> codes, for those value sets that HL7's own code systems settle completely."""
    resources = [
        resource
        for name in ("v3-codesystems", "v2-tables", "valuesets")
        for resource in read_bundle(source / f"{name}.json.gz")
    ]
    terminology = Terminology(resources)
    expansions = {url: terminology.expand(url) for url in urls}
    return {
        url: {system: sorted(codes) for system, codes in sorted(expansion.items())}
        for url, expansion in expansions.items()
        if expansion is not None
    }


Expansion = dict[str, set[str]]


class Terminology:
    """HL7's code systems and value sets, by url."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.code_systems: dict[str, Resource] = {}
        self.value_sets: dict[str, Resource] = {}
        for resource in resources:
            kept = self.code_systems if resource["resourceType"] == "CodeSystem" else self.value_sets
            kept[resource["url"]] = resource

    def expand(self, url: str) -> Expansion | None:
        """System -> codes; None if it cannot be told completely from what is here."""
        value_set = self.value_sets.get(url.partition("|")[0])
        if value_set is None or "compose" not in value_set:
            return None
        included = self._union(value_set["compose"]["include"])
        excluded = self._union(value_set["compose"].get("exclude", []))
        if included is None or excluded is None:
            return None
        return {system: codes - excluded.get(system, set()) for system, codes in included.items()}

    def _union(self, includes: Iterable[Resource]) -> Expansion | None:
        union: Expansion = {}
        for include in includes:
            part = self._include(include)
            if part is None:
                return None
            for system, codes in part.items():
                union.setdefault(system, set()).update(codes)
        return union

    def _include(self, include: Resource) -> Expansion | None:
        """valueset.html#compositions: what one include names lies in its system and in all its value sets."""
        parts = [self.expand(url) for url in include.get("valueSet", [])]
        if "system" in include:
            codes = self._codes(include)
            parts.append(None if codes is None else {include["system"]: codes})
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        first, *others = known
        return {
            system: codes.intersection(*(other.get(system, set()) for other in others))
            for system, codes in first.items()
        }

    def _codes(self, include: Resource) -> set[str] | None:
        if "concept" in include:
            return {concept["code"] for concept in include["concept"]}
        system = self.code_systems.get(include["system"])
        if system is None or system["content"] != "complete":
            return None
        codes = set(hierarchy(system)) - abstract_codes(system)
        for condition in include.get("filter", []):
            if (condition["property"], condition["op"]) not in {("concept", "is-a"), ("concept", "descendent-of")}:
                return None
            codes &= descendants(system, condition["value"])
            if condition["op"] == "is-a":
                codes |= {condition["value"]} - abstract_codes(system)
        return codes


def hierarchy(system: Resource) -> dict[str, set[str]]:
    """Code -> its parents, which a code system gives by nesting or by the property subsumedBy."""
    parents: dict[str, set[str]] = {}

    def visit(concepts: Iterable[Resource], parent: str | None) -> None:
        for concept in concepts:
            known = parents.setdefault(concept["code"], set())
            if parent is not None:
                known.add(parent)
            known.update(
                one.get("valueCode", "")
                for one in concept.get("property", [])
                if one["code"] in ("subsumedBy", "parent")
            )
            visit(concept.get("concept", []), concept["code"])

    visit(system.get("concept", []), None)
    return parents


def abstract_codes(system: Resource) -> set[str]:
    """Codes that only group others and may not be used themselves (codesystem.html#4.8.10, property notSelectable)."""
    found: set[str] = set()
    waiting = list(system.get("concept", []))
    while waiting:
        concept = waiting.pop()
        waiting += concept.get("concept", [])
        if any(one["code"] == "notSelectable" and one.get("valueBoolean") for one in concept.get("property", [])):
            found.add(concept["code"])
    return found


def descendants(system: Resource, ancestor: str) -> set[str]:
    """The codes below `ancestor`, itself not included."""
    parents = hierarchy(system)
    found = {ancestor}
    while grown := {code for code, above in parents.items() if above & found} - found:
        found |= grown
    return found - {ancestor}


# Compartments


def compartment_table(source: Path) -> dict[str, Any]:
    """Compartment -> type -> search parameters that put a resource into it."""
    definitions = [
        resource
        for resource in read_bundle(source / "profiles-resources.json.gz")
        if resource["resourceType"] == "CompartmentDefinition"
    ]
    definitions.append(json.loads((source / "compartmentdefinition-patient.json").read_bytes()))
    return {
        definition["code"]: {one["code"]: one["param"] for one in definition["resource"] if "param" in one}
        for definition in sorted(definitions, key=lambda one: str(one["code"]))
    }


def table_bytes(table: Any) -> bytes:
    """Compact JSON in gzip without a time stamp, so that the same facts are the same bytes."""
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def main(source: Path, target: Path) -> None:
    """Write every table below `target` and print its size."""
    target.mkdir(parents=True, exist_ok=True)
    for name, table in tables(source).items():
        written = (target / f"{name}.json.gz").write_bytes(table_bytes(table))
        print(f"{name}.json.gz: {written} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
