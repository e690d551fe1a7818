"""The Patient compartment (FHIR R4, compartmentdefinition-patient.html): by which parameters a resource is in it."""

from collections.abc import Mapping

from tests.search.reference_parameters import parameter
from tests.search.reference_paths import Resource
from tests.search.reference_record import SeenRecord

COMPARTMENT: Mapping[str, tuple[str, ...]] = {
    "CarePlan": ("patient", "performer"),
    "ChargeItem": ("subject",),
    "Condition": ("patient", "asserter"),
    "Encounter": ("subject",),
    "Goal": ("patient",),
    "Group": ("member",),
    "List": ("subject", "source"),
    "Observation": ("subject", "performer"),
    "Patient": ("link",),
    "QuestionnaireResponse": ("subject", "author"),
    "RiskAssessment": ("subject",),
}


def is_in_compartment(record: SeenRecord, resource: Resource, patient: str) -> bool:
    """Whether the resource refers to the patient, who need not be there, by one of the parameters of its type."""
    asked = [parameter(resource["resourceType"], code) for code in COMPARTMENT[resource["resourceType"]]]
    return any(
        record.local(element.get("reference", "")) == f"Patient/{patient}"
        for one in asked
        for element in record.elements(one, resource)
    )
