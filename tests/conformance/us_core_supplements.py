"""Resources for the searches that US Core lists and has no example of (US Core 6.1.0 and 8.0.0)."""

from bhr_api.fhir.definitions import Resource

SUPPLEMENTS: list[Resource] = [
    {
        "resourceType": "CarePlan",
        "id": "with-a-period",
        "status": "active",
        "intent": "plan",
        "category": [
            {"coding": [{"system": "http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "code": "assess-plan"}]}
        ],
        "subject": {"reference": "Patient/example"},
        "period": {"start": "2024-02", "end": "2024-11-30"},
    },
    {
        "resourceType": "Condition",
        "id": "abated",
        "clinicalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved"}]
        },
        "subject": {"reference": "Patient/example"},
        "abatementDateTime": "2024-05",
    },
    {
        "resourceType": "Encounter",
        "id": "numbered",
        "identifier": [{"system": "urn:oid:2.16.840.1.113883.19.5", "value": "visit,1"}],
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    },
    {
        "resourceType": "PractitionerRole",
        "id": "counselor",
        "practitioner": {"reference": "Practitioner/practitioner-1"},
        "specialty": [{"coding": [{"system": "http://nucc.org/provider-taxonomy", "code": "101YM0800X"}]}],
        "endpoint": [{"reference": "Endpoint/e"}],
    },
    {
        "resourceType": "Endpoint",
        "id": "e",
        "status": "active",
        "connectionType": {"code": "hl7-fhir-rest"},
        "payloadType": [{"text": "FHIR"}],
        "address": "https://fhir.example.org",
    },
    {
        "resourceType": "CareTeam",
        "id": "with-a-role",
        "status": "active",
        "subject": {"reference": "Patient/example"},
        "participant": [
            {
                "role": [{"coding": [{"system": "http://nucc.org/provider-taxonomy", "code": "101YM0800X"}]}],
                "member": {"reference": "PractitionerRole/counselor"},
            }
        ],
    },
    {
        "resourceType": "MedicationDispense",
        "id": "of-a-medication",
        "status": "completed",
        "medicationReference": {"reference": "Medication/uscore-med1"},
        "subject": {"reference": "Patient/example"},
    },
]


def provenance_of(resource: Resource) -> Resource:
    """A Provenance of `resource`, with the type as its id."""
    return {
        "resourceType": "Provenance",
        "id": f"of-{resource['resourceType']}",
        "target": [{"reference": f"{resource['resourceType']}/{resource['id']}"}],
        "recorded": "2024-02-03T10:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/practitioner-1"}}],
    }
