"""AuditEvent over HTTP (FHIR R4, auditevent.html)."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from bhr_api.fhir import json_text
from bhr_api.fhir.validation import validate
from tests.fixtures.server import ClientWith, RunningServer

PATIENT = {"resourceType": "Patient", "birthDate": "1990-02"}


def answer(client: httpx.Client, address: str) -> dict[str, Any]:
    """The JSON of a good answer."""
    response = client.get(address)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def events(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    """The audit events on a page of matches."""
    return [entry["resource"] for entry in answer(client, f"/AuditEvent?{query}").get("entry", [])]


def await_events(client: httpx.Client, query: str, count: int = 1) -> list[dict[str, Any]]:
    """The events once there are `count` of them; those of reads are written within the flush time."""
    deadline = time.monotonic() + 5
    while len(found := events(client, query)) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} events"
        time.sleep(0.05)
    return found


def create(client: httpx.Client, resource: Mapping[str, Any]) -> str:
    """The id of a new resource."""
    response = client.post(f"/{resource['resourceType']}", json=dict(resource))
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def goal_of(patient: str) -> dict[str, Any]:
    return {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "Sleep through the night"},
        "subject": {"reference": f"Patient/{patient}"},
    }


def references(event: Mapping[str, Any]) -> set[str]:
    return {entity["what"]["reference"] for entity in event["entity"] if "what" in entity}


@pytest.fixture
def patient(client: httpx.Client) -> str:
    return create(client, PATIENT)


@pytest.fixture
def goal(client: httpx.Client, patient: str) -> str:
    """A goal that was created, read and looked for: three events about the patient, beside the patient's creation."""
    goal = create(client, goal_of(patient))
    answer(client, f"/Goal/{goal}")
    answer(client, f"/Goal?patient={patient}")
    await_events(client, "subtype=read,search-type,create&entity=Goal/" + goal, 2)
    await_events(client, f"subtype=search-type&patient={patient}")
    return goal


def test_a_write_is_audited_with_what_it_wrote_and_whose_it_is(client: httpx.Client, patient: str) -> None:
    goal = create(client, goal_of(patient))
    (event,) = events(client, f"entity=Goal/{goal}")
    assert event["subtype"][0]["code"] == "create"
    assert references(event) == {f"Goal/{goal}/_history/1", f"Patient/{patient}"}
    assert event["agent"][0]["who"]["identifier"]["value"] == "test"


def test_every_event_on_a_page_is_valid(client: httpx.Client, goal: str) -> None:
    client.get("/Goal/unknown")
    client.get("/Goal?nonsense=1")
    bundle = json_text.parse(client.get("/AuditEvent?_total=accurate").content)
    assert validate(bundle) == []
    assert bundle["total"] == len(bundle["entry"])


def test_an_event_is_read_by_its_id(client: httpx.Client, goal: str) -> None:
    (found,) = events(client, f"entity=Goal/{goal}&action=C")
    response = client.get(f"/AuditEvent/{found['id']}")
    assert response.json() == found
    assert response.headers["etag"] == 'W/"1"'
    assert events(client, f"_id={found['id']},nonsense") == [found]


@pytest.mark.parametrize("id", ["nonsense", "0", "zzzzzzzzzzzz", "Z"])
def test_an_unknown_event_is_not_found(client: httpx.Client, id: str) -> None:
    response = client.get(f"/AuditEvent/{id}")
    assert (response.status_code, response.json()["issue"][0]["code"]) == (404, "not-found")


def test_reading_the_trail_leaves_an_event(client: httpx.Client, goal: str) -> None:
    (found,) = events(client, f"entity=Goal/{goal}&action=C")
    answer(client, f"/AuditEvent/{found['id']}")
    (read,) = await_events(client, f"entity=AuditEvent/{found['id']}&subtype=read")
    assert read["subtype"][0]["code"] == "read"


def test_searching_the_trail_leaves_an_event_that_names_whose_records_it_told_of(
    client: httpx.Client, patient: str, goal: str
) -> None:
    (found,) = events(client, f"entity=Goal/{goal}&action=C")
    told = await_events(client, f"patient={patient}&subtype=search-type", 2)
    assert any(f"Patient/{patient}" in references(event) for event in told)
    assert found["id"] not in {event["id"] for event in told}


def test_a_refusal_is_an_event(client: httpx.Client, client_with: ClientWith) -> None:
    assert client_with("system/Goal.r").get("/Patient/p").status_code == 403
    (event,) = await_events(client, "outcome=4")
    assert (event["outcome"], event["outcomeDesc"]) == ("4", "HTTP status 403")


def test_the_trail_of_another_tenant_is_not_seen(server: RunningServer, client: httpx.Client, goal: str) -> None:
    (found,) = events(client, f"entity=Goal/{goal}&action=C")
    with server.client(server.token(server.new_tenant())) as stranger:
        assert stranger.get(f"/AuditEvent/{found['id']}").status_code == 404
        assert events(stranger, f"entity=Goal/{goal}") == []


def test_a_token_for_one_patient_sees_no_event(client_with: ClientWith, patient: str) -> None:
    confined = client_with("patient/*.rs", patient=patient)
    for address in ("/AuditEvent", "/AuditEvent/1", f"/AuditEvent?patient={patient}", f"/Patient/{patient}/AuditEvent"):
        assert confined.get(address).status_code == 403


def test_a_token_without_the_scope_sees_no_event(client_with: ClientWith) -> None:
    other = client_with("system/Goal.rs")
    assert other.get("/AuditEvent").status_code == 403
    assert other.get("/AuditEvent/1").status_code == 403


@pytest.mark.parametrize("form", ["{}", "Patient/{}", "{base}/Patient/{}"])
def test_all_that_happened_to_a_patient_s_record_is_found(
    server: RunningServer, client: httpx.Client, patient: str, goal: str, form: str
) -> None:
    reference = form.format(patient, base=server.base_url)
    found = events(client, f"patient={reference}")
    kinds = {event["subtype"][0]["code"] for event in found}
    assert kinds >= {"create", "read", "search-type"}
    assert all(
        f"Patient/{patient}" in {name.partition("/_history")[0] for name in references(event)} for event in found
    )


def test_events_about_somebody_else_are_not_the_patient_s(client: httpx.Client, patient: str, goal: str) -> None:
    other = create(client, PATIENT)
    found = events(client, f"patient={other}")
    assert [event["subtype"][0]["code"] for event in found] == ["create"]


def test_a_deleted_patient_is_still_named(client: httpx.Client, patient: str, goal: str) -> None:
    client.delete(f"/Goal/{goal}")
    assert client.delete(f"/Patient/{patient}").status_code in (200, 204)
    (event,) = events(client, f"entity=Goal/{goal}&subtype=read")
    assert f"Patient/{patient}" in references(event)


def test_the_compartment_of_a_patient_holds_the_events(client: httpx.Client, patient: str, goal: str) -> None:
    bundle = answer(client, f"/Patient/{patient}/AuditEvent?action=C")
    assert len(bundle["entry"]) == 2


def test_the_person_who_signed_in_is_found_as_agent(client: httpx.Client, client_with: ClientWith, goal: str) -> None:
    worker = client_with("user/*.rs", user="Practitioner/w1")
    answer(worker, f"/Goal/{goal}")
    (event,) = await_events(client, "agent=Practitioner/w1")
    assert event["agent"][0]["who"] == {"reference": "Practitioner/w1"}
    assert event == events(client, "agent=w1")[0] == events(client, "agent:Practitioner=w1")[0]
    assert events(client, "agent=Practitioner/w2") == []


def test_the_client_is_found_by_its_identifier(client: httpx.Client, goal: str) -> None:
    system = "https://bhr-api.github.io/fhir/identifier/oauth-client"
    for query in ("agent:identifier=test", f"agent:identifier={system}|test", "altid=test"):
        assert events(client, f"{query}&entity=Goal/{goal}")
    for query in ("agent:identifier=tes", "agent:identifier=else|test", "altid=else|test"):
        assert events(client, f"{query}&entity=Goal/{goal}") == []


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("action=C", {"create"}),
        ("action=R", {"read"}),
        ("action=http://hl7.org/fhir/audit-event-action|C", {"create"}),
        ("action=else|C", set()),
        ("action=C,R", {"create", "read"}),
        ("action:not=C", {"read"}),
        ("subtype=read", {"read"}),
        ("subtype=http://hl7.org/fhir/restful-interaction|create", {"create"}),
        ("subtype=operation", set()),
        ("subtype:not=read", {"create"}),
        ("type=rest", {"create", "read"}),
        ("type=http://terminology.hl7.org/CodeSystem/audit-event-type|", {"create", "read"}),
        ("type=110114", set()),
        ("type:not=110114", {"create", "read"}),
        ("outcome=0", {"create", "read"}),
        ("outcome:not=0", set()),
        ("outcome=4,8,12", set()),
    ],
)
def test_token_parameters_ask_for_codes(client: httpx.Client, goal: str, query: str, codes: set[str]) -> None:
    found = events(client, f"entity=Goal/{goal}&{query}")
    assert {event["subtype"][0]["code"] for event in found} == codes


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("date={}", True),
        ("date=ge{}", True),
        ("date=le{}", True),
        ("date=ap{}", True),
        ("date=ne{}", False),
        ("date=gt{}", False),
        ("date=lt{}", False),
        ("date=sa{}", False),
        ("date=eb{}", False),
        ("_lastUpdated={}", True),
    ],
)
def test_the_date_is_an_instant_of_a_millisecond(client: httpx.Client, patient: str, query: str, found: bool) -> None:
    (event,) = events(client, f"entity=Patient/{patient}&action=C")
    matched = events(client, f"entity=Patient/{patient}&action=C&{query.format(event['recorded'])}")
    assert (matched == [event]) is found


@pytest.mark.parametrize(
    ("prefix", "day_before", "same_day", "day_after"),
    [
        ("eq", False, True, False),
        ("ne", True, False, True),
        ("gt", True, False, False),
        ("lt", False, False, True),
        ("ge", True, True, False),
        ("le", False, True, True),
        ("sa", True, False, False),
        ("eb", False, False, True),
    ],
)
def test_days_are_compared_by_their_prefix(
    client: httpx.Client, patient: str, prefix: str, day_before: bool, same_day: bool, day_after: bool
) -> None:
    (event,) = events(client, f"entity=Patient/{patient}&action=C")
    day = datetime.fromisoformat(event["recorded"]).astimezone(UTC)
    found = []
    for shift in (-1, 0, 1):
        asked = f"{day + timedelta(days=shift):%Y-%m-%d}"
        found.append(bool(events(client, f"entity=Patient/{patient}&action=C&date={prefix}{asked}")))
    assert found == [day_before, same_day, day_after]


@pytest.mark.parametrize("prefix", ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"])
@pytest.mark.parametrize("year", ["0001", "9999"])
def test_the_ends_of_time_can_be_asked_for(client: httpx.Client, patient: str, prefix: str, year: str) -> None:
    found = events(client, f"entity=Patient/{patient}&action=C&date={prefix}{year}")
    expected = {"0001": {"ne", "gt", "ge", "sa"}, "9999": {"ne", "lt", "le", "eb"}}[year]
    assert bool(found) is (prefix in expected) or prefix == "ap"


def test_pages_show_every_event_once_in_both_orders(client: httpx.Client) -> None:
    for _ in range(7):
        create(client, PATIENT)
    for sort in ("_sort=date", "_sort=-date", ""):
        walked: list[str] = []
        address: str | None = f"/AuditEvent?action=C&_count=3&{sort}"
        sizes = []
        while address:
            bundle = answer(client, address)
            walked += [entry["resource"]["recorded"] for entry in bundle["entry"]]
            sizes.append(len(bundle["entry"]))
            address = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
            # What happens during a walk stays out of it.
            create(client, PATIENT)
        expected = len(walked)
        assert sum(sizes) == expected
        assert walked == sorted(walked, reverse=sort != "_sort=date")
        assert sizes[:-1] == [3] * (len(sizes) - 1)


def test_a_walk_leaves_out_what_happens_meanwhile(client: httpx.Client, patient: str) -> None:
    create(client, PATIENT)
    first = answer(client, "/AuditEvent?action=C&_count=1&_sort=date")
    create(client, PATIENT)
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    second = answer(client, following)
    assert len(second["entry"]) == 1
    assert all(link["relation"] != "next" for link in second["link"])


def test_a_cursor_is_good_for_its_own_query_only(client: httpx.Client, patient: str) -> None:
    create(client, PATIENT)
    bundle = answer(client, "/AuditEvent?action=C&_count=1")
    following = next(link["url"] for link in bundle["link"] if link["relation"] == "next")
    assert client.get(following.replace("action=C", "action=R")).status_code == 400


def test_the_total_counts_all_matches(client: httpx.Client, goal: str) -> None:
    bundle = answer(client, f"/AuditEvent?entity=Goal/{goal}&_total=accurate&_count=1")
    assert (bundle["total"], len(bundle["entry"])) == (2, 1)
    for query in ("_summary=count", "_count=0"):
        counted = answer(client, f"/AuditEvent?entity=Goal/{goal}&{query}")
        assert (counted["total"], "entry" in counted) == (2, False)


def test_elements_cut_the_event_down(client: httpx.Client, goal: str) -> None:
    event = events(client, f"entity=Goal/{goal}&_elements=recorded")[0]
    assert "entity" not in event
    assert event["recorded"]


@pytest.mark.parametrize(
    "query",
    [
        "nonsense=1",
        "agent-name=Jo",
        "source=Device/1",
        "policy=urn:x",
        "site=here",
        "agent.name=Jo",
        "patient.name=Jo",
        "_include=AuditEvent:patient",
        "_sort=agent",
        "_sort=date,-date",
        "_has:Goal:subject:x=1",
    ],
)
def test_what_is_not_served_is_refused_unless_the_client_is_lenient(
    client: httpx.Client, goal: str, query: str
) -> None:
    response = client.get(f"/AuditEvent?{query}")
    assert (response.status_code, response.json()["issue"][0]["code"]) == (400, "not-supported")
    lenient = client.get(f"/AuditEvent?{query}&entity=Goal/{goal}", headers={"Prefer": "handling=lenient"})
    assert [entry["search"]["mode"] for entry in lenient.json()["entry"]] == ["match", "match", "outcome"]


@pytest.mark.parametrize("query", ["patient:identifier=1", "date:missing=true", "action:in=x", "entity:Nonsense=1"])
@pytest.mark.parametrize("handling", ["strict", "lenient"])
def test_a_modifier_that_is_not_served_is_refused_also_to_the_lenient(
    client: httpx.Client, query: str, handling: str
) -> None:
    response = client.get(f"/AuditEvent?{query}", headers={"Prefer": f"handling={handling}"})
    assert (response.status_code, response.json()["issue"][0]["code"]) == (400, "not-supported")


@pytest.mark.parametrize(
    "query",
    [
        "date=2026-13",
        "date=soon",
        "patient=Pat%20ient",
        "entity=http://else.where/Goal/1",
        "entity:Goal=Task/1",
        "action=a|b|c",
        "action=|",
        "action=,",
        "_count=x",
    ],
)
def test_a_value_not_of_its_form_is_refused(client: httpx.Client, query: str) -> None:
    response = client.get(f"/AuditEvent?{query}")
    assert (response.status_code, response.json()["issue"][0]["code"]) == (400, "value")


def test_an_audit_event_cannot_be_written(client: httpx.Client, goal: str) -> None:
    event = events(client, f"entity=Goal/{goal}&action=C")[0]
    assert client.put(f"/AuditEvent/{event['id']}", json=event).status_code in (403, 405)
    assert client.post("/AuditEvent", json=event).status_code in (403, 405)
    assert client.delete(f"/AuditEvent/{event['id']}").status_code in (403, 405)
    assert events(client, f"_id={event['id']}") == [event]
