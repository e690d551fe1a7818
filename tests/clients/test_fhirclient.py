"""fhirclient, the SMART project's Python client, unchanged; it gets its token by itself, with an assertion that it is given."""

from typing import Any

import pytest
from fhirclient import client as fhir_client
from fhirclient.models.careplan import CarePlan
from fhirclient.models.goal import Goal
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException, FHIRUnauthorizedException
from requests import HTTPError

from tests.clients.scenario import ALGORITHMS, GOAL_TEXTS, SCOPE, SCORES, new_client_bundle, register
from tests.fixtures.server import RunningServer


@pytest.fixture(params=ALGORITHMS)
def smart(server: RunningServer, tenant: str, request: pytest.FixtureRequest) -> Any:
    """A client that finds the token endpoint in the CapabilityStatement and asks there."""
    backend = register(server, tenant, request.param)
    smart = fhir_client.FHIRClient(
        settings={
            "app_id": backend.client_id,
            "api_base": server.base_url,
            "scope": SCOPE,
            "jwt_token": backend.assertion(),
        }
    )
    smart.prepare()
    smart.authorize()
    assert smart.ready
    return smart


def test_fhirclient_keeps_a_record(smart: Any) -> None:
    answer = smart.server.post_json("", new_client_bundle()).json()
    patient_id = answer["entry"][0]["resource"]["id"]
    assert Patient.read(patient_id, smart.server).name[0].given == ["Inés"]

    (bundle,) = CarePlan.where({"patient": patient_id}).include("goal").perform_iter(smart.server)
    plan, *goals = (entry.resource for entry in bundle.entry)
    assert plan.subject.reference == f"Patient/{patient_id}"
    assert {goal.relativePath() for goal in goals} == {goal.reference for goal in plan.goal}
    assert sorted(goal.description.text for goal in goals) == sorted(GOAL_TEXTS)

    search = Observation.where({"patient": patient_id, "_sort": "date", "_count": "5"})
    pages = list(search.perform_iter(smart.server))
    assert [len(page.entry) for page in pages] == [5, 5, 2]
    values = [entry.resource.valueQuantity.value for page in pages for entry in page.entry]
    assert values == SCORES


def test_fhirclient_updates_sees_the_conflict_and_deletes(smart: Any) -> None:
    goal = Goal(
        {"lifecycleStatus": "proposed", "description": {"text": "Cooks"}, "subject": {"reference": "Patient/p"}}
    )
    goal = Goal.read(goal.create(smart.server)["id"], smart.server)
    # fhirclient sends no If-Match of its own; the session that it uses does.
    smart.server.session.headers["If-Match"] = f'W/"{goal.meta.versionId}"'
    goal.lifecycleStatus = "active"
    assert goal.update(smart.server)["meta"]["versionId"] == "2"

    goal.lifecycleStatus = "cancelled"
    with pytest.raises(HTTPError) as conflict:
        goal.update(smart.server)
    assert refusal(conflict.value)[:2] == (412, "conflict")
    assert "is at version 2, not 1" in refusal(conflict.value)[2]
    del smart.server.session.headers["If-Match"]
    assert Goal.read(goal.id, smart.server).lifecycleStatus == "active"

    goal.delete(smart.server)
    with pytest.raises(HTTPError) as gone:
        Goal.read(goal.id, smart.server)
    assert refusal(gone.value)[:2] == (410, "deleted")


def test_fhirclient_tells_what_is_not_there_from_what_needs_a_token(smart: Any) -> None:
    with pytest.raises(FHIRNotFoundException):
        Goal.read("none", smart.server)
    smart.server.auth.access_token = "wrong"
    with pytest.raises(FHIRUnauthorizedException):
        Goal.read("none", smart.server)


def test_fhirclient_reads_the_capabilities(smart: Any) -> None:
    capabilities = smart.server.capabilityStatement
    assert capabilities.fhirVersion == "4.0.1"
    assert {"Patient", "CarePlan", "Goal"} <= {resource.type for resource in capabilities.rest[0].resource}


def refusal(error: HTTPError) -> tuple[int, str, str]:
    """Status, code and sentence."""
    assert error.response is not None
    (issue,) = error.response.json()["issue"]
    return error.response.status_code, issue["code"], issue["diagnostics"]
