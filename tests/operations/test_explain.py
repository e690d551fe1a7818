"""[type]/$explain: how a search is answered, and what it costs (docs/explain.md)."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bhr_api.fhir import json_text
from bhr_api.fhir.validation import validate
from tests.operations.records import LOINC, Resource, audited, named, observation, parameters, patient, put

MakeClient = Callable[..., httpx.Client]
PHQ9 = f"{LOINC}|44261-6"


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    put(client, patient("own", name=[{"family": "Sorrel"}]), patient("other"))
    put(client, *(observation(f"o{day}", effectiveDateTime=f"2024-05-0{day}") for day in range(1, 8)))
    return client


def explained(client: httpx.Client, address: str, **headers: str) -> list[Resource]:
    """The parameters of the answer, which is valid FHIR."""
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200, answer.text
    body = json_text.parse(answer.content)
    assert [issue.diagnostics for issue in validate(body) if issue.severity == "error"] == []
    found: list[Resource] = body["parameter"]
    return found


def all_of(told: list[Resource], name: str) -> list[dict[str, Any]]:
    """The parts of each parameter of that name, by their names; those that repeat are left out."""
    return [{part["name"]: value_of(part) for part in one["part"]} for one in told if one["name"] == name]


def value_of(parameter: Resource) -> Any:
    return next((value for name, value in parameter.items() if name.startswith("value")), None)


def sentences(told: list[Resource], name: str = "advice") -> str:
    return " ".join(value_of(one) for one in told if one["name"] == name)


@pytest.mark.parametrize(
    ("address", "road"),
    [
        pytest.param("Observation/$explain?patient=own", "record", id="patient's record"),
        pytest.param(f"Observation/$explain?code={PHQ9}", "postings", id="postings of a code"),
        pytest.param("Observation/$explain?code=a,b&_sort=-date", "postings", id="postings of several codes"),
        pytest.param("Observation/$explain?identifier=a", "tokens", id="tokens by GIN"),
        pytest.param("Patient/$explain?name=So", "index", id="index table"),
        pytest.param("Patient/$explain?_id=own", "id", id="ids"),
        pytest.param("Observation/$explain?code:not=a", "order", id="order of the page"),
    ],
)
def test_the_road_is_told(record: httpx.Client, address: str, road: str) -> None:
    told = explained(record, f"/{address}")
    assert [one["code"] for one in all_of(told, "road")] == [road]
    assert [one["road"] for one in all_of(told, "statement")] == [road]


def test_each_criterion_is_told_with_its_use(record: httpx.Client) -> None:
    told = explained(record, f"/Observation/$explain?status=final&patient=own&date=ge2024-05-03&code={PHQ9}")
    uses = {one["parameter"]: one["use"] for one in all_of(told, "criterion")}
    assert uses == {"status": "filters", "patient": "drives", "date": "bounds", "code": "filters"}


def test_rows_given_and_visited_are_measured(record: httpx.Client) -> None:
    (statement,) = all_of(explained(record, f"/Observation/$explain?code={PHQ9}&_count=3"), "statement")
    # One row more than a page tells whether there is another.
    assert statement["rowsGiven"] == 4
    assert statement["rowsVisited"] >= 4
    assert statement["milliseconds"] > 0
    assert statement["isCut"] is False


def test_nodes_that_read_are_told_and_their_conditions_not(record: httpx.Client) -> None:
    told = explained(record, "/Observation/$explain?patient=own&status=final")
    (statement,) = [one["part"] for one in told if one["name"] == "statement"]
    nodes = [{part["name"]: value_of(part) for part in one["part"]} for one in statement if one["name"] == "node"]
    assert {node["table"] for node in nodes} == {"resource"}
    assert all(set(node) <= {"kind", "table", "index", "rows", "loops", "buffers"} for node in nodes)


@pytest.mark.parametrize(("more", "kinds"), [("", ["page"]), ("&_total=accurate", ["page", "count"])])
def test_each_statement_of_the_search_is_told(record: httpx.Client, more: str, kinds: list[str]) -> None:
    told = explained(record, f"/Observation/$explain?patient=own{more}")
    assert [one["kind"] for one in all_of(told, "statement")] == kinds


def test_a_count_has_no_page(record: httpx.Client) -> None:
    told = explained(record, f"/Observation/$explain?code={PHQ9}&_summary=count")
    assert [(one["kind"], one["road"]) for one in all_of(told, "statement")] == [("count", "postings")]


def test_the_answer_holds_no_values_but_their_types(record: httpx.Client) -> None:
    told = explained(record, "/Observation/$explain?patient=own&code=secretly&subject:Patient.name=Sorrel")
    (statement,) = all_of(told, "statement")
    assert "$1 integer (the tenant)" in statement["values"]
    text = json_text.dumps(told).decode()
    # The tenant's keyed hashes are numbers of up to 64 bits.
    assert re.search(r"\d{11}", text) is None
    assert "secretly" not in text
    assert "sorrel" not in text.lower()


def test_the_page_of_a_cursor_is_explained(record: httpx.Client) -> None:
    links = record.get(f"/Observation?code={PHQ9}&_count=3").json()["link"]
    following = next(link["url"] for link in links if link["relation"] == "next")
    (statement,) = all_of(explained(record, following.replace("Observation?", "Observation/$explain?")), "statement")
    assert "(p.row_id <" in statement["sql"]


def test_what_is_refused_is_told_of_each_parameter(record: httpx.Client) -> None:
    told = explained(record, "/Observation/$explain?nothing=1&date=2024-13&code=a")
    refused = {one["parameter"]: (one["status"], one["code"]) for one in all_of(told, "refused")}
    assert refused == {"nothing": (400, "not-supported"), "date": (400, "value")}
    assert all_of(told, "statement") == []


def test_what_is_refused_as_a_whole_is_told(record: httpx.Client) -> None:
    many = "&".join(f"code:not={number}" for number in range(51))
    told = explained(record, f"/Observation/$explain?{many}")
    (refused,) = all_of(told, "refused")
    assert "parameter" not in refused
    assert refused["code"] == "too-costly"


def test_a_filter_that_the_search_takes_is_explained(record: httpx.Client) -> None:
    """Its comparisons are counted for each reading of it."""
    asked = "_filter=" + " or ".join(["status eq final"] * 30)
    assert record.get(f"/Observation?{asked}").status_code == 200
    assert all_of(explained(record, f"Observation/$explain?{asked}"), "refused") == []


def test_a_type_that_the_caller_may_not_search_is_refused(record: httpx.Client, client_with: MakeClient) -> None:
    narrow = client_with("system/Observation.s")
    (refused,) = all_of(explained(narrow, "/Observation/$explain?subject:Patient.name=So"), "refused")
    assert (refused["status"], refused["code"]) == (403, "forbidden")


def test_what_is_ignored_is_told(record: httpx.Client) -> None:
    told = explained(record, "/Observation/$explain?nothing=1&code=&patient=own", Prefer="handling=lenient")
    ignored = {one["parameter"]: one["reason"] for one in all_of(told, "ignored")}
    assert set(ignored) == {"nothing", "code"}
    assert ignored["code"] == "It has no value."
    assert len(all_of(told, "statement")) == 1


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("_content=word", "_content reads the text"),
        ("_sort=status", "To sort by status"),
        ("_total=accurate", "_total=estimate"),
        ("_count=500", "smaller _count"),
        ("_include=Observation:encounter&_include:iterate=Encounter:part-of", ":iterate"),
    ],
)
def test_what_would_be_faster_is_told(record: httpx.Client, query: str, sentence: str) -> None:
    assert sentence in sentences(explained(record, f"/Observation/$explain?{query}"))


def test_a_fast_search_gets_no_advice(record: httpx.Client) -> None:
    assert sentences(explained(record, "/Observation/$explain?patient=own&_sort=-date")) == ""


def test_parameters_may_be_sent_in_the_body(record: httpx.Client) -> None:
    body = parameters(patient={"valueString": "own"}, date={"valueString": "ge2024-05-03"})
    answer = record.post("/Observation/$explain", json=body)
    assert answer.status_code == 200, answer.text
    uses = {one["parameter"]: one["use"] for one in all_of(answer.json()["parameter"], "criterion")}
    assert uses == {"patient": "drives", "date": "bounds"}


@pytest.mark.parametrize(
    ("scope", "of"),
    [
        pytest.param("patient/*.rs", "own", id="a patient's scope"),
        pytest.param("system/*.rs", "own", id="a patient in context"),
        pytest.param("user/*.rs", None, id="a person's scope"),
        pytest.param("system/*.r", None, id="no scope for searches"),
        pytest.param("system/Patient.s", None, id="a scope for another type"),
    ],
)
def test_it_needs_a_scope_for_the_whole_tenant(
    record: httpx.Client, client_with: MakeClient, scope: str, of: str | None
) -> None:
    assert client_with(scope, patient=of).get("/Observation/$explain?code=a").status_code == 403


def test_it_is_audited(record: httpx.Client) -> None:
    explained(record, "/Observation/$explain?patient=own")
    (event,) = audited(record, "$explain")
    assert event["action"] == "E"


def test_what_is_not_searched_as_the_record_has_none(record: httpx.Client) -> None:
    assert record.get("/AuditEvent/$explain").status_code == 404
    assert record.get("/Nothing/$explain").status_code == 404


def test_another_tenants_rows_are_not_counted(record: httpx.Client, server: Any) -> None:
    with server.client(server.token(server.new_tenant())) as stranger:
        put(stranger, named("Basic", "b", code={"text": "x"}))
        (statement,) = all_of(explained(stranger, "/Observation/$explain?_sort=-date"), "statement")
    assert (statement["rowsGiven"], statement["rowsVisited"]) == (0, 0)


@pytest.mark.parametrize(
    ("patients", "taken"),
    [
        pytest.param(2, ["index", None], id="few-to-begin-from"),
        pytest.param(65, [None, "order"], id="many-to-begin-from"),
    ],
)
def test_of_two_roads_the_one_that_was_taken_is_told(
    record: httpx.Client, patients: int, taken: list[str | None]
) -> None:
    for number in range(patients):
        patient = {"resourceType": "Patient", "id": f"many-{number}", "name": [{"family": "Manyfold"}]}
        assert record.put(f"/Patient/many-{number}", json=patient).status_code == 201
    told = explained(record, "/Observation/$explain?patient.family=Manyfold")
    roads = all_of(told, "road")
    assert [one["code"] if one["isTaken"] else None for one in roads] == taken
    assert ["rowsVisited" in one for one in roads] == [one is not None for one in taken]
    assert [one["road"] for one in all_of(told, "statement")] == [one for one in taken if one]
