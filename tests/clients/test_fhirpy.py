"""fhirpy, synchronous and asynchronous, unchanged."""

import asyncio
import json

import pytest
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from tests.clients.scenario import ALGORITHMS, GOAL_TEXTS, SCORES, new_client_bundle, register
from tests.fixtures.server import RunningServer


@pytest.fixture(params=ALGORITHMS)
def authorization(server: RunningServer, tenant: str, request: pytest.FixtureRequest) -> str:
    return f"Bearer {register(server, tenant, request.param).access_token()}"


def test_fhirpy_keeps_a_record(server: RunningServer, authorization: str) -> None:
    client = SyncFHIRClient(server.base_url, authorization=authorization)
    answer = client.execute("", method="post", data=new_client_bundle())
    patient_id = answer["entry"][0]["resource"]["id"]

    bundle = client.resources("CarePlan").search(patient=patient_id).include("CarePlan", "goal").fetch_raw()
    plan, *goals = (entry["resource"] for entry in bundle["entry"])
    assert plan["subject"]["reference"] == f"Patient/{patient_id}"
    assert {goal.to_reference().reference for goal in goals} == {goal["reference"] for goal in plan["goal"]}
    assert sorted(goal["description"]["text"] for goal in goals) == sorted(GOAL_TEXTS)

    observations = client.resources("Observation").search(patient=patient_id, code="http://loinc.org|44261-6")
    assert len(observations.limit(5).fetch()) == 5
    by_date = observations.sort("date").limit(5)
    assert [observation["valueQuantity"]["value"] for observation in by_date.fetch_all()] == SCORES
    # It names what it wants of each resource; the rest stays away.
    (first,) = observations.sort("date").limit(1).elements("status").fetch()
    assert "valueQuantity" not in first


def test_fhirpy_updates_sees_the_conflict_and_deletes(server: RunningServer, authorization: str) -> None:
    client = SyncFHIRClient(server.base_url, authorization=authorization)
    goal = client.resource(
        "Goal", lifecycleStatus="proposed", description={"text": "Cooks"}, subject={"reference": "Patient/p"}
    )
    goal.save()
    # fhirpy sends no If-Match of its own; its extra headers do.
    careful = SyncFHIRClient(server.base_url, authorization=authorization, extra_headers={"If-Match": 'W/"1"'})
    held = careful.resource("Goal", **{name: value for name, value in goal.items() if name != "resourceType"})
    held["lifecycleStatus"] = "active"
    held.save()
    stored = client.reference("Goal", goal.id).to_resource()
    assert (stored["meta"]["versionId"], stored["lifecycleStatus"]) == ("2", "active")

    held["lifecycleStatus"] = "cancelled"
    # fhirpy's name for any 412.
    with pytest.raises(MultipleResourcesFound, match="is at version 2, not 1"):
        held.save()
    assert client.reference("Goal", goal.id).to_resource()["lifecycleStatus"] == "active"

    client.delete(goal)
    # fhirpy's name for 404 and for 410.
    with pytest.raises(ResourceNotFound) as gone:
        client.reference("Goal", goal.id).to_resource()
    assert json.loads(str(gone.value))["issue"][0]["code"] == "deleted"


def test_fhirpy_creates_once_and_updates_by_condition(server: RunningServer, authorization: str) -> None:
    client = SyncFHIRClient(server.base_url, authorization=authorization)
    search = client.resources("Patient").search(identifier="urn:s|1")
    patient = client.resource("Patient", identifier=[{"system": "urn:s", "value": "1"}])
    first, was_created = search.get_or_create(patient)
    again, was_created_again = search.get_or_create(patient)
    assert (was_created, was_created_again, again.id) == (True, False, first.id)

    patient["gender"] = "female"
    changed, was_created = search.update(patient)
    assert (was_created, changed.id, changed["gender"]) == (False, first.id, "female")


def test_fhirpy_counts_where_unknown_parameters_are_passed_over(server: RunningServer, authorization: str) -> None:
    strict = SyncFHIRClient(server.base_url, authorization=authorization)
    strict.execute("", method="post", data=new_client_bundle())
    # count() adds `_totalMethod`, which is no parameter of FHIR's.
    with pytest.raises(OperationOutcome, match="_totalMethod"):
        strict.resources("Observation").count()
    lenient = SyncFHIRClient(server.base_url, authorization=authorization, extra_headers={"Prefer": "handling=lenient"})
    assert lenient.resources("Observation").count() == 12


def test_fhirpy_refreshes_what_it_holds(server: RunningServer, authorization: str) -> None:
    client = SyncFHIRClient(server.base_url, authorization=authorization)
    patient = client.resource("Patient", gender="unknown")
    patient.save()
    held = client.reference("Patient", patient.id).to_resource()
    patient["gender"] = "female"
    patient.save()
    held.refresh()
    assert (held["gender"], held["meta"]["versionId"]) == ("female", "2")
    held.refresh()
    assert held["gender"] == "female"


def test_fhirpy_patches_what_it_names(server: RunningServer, authorization: str) -> None:
    client = SyncFHIRClient(server.base_url, authorization=authorization)
    patient = client.resource("Patient", gender="unknown", birthDate="1990-02-03")
    patient.save()
    patient["gender"] = "female"
    patient.save(fields=["gender"])
    assert client.patch("Patient", patient.id, birthDate="1990-02-04")["gender"] == "female"
    (kept,) = client.resources("Patient").search(_id=patient.id).fetch()
    assert (kept["gender"], kept["birthDate"], kept["meta"]["versionId"]) == ("female", "1990-02-04", "3")


def test_asynchronous_fhirpy_keeps_a_record(server: RunningServer, authorization: str) -> None:
    async def keep() -> None:
        client = AsyncFHIRClient(server.base_url, authorization=authorization)
        answer = await client.execute("", method="post", data=new_client_bundle())
        patient_id = answer["entry"][0]["resource"]["id"]

        plans = client.resources("CarePlan").search(patient=patient_id).include("CarePlan", "goal")
        plan, *goals = (entry["resource"] for entry in (await plans.fetch_raw())["entry"])
        assert {f"Goal/{goal.id}" for goal in goals} == {goal["reference"] for goal in plan["goal"]}

        observations = client.resources("Observation").search(patient=patient_id).sort("-date").limit(5)
        values = [observation["valueQuantity"]["value"] async for observation in observations]
        assert values == SCORES[::-1]

        stale = AsyncFHIRClient(server.base_url, authorization=authorization, extra_headers={"If-Match": 'W/"9"'})
        with pytest.raises(MultipleResourcesFound, match="is at version 1, not 9"):
            await stale.resource(**{**goals[0], "resource_type": "Goal", "lifecycleStatus": "completed"}).save()
        await goals[0].delete()
        with pytest.raises(ResourceNotFound) as gone:
            await goals[0].to_reference().to_resource()
        assert json.loads(str(gone.value))["issue"][0]["code"] == "deleted"

    asyncio.run(keep())
