"""$everything tells the whole record, and nothing of another (operation-patient-everything.html)."""

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from bhr_api.interactions.context import Context
from bhr_api.interactions.requests import Request, parse_parameters
from bhr_api.operations.everything import PATIENT_EVERYTHING
from tests.fixtures.record import open_record
from tests.fixtures.server import RunningServer
from tests.operations.records import (
    Resource,
    answered,
    audited,
    encounter,
    named,
    names_in,
    observation,
    pages,
    parameters,
    patient,
    put,
    reference,
    whats_of,
)

MakeClient = Callable[..., httpx.Client]
EVERYTHING = "/Patient/own/$everything"


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    """Two patients, each with an encounter and an observation; of one practice."""
    put(client, named("Organization", "practice", name="Practice"), named("Practitioner", "nurse"))
    put(client, named("Practitioner", "nobodys"))
    for id in ("own", "other"):
        put(client, patient(id, managingOrganization=reference("Organization/practice")))
        put(
            client,
            encounter(f"visit-{id}", id),
            observation(f"score-{id}", id, performer=[reference("Practitioner/nurse")]),
        )
    return client


def test_the_record_comes_with_what_it_refers_to(record: httpx.Client) -> None:
    answer = record.get(EVERYTHING).json()
    assert answer["type"] == "searchset"
    assert names_in(answer) == [
        "Patient/own",
        "Observation/score-own",
        "Encounter/visit-own",
        "Practitioner/nurse",
        "Organization/practice",
    ]
    assert [entry["search"]["mode"] for entry in answer["entry"]] == ["match"] * 3 + ["include"] * 2


@pytest.mark.parametrize("road", ["/Patient/other/$everything", "/Encounter/visit-other/$everything"])
def test_another_patients_record_and_none_answer_alike(
    record: httpx.Client, client_with: MakeClient, road: str
) -> None:
    token = client_with("patient/*.cruds", patient="own")
    hidden, absent = token.get(road), token.get(road.replace("other", "none"))
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("other", "none") == absent.text


def test_another_tenants_record_is_none(record: httpx.Client, server: RunningServer) -> None:
    with server.client(server.token(server.new_tenant())) as stranger:
        assert stranger.get(EVERYTHING).status_code == 404


@pytest.mark.parametrize("part", ["_elements=status", "_summary=true", "_summary=data", "_summary=text"])
def test_parts_of_the_record_are_marked(record: httpx.Client, part: str) -> None:
    for page in pages(record, f"{EVERYTHING}?{part}&_count=2"):
        for entry in page["entry"]:
            assert entry["resource"]["meta"]["tag"][-1]["code"] == "SUBSETTED"
            assert entry["resource"]["id"]


def test_elements_choose_what_is_told_of_each_resource(record: httpx.Client) -> None:
    (found,) = record.get(f"{EVERYTHING}?_elements=valueQuantity&_type=Observation").json()["entry"]
    assert {"status", "code"} <= set(found["resource"])
    assert "subject" not in found["resource"]


def test_a_record_is_not_counted_in_place_of_its_resources(record: httpx.Client) -> None:
    assert record.get(f"{EVERYTHING}?_summary=count").status_code == 400


def test_types_out_of_scope_are_left_out(record: httpx.Client, client_with: MakeClient) -> None:
    narrow = client_with("system/Patient.rs system/Observation.rs system/Organization.r")
    assert answered(narrow, EVERYTHING) == ["Patient/own", "Observation/score-own", "Organization/practice"]


def test_the_patient_is_told_to_who_may_read_and_not_search_it(record: httpx.Client, client_with: MakeClient) -> None:
    assert answered(client_with("system/Patient.r system/Observation.s"), EVERYTHING) == [
        "Patient/own",
        "Observation/score-own",
    ]


def test_what_is_out_of_scope_is_not_looked_through(record: httpx.Client, client_with: MakeClient) -> None:
    """Of an observation that the caller may not see nothing is to be learnt, not even who made it."""
    narrow = client_with("system/Patient.rs system/Practitioner.rs")
    assert answered(narrow, EVERYTHING) == ["Patient/own"]


def test_without_a_scope_for_the_patient_it_is_refused(record: httpx.Client, client_with: MakeClient) -> None:
    assert client_with("system/Observation.rs").get(EVERYTHING).status_code == 403


def test_a_patients_token_gets_its_own_record_without_naming_it(record: httpx.Client, client_with: MakeClient) -> None:
    token = client_with("patient/*.cruds", patient="own")
    found = answered(token, "/Patient/$everything")
    assert set(found) == {
        "Patient/own",
        "Observation/score-own",
        "Encounter/visit-own",
        "Practitioner/nurse",
        "Organization/practice",
    }


def test_a_token_without_a_patient_must_name_one(record: httpx.Client) -> None:
    answer = record.get("/Patient/$everything")
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["code"] == "required"


def test_a_deleted_patient_is_gone(client: httpx.Client) -> None:
    put(client, patient())
    client.delete("/Patient/own")
    assert client.get(EVERYTHING).status_code == 410


def test_post_takes_the_parameters_in_the_body(record: httpx.Client) -> None:
    body = parameters(_type=[{"valueCode": "Observation"}, {"valueCode": "Practitioner"}], _count={"valueInteger": 1})
    first = record.post(EVERYTHING, json=body).json()
    assert names_in(first) == ["Observation/score-own"]
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    assert answered(record, following) == ["Practitioner/nurse"]


def test_a_batch_may_hold_it(record: httpx.Client) -> None:
    entry = {"request": {"method": "GET", "url": "Patient/own/$everything?_type=Observation"}}
    answer = record.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]}).json()
    assert names_in(answer["entry"][0]["resource"]) == ["Observation/score-own"]


def test_the_compartments_other_paths_count(record: httpx.Client) -> None:
    """Patient compartment: Observation by performer, Group by member; without the other members of the group."""
    put(record, observation("by-own", "other", performer=[reference("Patient/own")]))
    group: Resource = named("Group", "therapy", type="person", actual=True)
    put(record, {**group, "member": [{"entity": reference(f"Patient/{id}")} for id in ("own", "other")]})
    found = answered(record, EVERYTHING)
    assert {"Observation/by-own", "Group/therapy"} <= set(found)
    assert "Patient/other" not in found


def test_a_patients_token_does_not_see_the_other_paths(record: httpx.Client, client_with: MakeClient) -> None:
    put(record, observation("by-own", "other", performer=[reference("Patient/own")]))
    found = answered(client_with("patient/*.cruds", patient="own"), EVERYTHING)
    assert "Observation/by-own" not in found


def test_support_is_followed_on_to_what_supports_it(client: httpx.Client) -> None:
    put(client, named("Organization", "trust", name="Trust"))
    put(client, named("Organization", "clinic", name="Clinic", partOf=reference("Organization/trust")))
    put(client, named("Location", "room", managingOrganization=reference("Organization/clinic")), patient())
    put(client, encounter("visit", location=[{"location": reference("Location/room")}]))
    found = answered(client, EVERYTHING)
    assert found[2:] == ["Location/room", "Organization/clinic", "Organization/trust"]


def test_attachments_and_questionnaires_come_along(client: httpx.Client, server: RunningServer) -> None:
    put(client, named("Binary", "scan", contentType="text/plain", data="YQ=="), patient())
    for version in ("1", "2"):
        form = named(
            "Questionnaire", f"form-{version}", status="active", url="http://example.org/form", version=version
        )
        put(client, form)
    content = [{"attachment": {"url": f"{server.base_url}/Binary/scan"}}]
    put(client, named("DocumentReference", "d", status="current", subject=reference("Patient/own"), content=content))
    answers = named("QuestionnaireResponse", "q", status="completed", questionnaire="http://example.org/form|2")
    put(client, {**answers, "subject": reference("Patient/own")})
    assert set(answered(client, EVERYTHING)) == {
        "Patient/own",
        "DocumentReference/d",
        "QuestionnaireResponse/q",
        "Questionnaire/form-2",
        "Binary/scan",
    }


def test_escaped_references_are_read_too(client: httpx.Client) -> None:
    put(client, named("Practitioner", "nurse"), patient())
    text = '{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},'
    text += '"subject":{"reference":"Patient\\/own"},"performer":[{"\\u0072eference":"Practitioner\\/nurse"}]}'
    client.put("/Observation/o", content=text.encode()).raise_for_status()
    assert "Practitioner/nurse" in answered(client, EVERYTHING)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param("start=2024-02-01&end=2024-02-29", {"february"}, id="both"),
        pytest.param("start=2024-02-10", {"february", "march"}, id="start-alone-means-all-subsequent"),
        pytest.param("end=2024-02", {"january", "february"}, id="end-alone-means-all-prior"),
        pytest.param("start=2024-01-31&end=2024-01-31", {"january"}, id="the-whole-day-of-the-end"),
    ],
)
def test_start_and_end_are_dates_of_care(client: httpx.Client, asked: str, found: set[str]) -> None:
    put(client, patient(birthDate="1980-01-01"), named("Practitioner", "nurse"))
    dates = {"january": "2024-01-31T23:59:59Z", "february": "2024-02-15", "march": "2024-03-01T00:00:00Z"}
    for id, date in dates.items():
        put(client, observation(id, effectiveDateTime=date, performer=[reference("Practitioner/nurse")]))
    put(client, observation("undated"))
    expected = {"Patient/own", "Observation/undated", "Practitioner/nurse", *(f"Observation/{id}" for id in found)}
    assert set(answered(client, f"{EVERYTHING}?{asked}")) == expected


def test_support_of_care_outside_the_time_is_left_out(client: httpx.Client) -> None:
    put(client, patient(), named("Practitioner", "before"))
    put(client, observation("o", effectiveDateTime="2020-01-01", performer=[reference("Practitioner/before")]))
    assert answered(client, f"{EVERYTHING}?start=2021-01-01") == ["Patient/own"]


def test_since_is_the_time_of_the_record(record: httpx.Client) -> None:
    """A supporting resource that changed is told, although what refers to it did not."""
    changed = record.put("/Practitioner/nurse", json=named("Practitioner", "nurse", active=True)).json()
    since = changed["meta"]["lastUpdated"].replace("+", "%2B")
    assert answered(record, f"{EVERYTHING}?_since={since}") == ["Practitioner/nurse"]


def test_types_cut_the_answer_and_not_what_is_looked_through(record: httpx.Client) -> None:
    assert answered(record, f"{EVERYTHING}?_type=Practitioner,Organization") == [
        "Practitioner/nurse",
        "Organization/practice",
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_pages_hold_everything_once(record: httpx.Client, count: int) -> None:
    walked = list(pages(record, f"{EVERYTHING}?_count={count}"))
    assert [name for page in walked for name in names_in(page)] == answered(record, EVERYTHING)
    assert all(len(page["entry"]) == count for page in walked[:-1])


def test_a_walk_stays_exact_while_others_write(record: httpx.Client) -> None:
    put(record, *(observation(f"o{number}") for number in range(6)))
    expected = answered(record, EVERYTHING)
    walk = pages(record, f"{EVERYTHING}?_count=2")
    found = names_in(next(walk))
    put(record, observation("new"), observation("o0", status="amended"), encounter("new"))
    record.delete("/Observation/score-own")
    for page in walk:
        found += names_in(page)
    # With the observation went what only it referred to.
    assert found == [name for name in expected if name not in ("Observation/score-own", "Practitioner/nurse")]


@pytest.mark.parametrize(
    "asked",
    [
        "_count=0",
        "_count=x",
        "_type=patient",
        "start=2024-13",
        "_since=yesterday",
        "_offset=1",
        "_cursor=x.y",
        "sort=date",
    ],
)
def test_what_cannot_be_understood_is_refused_by_name(record: httpx.Client, asked: str) -> None:
    answer = record.get(f"{EVERYTHING}?{asked}")
    assert answer.status_code == 400
    assert asked.split("=")[0] in answer.json()["issue"][0]["diagnostics"]


def test_a_cursor_opens_for_its_walk_alone(record: httpx.Client, client_with: MakeClient) -> None:
    first = record.get(f"{EVERYTHING}?_count=1").json()
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    assert record.get(following.replace("Patient/own", "Patient/other")).status_code == 400
    assert record.get(following.replace("_count=1", "_count=2")).status_code == 400
    token = client_with("patient/*.cruds", patient="own")
    assert token.get(following).status_code == 400


def test_the_disclosure_is_audited_with_each_patient(record: httpx.Client) -> None:
    put(record, observation("by-own", "other", performer=[reference("Patient/own")]))
    record.get(f"{EVERYTHING}?_type=Observation")
    (event,) = audited(record, "$everything")
    assert whats_of(event) == {"Patient/own", "Patient/other"}


def test_an_encounter_comes_with_its_compartment_and_what_that_refers_to(record: httpx.Client) -> None:
    put(
        record,
        observation("in", encounter=reference("Encounter/visit-own"), performer=[reference("Practitioner/nurse")]),
    )
    put(record, named("Condition", "why", subject=reference("Patient/own")), encounter("later"))
    put(record, encounter("visit-own", diagnosis=[{"condition": reference("Condition/why")}]))
    assert answered(record, "/Encounter/visit-own/$everything") == [
        "Encounter/visit-own",
        "Observation/in",
        "Condition/why",
        "Patient/own",
        "Practitioner/nurse",
    ]


@pytest.mark.parametrize("base", ["", "{base_url}/"])
def test_an_encounter_is_found_by_the_standard_extension(
    record: httpx.Client, server: RunningServer, base: str
) -> None:
    url = "http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter"
    literal = base.format(base_url=server.base_url) + "Encounter/visit-own"
    extension = [{"url": url, "valueReference": reference(literal)}]
    goal = named("Goal", "g", lifecycleStatus="active", description={"text": "x"}, subject=reference("Patient/own"))
    put(record, {**goal, "extension": extension}, {**goal, "id": "h"})
    assert answered(record, "/Encounter/visit-own/$everything?_type=Goal") == ["Goal/g"]


def test_a_page_takes_few_statements_however_long_the_record_is(server: RunningServer) -> None:
    with open_record(server.dsn, server.base_url) as opened:
        context = opened.new_tenant()
        opened.store(context, [named("Organization", "practice"), named("Practitioner", "nurse"), patient()])
        opened.store(context, [observation(f"o{n}", performer=[reference("Practitioner/nurse")]) for n in range(300)])
        whole, first = (opened.run(statements(context, query)) for query in ("", "_count=10"))
    assert len(first) == 2
    # The patient, the members, and one step to the nurse.
    assert len(whole) == 3


async def statements(context: Context, query: str) -> list[str]:
    """The SQL that a page takes."""
    sent: list[str] = []
    request = Request("operation", "Patient", "own", operation="everything", parameters=parse_parameters(query))
    async with context.connection() as connection:
        with connection.query_logger(lambda record: sent.append(record.query)):
            await PATIENT_EVERYTHING.run(replace(context, held=connection), request)
    return [sql for sql in sent if "audit_event" not in sql]
