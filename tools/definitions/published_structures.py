"""R4's structure definitions as HL7 published them (structuredefinition.html), without what their carrier added."""

from pathlib import Path
from typing import Any

from tools.definitions.bundles import STRUCTURE_URL, Resource, read_bundle

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
