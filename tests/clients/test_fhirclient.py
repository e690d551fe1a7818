"""fhirclient, the SMART project's Python client, unchanged."""

from typing import Any

import pytest
from fhirclient import client as fhir_client
from fhirclient.models.bundle import Bundle
from fhirclient.models.careplan import CarePlan
from fhirclient.models.goal import Goal
from fhirclient.models.observation import Observation
from fhirclient.server import FHIRNotFoundException
from requests import HTTPError

from tests.clients.scenario import SCORES, new_client_bundle, token_by_private_key
from tests.fixtures.server import RunningServer


@pytest.fixture(params=["RS384", "ES384"])
def smart(server: RunningServer, tenant: str, request: pytest.FixtureRequest) -> Any:
    """A client with a token; the library signs in people only, so the token is put into its session."""
    smart = fhir_client.FHIRClient(settings={"app_id": "test", "api_base": server.base_url})
    token = token_by_private_key(server, tenant, request.param)
    smart.server.session.headers["Authorization"] = f"Bearer {token}"
    return smart


def test_fhirclient_keeps_a_record(smart: Any) -> None:
    answer = smart.server.post_json("", new_client_bundle()).json()
    patient_id = answer["entry"][0]["resource"]["id"]

    (plans,) = CarePlan.where({"patient": patient_id, "_include": "CarePlan:goal"}).perform_iter(smart.server)
    assert isinstance(plans, Bundle)
    assert [entry.resource.resource_type for entry in plans.entry] == ["CarePlan", "Goal", "Goal", "Goal"]

    found = Observation.where({"patient": patient_id, "_sort": "date", "_count": "5"}).perform_resources_iter(
        smart.server
    )
    assert [observation.valueQuantity.value for observation in found] == SCORES


def test_fhirclient_updates_sees_the_conflict_and_deletes(smart: Any) -> None:
    goal = Goal(
        {"lifecycleStatus": "proposed", "description": {"text": "Cooks"}, "subject": {"reference": "Patient/p"}}
    )
    goal_id = goal.create(smart.server)["id"]
    goal = Goal.read(goal_id, smart.server)
    goal.lifecycleStatus = "active"
    goal.update(smart.server)
    assert Goal.read(goal_id, smart.server).meta.versionId == "2"

    smart.server.session.headers["If-Match"] = 'W/"1"'
    with pytest.raises(HTTPError) as conflict:
        goal.update(smart.server)
    assert conflict.value.response is not None
    assert conflict.value.response.status_code == 412
    del smart.server.session.headers["If-Match"]

    goal.delete(smart.server)
    with pytest.raises((FHIRNotFoundException, HTTPError)) as gone:
        Goal.read(goal_id, smart.server)
    assert gone.value.response.status_code == 410


def test_fhirclient_reads_the_capabilities(smart: Any) -> None:
    capabilities = smart.server.capabilityStatement
    assert capabilities.fhirVersion == "4.0.1"
    assert {"Patient", "CarePlan", "Goal"} <= {resource.type for resource in capabilities.rest[0].resource}
