import json
import re
from datetime import date

import pytest

from bhr_api.samples import client_record, generate
from bhr_api.samples.generator import TODAY
from tests.samples.record import CLIENTS, bundles, objects, path, resources, story_of


def test_the_same_seed_count_and_day_give_the_same_bytes() -> None:
    first, second = (json.dumps(list(generate(3, seed=7, today=date(2026, 5, 1)))) for _ in range(2))

    assert first == second


def test_another_seed_gives_other_records() -> None:
    assert client_record(1, seed=1) != client_record(1, seed=2)


def test_asking_for_more_clients_leaves_the_first_ones_as_they_were() -> None:
    assert list(generate(2))[1:] == list(bundles()[1:3])


def test_no_clients_are_the_shared_bundle_alone() -> None:
    assert [bundle["type"] for bundle in generate(0)] == ["transaction"]


def test_every_entry_is_an_update_under_the_id_of_its_resource() -> None:
    for bundle in bundles():
        for entry in bundle["entry"]:
            assert entry["request"] == {"method": "PUT", "url": path(entry["resource"])}
            assert entry["fullUrl"].endswith("/" + path(entry["resource"]))


def test_no_id_is_used_twice() -> None:
    paths = [path(entry["resource"]) for bundle in bundles() for entry in bundle["entry"]]

    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("client", [0, *CLIENTS])
def test_every_reference_resolves_in_the_bundle_or_the_shared_one(client: int) -> None:
    known = {path(resource) for resource in resources(client) + resources(0)}
    for resource in resources(client):
        contained = {"#" + inner["id"] for inner in resource.get("contained", [])}
        named = {value["reference"] for value in objects(resource) if isinstance(value.get("reference"), str)}

        assert named <= known | contained, path(resource)
        assert contained <= named, f"{path(resource)}: dom-3, a contained resource that nothing refers to"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_record_is_of_the_size_of_a_year_of_support(client: int) -> None:
    assert 150 <= len(resources(client)) <= 350


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_has_all_that_a_record_needs(client: int) -> None:
    found = {resource["resourceType"] for resource in resources(client)}

    assert found >= {
        "Patient", "RelatedPerson", "EpisodeOfCare", "Encounter", "Condition", "CareTeam", "Consent", "CarePlan",
        "Goal", "QuestionnaireResponse", "Observation", "DocumentReference", "Procedure", "Provenance", "Task",
        "Communication", "ServiceRequest", "Appointment", "MedicationRequest", "MedicationStatement",
    }  # fmt: skip


@pytest.mark.parametrize("resource_type", ["Flag", "AdverseEvent", "MedicationAdministration"])
def test_rarer_events_happen_to_some_clients_only(resource_type: str) -> None:
    having = [client for client in CLIENTS if resources(client, resource_type)]

    assert 0 < len(having) < len(CLIENTS)


DONE = {
    "Encounter",
    "DocumentReference",
    "Observation",
    "QuestionnaireResponse",
    "Procedure",
    "MedicationAdministration",
}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_was_done_was_done_by_today_and_since_the_intake(client: int) -> None:
    for resource in resources(client):
        if resource["resourceType"] in DONE:
            days = re.findall(r"\b20\d\d-\d\d-\d\d", json.dumps(resource))
            assert story_of(client).start.isoformat() <= min(days) <= max(days) <= TODAY.isoformat(), path(resource)
