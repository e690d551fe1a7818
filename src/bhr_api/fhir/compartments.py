"""Whose record a resource is in: the subject path of each type.

FHIR R4's Patient compartment joins by any of several paths (compartmentdefinition-patient.html), so that one resource can
lie in several patients' compartments. Access follows the subject path only: a performer or a sender gains nothing by being
named (docs/decisions/0004-whose-record.md). Provenance has no path of its own; it belongs where its targets belong.
"""

from collections.abc import Iterator, Mapping

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.references import parse_local

# Paths are element names; a list on the way is walked through.
SUBJECT_PATHS: Mapping[str, tuple[str, ...]] = {
    "Account": ("subject",),
    "AdverseEvent": ("subject",),
    "AllergyIntolerance": ("patient",),
    "Appointment": ("participant", "actor"),
    "AppointmentResponse": ("actor",),
    "Basic": ("subject",),
    "BodyStructure": ("patient",),
    "CarePlan": ("subject",),
    "CareTeam": ("subject",),
    "ChargeItem": ("subject",),
    "Claim": ("patient",),
    "ClaimResponse": ("patient",),
    "ClinicalImpression": ("subject",),
    "Communication": ("subject",),
    "CommunicationRequest": ("subject",),
    "Composition": ("subject",),
    "Condition": ("subject",),
    "Consent": ("patient",),
    "Contract": ("subject",),
    "Coverage": ("beneficiary",),
    "CoverageEligibilityRequest": ("patient",),
    "CoverageEligibilityResponse": ("patient",),
    "DetectedIssue": ("patient",),
    "Device": ("patient",),
    "DeviceRequest": ("subject",),
    "DeviceUseStatement": ("subject",),
    "DiagnosticReport": ("subject",),
    "DocumentManifest": ("subject",),
    "DocumentReference": ("subject",),
    "Encounter": ("subject",),
    "EnrollmentRequest": ("candidate",),
    "EpisodeOfCare": ("patient",),
    "ExplanationOfBenefit": ("patient",),
    "FamilyMemberHistory": ("patient",),
    "Flag": ("subject",),
    "Goal": ("subject",),
    "GuidanceResponse": ("subject",),
    "ImagingStudy": ("subject",),
    "Immunization": ("patient",),
    "ImmunizationEvaluation": ("patient",),
    "ImmunizationRecommendation": ("patient",),
    "Invoice": ("subject",),
    "List": ("subject",),
    "MeasureReport": ("subject",),
    "Media": ("subject",),
    "MedicationAdministration": ("subject",),
    "MedicationDispense": ("subject",),
    "MedicationRequest": ("subject",),
    "MedicationStatement": ("subject",),
    "MolecularSequence": ("patient",),
    "NutritionOrder": ("patient",),
    "Observation": ("subject",),
    "Person": ("link", "target"),
    "Procedure": ("subject",),
    "QuestionnaireResponse": ("subject",),
    "RelatedPerson": ("patient",),
    "RequestGroup": ("subject",),
    "ResearchSubject": ("individual",),
    "RiskAssessment": ("subject",),
    "ServiceRequest": ("subject",),
    "Specimen": ("subject",),
    "SupplyDelivery": ("patient",),
    "SupplyRequest": ("deliverTo",),
    "Task": ("for",),
    "VisionPrescription": ("patient",),
}

# Types about nobody in particular: a token that is bound to a patient may read them, and never write them.
SHARED_TYPES = frozenset(
    "ActivityDefinition CapabilityStatement CodeSystem CompartmentDefinition ConceptMap Endpoint HealthcareService"
    " ImplementationGuide Location Medication NamingSystem OperationDefinition Organization PlanDefinition Practitioner"
    " PractitionerRole Questionnaire SearchParameter StructureDefinition StructureMap ValueSet".split()
)


def patients_of(resource: Resource, base_url: str) -> tuple[str, ...]:
    """Ids of the patients on the resource's subject path, each once; for a Patient, its own.

    Several patients (a group appointment) make a resource that belongs to none of them: see `IndexEntry.patient`.
    """
    resource_type = resource["resourceType"]
    if resource_type == "Patient":
        return (resource["id"],)
    path = SUBJECT_PATHS.get(resource_type)
    if path is None:
        return ()
    found: dict[str, None] = {}
    for reference in _walk([resource], path):
        literal = reference.get("reference")
        local = parse_local(literal, base_url) if isinstance(literal, str) else None
        if local is not None and local.resource_type == "Patient":
            found[local.id] = None
    return tuple(found)


def _walk(nodes: list[Resource], path: tuple[str, ...]) -> Iterator[Resource]:
    for name in path:
        following: list[Resource] = []
        for node in nodes:
            value = node.get(name)
            if isinstance(value, list):
                following.extend(item for item in value if isinstance(item, dict))
            elif isinstance(value, dict):
                following.append(value)
        nodes = following
    yield from nodes
