"""fhirpy, synchronous and asynchronous, unchanged."""

import asyncio

import pytest
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, ResourceNotFound

from tests.clients.scenario import SCORES, new_client_bundle, token_by_private_key
from tests.fixtures.server import RunningServer


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_fhirpy_keeps_a_record(server: RunningServer, tenant: str, algorithm: str) -> None:
    token = token_by_private_key(server, tenant, algorithm)
    client = SyncFHIRClient(server.base_url, authorization=f"Bearer {token}")

    answer = client.execute("", method="post", data=new_client_bundle())
    patient_id = answer["entry"][0]["resource"]["id"]

    plans = client.resources("CarePlan").search(subject=f"Patient/{patient_id}").include("CarePlan", "goal")
    bundle = plans.fetch_raw()
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert kinds == ["CarePlan", "Goal", "Goal", "Goal"]

    observations = client.resources("Observation").search(patient=patient_id).sort("date").limit(5)
    found = observations.fetch_all()
    assert [observation["valueQuantity"]["value"] for observation in found] == SCORES
    assert client.resources("Observation").search(patient=patient_id).limit(1).first() is not None


def test_fhirpy_updates_sees_the_conflict_and_deletes(server: RunningServer, tenant: str) -> None:
    token = token_by_private_key(server, tenant, "ES384")
    client = SyncFHIRClient(server.base_url, authorization=f"Bearer {token}")
    goal = client.resource(
        "Goal", lifecycleStatus="proposed", description={"text": "Cooks"}, subject={"reference": "Patient/p"}
    )
    goal.save()
    goal["lifecycleStatus"] = "active"
    goal.save()
    assert client.reference("Goal", goal.id).to_resource()["meta"]["versionId"] == "2"

    # fhirpy sends no If-Match of its own: its header hook does.
    careful = SyncFHIRClient(server.base_url, authorization=f"Bearer {token}", extra_headers={"If-Match": 'W/"1"'})
    stale = careful.resource("Goal", **{name: value for name, value in goal.items() if name != "resourceType"})
    # fhirpy's name for any 412.
    with pytest.raises(MultipleResourcesFound, match="is at version 2, not 1"):
        stale.save()

    client.delete(f"Goal/{goal.id}")
    with pytest.raises(ResourceNotFound):
        client.reference("Goal", goal.id).to_resource()


def test_fhirpy_creates_once(server: RunningServer, tenant: str) -> None:
    client = SyncFHIRClient(server.base_url, authorization=f"Bearer {server.token(tenant)}")
    patient = client.resource("Patient", identifier=[{"system": "urn:s", "value": "1"}])
    search = client.resources("Patient").search(identifier="urn:s|1")
    first, was_created = search.get_or_create(patient)
    again, was_created_again = search.get_or_create(patient)
    assert (was_created, was_created_again) == (True, False)
    assert first.id == again.id


def test_asynchronous_fhirpy_pages_through_a_record(server: RunningServer, tenant: str) -> None:
    token = token_by_private_key(server, tenant, "ES384")

    async def follow() -> list[int]:
        client = AsyncFHIRClient(server.base_url, authorization=f"Bearer {token}")
        answer = await client.execute("", method="post", data=new_client_bundle())
        patient_id = answer["entry"][0]["resource"]["id"]
        observations = client.resources("Observation").search(patient=patient_id).sort("-date").limit(5)
        return [observation["valueQuantity"]["value"] async for observation in observations]

    assert asyncio.run(follow()) == SCORES[::-1]
