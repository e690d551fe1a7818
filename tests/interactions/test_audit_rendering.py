from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.fhir import json_text
from bhr_api.fhir.validation import validate
from bhr_api.interactions.audit_rendering import MEANINGS, OUTCOMES, audit_event, outcome_of, subtypes_of
from bhr_api.store.audit import AuditEvent
from bhr_api.store.audit_reading import event_id_of, id_of

BASE_URL = "https://records.example.org/fhir"
EVENT = AuditEvent(
    tenant=1,
    recorded=datetime(2026, 3, 2, 12, 0, 0, 123_000, UTC),
    event_id=286_331_153_000_000_000,
    interaction="read",
    status=200,
    client_id="bhr_client_1",
    fhir_user=None,
    source="10.0.0.1",
    request_id="r-1",
    resource_type="Goal",
    resource_id="g1",
    version=3,
    query=None,
    patients=[7],
)


def rendered(patient_ids: dict[int, str] | None = None, **changes: Any) -> dict[str, Any]:
    """The AuditEvent of `EVENT` with `changes`, as it is sent."""
    resource = audit_event(EVENT._replace(**changes), {7: "p1"} if patient_ids is None else patient_ids, BASE_URL)
    parsed: dict[str, Any] = json_text.parse(json_text.dumps(resource))
    return parsed


def references(resource: dict[str, Any]) -> list[tuple[str, str]]:
    """(reference, role) of the entities that are resources."""
    return [(entity["what"]["reference"], entity["role"]["code"]) for entity in resource["entity"] if "what" in entity]


@pytest.mark.parametrize("interaction", [*MEANINGS, "everything"])
@pytest.mark.parametrize("status", [200, 404, 500, 503])
def test_every_event_is_valid(interaction: str, status: int) -> None:
    assert validate(rendered(interaction=interaction, status=status)) == []


@pytest.mark.parametrize("absent", ["client_id", "source", "resource_id", "resource_type", "version", "query"])
def test_an_event_of_which_little_is_known_is_valid(absent: str) -> None:
    bare = {"client_id": None, "fhir_user": None, "source": None, "resource_type": None, "resource_id": None}
    assert validate(rendered(**{absent: None})) == []
    assert validate(rendered(**bare, version=None, patients=[], interaction="authenticate", status=401)) == []
    assert validate(rendered(**bare, version=None, patients=[], interaction="oauth-grant", request_id="")) == []


@given(
    interaction=st.sampled_from([*MEANINGS, "export"]),
    status=st.integers(100, 599),
    fhir_user=st.sampled_from([None, "Practitioner/1", "Person/1", f"{BASE_URL}/Patient/p1", "https://else.where/x"]),
    query=st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    patients=st.lists(st.sampled_from([7, 8]), unique=True),
)
def test_whatever_was_recorded_makes_a_valid_event(**changes: Any) -> None:
    assert validate(rendered(**changes)) == []


def test_the_event_says_who_did_what_when_and_how_it_ended() -> None:
    event = rendered()
    assert event["recorded"] == event["meta"]["lastUpdated"] == "2026-03-02T12:00:00.123Z"
    assert (event["type"]["code"], event["subtype"][0]["code"], event["action"], event["outcome"]) == (
        "rest",
        "read",
        "R",
        "0",
    )
    assert event["agent"] == [
        {
            "type": event["agent"][0]["type"],
            "who": {
                "identifier": {
                    "system": "https://bhr-api.github.io/fhir/identifier/oauth-client",
                    "value": "bhr_client_1",
                }
            },
            "altId": "bhr_client_1",
            "requestor": True,
            "network": {"address": "10.0.0.1", "type": "2"},
        }
    ]


def test_the_resource_is_named_by_its_version_and_the_patient_by_role() -> None:
    assert references(rendered()) == [("Goal/g1/_history/3", "4"), ("Patient/p1", "1")]


def test_a_patient_that_was_read_is_one_entity() -> None:
    assert references(rendered(resource_type="Patient", resource_id="p1")) == [("Patient/p1/_history/3", "1")]


def test_a_patient_who_is_no_longer_stored_is_still_counted() -> None:
    entities = rendered(patient_ids={})["entity"]
    unknown = [entity for entity in entities if entity.get("role", {}).get("code") == "1"]
    assert unknown[0]["description"] == "A patient whose record is no longer stored here."


def test_the_person_who_signed_in_is_the_requestor() -> None:
    user, client = rendered(fhir_user="Practitioner/1")["agent"]
    assert (user["who"], user["requestor"]) == ({"reference": "Practitioner/1"}, True)
    assert client["requestor"] is False


def test_a_search_carries_its_query() -> None:
    event = rendered(interaction="search-type", resource_id=None, version=None, query="patient=p1&_count=5")
    queries = [entity["query"] for entity in event["entity"] if "query" in entity]
    assert [b64decode(query) for query in queries] == [b"Goal?patient=p1&_count=5"]
    assert event["action"] == "E"


def test_a_history_of_the_whole_server_has_no_query_to_carry() -> None:
    event = rendered(interaction="history-system", resource_type=None, resource_id=None, version=None, query="")
    assert not any("query" in entity for entity in event["entity"])
    assert validate(event) == []


def test_the_authorization_server_s_reason_is_no_query() -> None:
    event = rendered(
        interaction="oauth-refuse", status=401, resource_type=None, resource_id=None, query="invalid_client: x"
    )
    assert event["outcomeDesc"] == "HTTP status 401: invalid_client: x"
    assert not any("query" in entity for entity in event["entity"])
    assert event["type"]["code"] == "110114"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(100, "0"), (200, "0"), (304, "0"), (400, "4"), (404, "4"), (429, "4"), (500, "8"), (503, "12"), (504, "8")],
)
def test_the_outcome_follows_the_status(status: int, outcome: str) -> None:
    assert outcome_of(status) == outcome


def test_the_outcomes_part_all_statuses_without_a_gap() -> None:
    ranges = sorted(one for found in OUTCOMES.values() for one in found)
    assert [low for low, _ in ranges] == [0, *(high for _, high in ranges[:-1])]


def test_what_r4_has_no_code_for_keeps_the_server_s_own_name() -> None:
    own = "https://bhr-api.github.io/fhir/CodeSystem/audit-interaction"
    restful = "http://hl7.org/fhir/restful-interaction"
    assert subtypes_of("search-compartment") == [(restful, "search-type"), (own, "search-compartment")]
    assert subtypes_of("export") == [(restful, "operation"), (own, "export")]
    assert subtypes_of("oauth-grant") == [(own, "oauth-grant")]


@given(st.integers(0, (1 << 63) - 1))
def test_an_id_leads_back_to_its_event(event_id: int) -> None:
    assert event_id_of(id_of(event_id)) == event_id


@pytest.mark.parametrize("id", ["", "00", "01", "A", "-1", "zzzzzzzzzzzzz", "1y2p0ij32e8e8", "1.5", "٣"])
def test_what_is_no_event_s_id_is_none(id: str) -> None:
    assert event_id_of(id) is None
