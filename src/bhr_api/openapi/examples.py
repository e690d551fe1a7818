"""Examples: one resource of each documented type, from the sample clients of the demo (docs/sample-data.md)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from bhr_api.fhir.definitions import Resource
from bhr_api.interactions.audit_rendering import audit_event
from bhr_api.openapi.documented_types import DOCUMENTED_TYPES
from bhr_api.samples.generator import generate
from bhr_api.store.audit import AuditEvent

_CLIENTS = 3
# Those that show most of their type, where the first of a record is not it.
_CHOSEN: Mapping[str, str] = {
    "CarePlan": "sample-0001-plan-2",
    "Observation": "sample-0001-phq-9-02",
    "Practitioner": "sample-team-01-support-worker-1",
    "PractitionerRole": "sample-team-01-support-worker-1-role",
    "Questionnaire": "gad-7",
    "QuestionnaireResponse": "sample-0001-phq-9-02",
}
_STORED_AT = "2026-11-01T15:30:00.000Z"
_BASE_URL = "http://127.0.0.1:8000/fhir"


@cache
def examples() -> Mapping[str, Resource]:
    """Documented type -> a resource as a client would send it; for AuditEvent as the server answers it."""
    resources = [entry["resource"] for bundle in generate(_CLIENTS) for entry in bundle["entry"]]
    found: dict[str, Resource] = {"RiskAssessment": _risk_assessment(), "AuditEvent": _audit_event()}
    for resource in resources:
        name = resource["resourceType"]
        if name not in found and resource["id"] == _CHOSEN.get(name, resource["id"]):
            found[name] = resource
    return {name: found[name] for name in DOCUMENTED_TYPES}


def stored(resource: Resource) -> Resource:
    """The resource as it is answered: with the version and the time that the server gives it."""
    if "versionId" in resource.get("meta", {}):
        return resource
    meta: dict[str, Any] = {"versionId": "1", "lastUpdated": _STORED_AT} | resource.get("meta", {})
    head = {"resourceType": resource["resourceType"], "id": resource["id"], "meta": meta}
    return head | {name: value for name, value in resource.items() if name not in head}


def searchset(resource: Resource) -> Resource:
    """What a search that finds `resource` alone answers."""
    name, id = resource["resourceType"], resource["id"]
    address = f"{_BASE_URL}/{name}"
    entry = {"fullUrl": f"{address}/{id}", "resource": stored(resource), "search": {"mode": "match"}}
    return _bundle("searchset", f"{address}?_id={id}", entry) | {"total": 1}


def history(resource: Resource) -> Resource:
    """The history of `resource`, which has one version."""
    name, id = resource["resourceType"], resource["id"]
    response = {"status": "201", "etag": 'W/"1"', "lastModified": _STORED_AT}
    entry = {
        "fullUrl": f"{_BASE_URL}/{name}/{id}",
        "resource": stored(resource),
        "request": {"method": "PUT", "url": f"{name}/{id}"},
        "response": response,
    }
    return _bundle("history", f"{_BASE_URL}/{name}/{id}/_history", entry)


def _bundle(type: str, address: str, entry: Resource) -> Resource:
    return {
        "resourceType": "Bundle",
        "meta": {"lastUpdated": _STORED_AT},
        "type": type,
        "link": [{"relation": "self", "url": address}],
        "entry": [entry],
    }


def transaction() -> Resource:
    """A transaction that creates a goal and a care plan that refers to it by the goal's temporary URL."""
    goal_url = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    patient = {"reference": "Patient/sample-0001"}
    goal = {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "Use one coping skill on five days of the week"},
        "subject": patient,
        "startDate": "2026-11-02",
    }
    plan = {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "title": "Coping skills at home",
        "subject": patient,
        "goal": [{"reference": goal_url}],
    }
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": goal_url, "resource": goal, "request": {"method": "POST", "url": "Goal"}},
            {"resource": plan, "request": {"method": "POST", "url": "CarePlan"}},
        ],
    }


def transaction_response() -> Resource:
    """What answers `transaction()`: the entries in the same order, each with where it went."""
    ids = {
        "Goal": "019ac3f0-5e1b-7c62-9f0e-3a9d64b1e0a7",
        "CarePlan": "019ac3f0-5e1b-7d10-8a4c-92b5f7c3d1e8",
    }
    entries = [
        {
            "response": {
                "status": "201",
                "location": f"{name}/{id}/_history/1",
                "etag": 'W/"1"',
                "lastModified": _STORED_AT,
            }
        }
        for name, id in ids.items()
    ]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}


def _risk_assessment() -> Resource:
    # The sample records hold risk in Flag and Task; this is what a clinician's judgement beside them looks like.
    return {
        "resourceType": "RiskAssessment",
        "id": "sample-0001-risk",
        "status": "final",
        "subject": {"reference": "Patient/sample-0001"},
        "occurrenceDateTime": "2026-10-05T14:30:00-07:00",
        "performer": {"reference": "Practitioner/sample-team-01-clinician"},
        "basis": [{"reference": "Observation/sample-0001-phq-9-02"}],
        "prediction": [
            {
                "outcome": {"text": "Self-harm"},
                "qualitativeRisk": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/risk-probability",
                            "code": "low",
                            "display": "Low likelihood",
                        }
                    ]
                },
                "whenPeriod": {"start": "2026-10-05", "end": "2026-11-02"},
                "rationale": "Passive thoughts without plan or intent; the safety plan was gone through together.",
            }
        ],
        "mitigation": "Weekly contact with the case manager; crisis line number on the client's telephone.",
    }


def _audit_event() -> Resource:
    event = AuditEvent(
        tenant=1,
        recorded=datetime(2026, 11, 1, 15, 30, tzinfo=UTC),
        event_id=7_700_000_000_000_001,
        interaction="read",
        status=200,
        client_id="bhr_client_default_sample",
        fhir_user="Practitioner/sample-team-01-clinician",
        source="192.0.2.10",
        request_id="3f1c5b0e9a7d4c21",
        resource_type="CarePlan",
        resource_id="sample-0001-plan-2",
        version=1,
        query=None,
        patients=[1],
    )
    return audit_event(event, {1: "sample-0001"}, _BASE_URL)
