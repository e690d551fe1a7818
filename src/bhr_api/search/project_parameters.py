"""Search parameters that the project adds to R4's (DOMAIN b.4), and those that US Core adds (US Core 6.1 to 9.0)."""

from collections.abc import Mapping

from bhr_api.fhir.canonical import CANONICAL_BASE
from bhr_api.fhir.definitions import SearchParameter

US_CORE = "http://hl7.org/fhir/us/core/SearchParameter/us-core-"


def _added(
    resource_type: str, code: str, type: str, expression: str, targets: tuple[str, ...] = (), url: str = ""
) -> SearchParameter:
    return SearchParameter(
        url=url or f"{CANONICAL_BASE}/SearchParameter/{resource_type}-{code}",
        code=code,
        resource_type=resource_type,
        type=type,
        expression=expression,
        targets=targets,
        components=(),
    )


def _us_core(
    resource_type: str, code: str, type: str, expression: str, targets: tuple[str, ...] = ()
) -> SearchParameter:
    return _added(resource_type, code, type, expression, targets, f"{US_CORE}{resource_type.lower()}-{code}")


_ADDED = (
    # R5 has these three; a list of open safety flags cannot be asked for without them.
    _added("Flag", "status", "token", "Flag.status"),
    _added("Flag", "category", "token", "Flag.category"),
    _added("Flag", "code", "token", "Flag.code"),
    _added("AdverseEvent", "patient", "reference", "AdverseEvent.subject.where(resolve() is Patient)", ("Patient",)),
    _added(
        "Goal",
        "addresses",
        "reference",
        "Goal.addresses",
        ("Condition", "Observation", "MedicationStatement", "NutritionOrder", "ServiceRequest", "RiskAssessment"),
    ),
    _added("Goal", "outcome", "reference", "Goal.outcomeReference", ("Observation",)),
    _added("Goal", "target-measure", "token", "Goal.target.measure"),
    _added(
        "CarePlan",
        "review-due",
        "date",
        f"CarePlan.extension.where(url = '{CANONICAL_BASE}/StructureDefinition/careplan-next-review').value",
    ),
    _added("Observation", "band", "token", "Observation.interpretation"),
    _us_core("Goal", "description", "token", "Goal.description"),
    _us_core(
        "Condition",
        "asserted-date",
        "date",
        "Condition.extension.where(url = 'http://hl7.org/fhir/StructureDefinition/condition-assertedDate').value",
    ),
    _us_core("Encounter", "discharge-disposition", "token", "Encounter.hospitalization.dischargeDisposition"),
    _us_core("CareTeam", "role", "token", "CareTeam.participant.role"),
    *(
        _added(
            "Patient",
            code,
            "token",
            f"Patient.extension.where(url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-{code}')"
            ".extension.value.code",
            url=US_CORE + code,
        )
        for code in ("race", "ethnicity")
    ),
)

PROJECT_PARAMETERS: Mapping[str, Mapping[str, SearchParameter]] = {
    resource_type: {added.code: added for added in _ADDED if added.resource_type == resource_type}
    for resource_type in dict.fromkeys(added.resource_type for added in _ADDED)
}
