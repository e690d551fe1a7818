"""Patient/$match (patient-operation-match.html)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.fhir import json_text
from bhr_api.fhir.validation import validate
from bhr_api.operations.match_score import compared
from tests.fixtures.server import RunningServer
from tests.operations.records import Resource, audited, names_in, parameters, put, whats_of

MakeClient = Callable[..., httpx.Client]
MRN = "http://example.org/mrn"


def person(family: str = "Okafor", given: str = "Adaeze", born: str = "1988-04-12", **more: Any) -> Resource:
    names = [{"family": family, "given": [given]}]
    return {"resourceType": "Patient", "name": names, "birthDate": born, "gender": "female", **more}


def identified(value: str, **more: Any) -> Resource:
    return {"resourceType": "Patient", "identifier": [{"system": MRN, "value": value}], **more}


@pytest.fixture
def register(client: httpx.Client) -> httpx.Client:
    put(
        client,
        person(
            id="ada",
            identifier=[{"system": MRN, "value": "1"}],
            telecom=[{"system": "phone", "value": "+1 (555) 010-0001"}],
        ),
    )
    put(client, person(id="twin", given="Chidera"), person("Okafor", "Adaeze", "1951-01-01", id="older"))
    put(client, person("Lindqvist", "Sven", "1970-02-03", id="sven"))
    return client


def matched(client: httpx.Client, sent: Resource, **more: Resource) -> dict[str, tuple[float, str]]:
    """Score and grade of each match by id, in their order."""
    answer = client.post("/Patient/$match", json=parameters(resource=sent, **more))
    assert answer.status_code == 200, answer.text
    found = [entry for entry in answer.json().get("entry", ()) if entry["search"]["mode"] == "match"]
    return {
        entry["resource"]["id"]: (entry["search"]["score"], entry["search"]["extension"][0]["valueCode"])
        for entry in found
    }


def test_the_likeliest_comes_first_with_score_and_grade(register: httpx.Client) -> None:
    found = matched(register, person())
    assert list(found) == ["ada", "twin", "older"]
    assert found["ada"] == (1, "probable")
    assert [grade for _, grade in found.values()][1:] == ["possible", "possible"]
    assert found["twin"][0] > found["older"][0]


def test_the_answer_is_a_valid_bundle(register: httpx.Client) -> None:
    answer = register.post("/Patient/$match", json=parameters(resource=person()))
    assert [one for one in validate(json_text.parse(answer.content)) if one.severity in ("error", "fatal")] == []
    extension = answer.json()["entry"][0]["search"]["extension"][0]
    assert extension["url"] == "http://hl7.org/fhir/StructureDefinition/match-grade"


def test_an_identifier_makes_certain(register: httpx.Client) -> None:
    assert matched(register, identified("1")) == {"ada": (1, "certain")}


def test_an_identifier_with_another_birth_is_only_possible(register: httpx.Client) -> None:
    assert matched(register, identified("1", birthDate="1950-01-01"))["ada"][1] == "possible"


def test_a_telecom_that_agrees_makes_names_certain(register: httpx.Client) -> None:
    found = matched(register, person(telecom=[{"system": "phone", "value": "1 555 010 0001"}]))
    assert found["ada"][1] == "certain"


def test_a_mistyped_name_is_probable(register: httpx.Client) -> None:
    assert matched(register, person("Okafro"))["ada"][1] == "probable"


def test_a_patient_alone_in_the_body_is_the_resource(register: httpx.Client) -> None:
    answer = register.post("/Patient/$match", json=identified("1"))
    assert names_in(answer.json()) == ["Patient/ada"]


def test_a_patients_token_finds_its_own_patient_alone(register: httpx.Client, client_with: MakeClient) -> None:
    token = client_with("patient/*.cruds", patient="twin")
    assert list(matched(token, person())) == ["twin"]
    assert matched(token, identified("1")) == {}


def test_another_tenants_patients_are_none(register: httpx.Client, server: RunningServer) -> None:
    with server.client(server.token(server.new_tenant())) as stranger:
        assert matched(stranger, person()) == {}


@pytest.mark.parametrize(
    ("scope", "status"), [("system/Patient.s", 200), ("system/Patient.r", 403), ("system/Person.cruds", 403)]
)
def test_it_asks_for_the_scope_of_a_search(
    register: httpx.Client, client_with: MakeClient, scope: str, status: int
) -> None:
    answer = client_with(scope).post("/Patient/$match", json=parameters(resource=person()))
    assert answer.status_code == status


def test_nobody_is_an_empty_searchset(register: httpx.Client) -> None:
    answer = register.post("/Patient/$match", json=parameters(resource=person("Nobody", "Known", "1900-01-01")))
    assert (answer.status_code, answer.json()["total"], "entry" in answer.json()) == (200, 0, False)


def test_only_certain_matches_are_told_when_there_is_one(register: httpx.Client) -> None:
    certain = {"valueBoolean": True}
    assert list(matched(register, identified("1"), onlyCertainMatches=certain)) == ["ada"]
    assert matched(register, person(), onlyCertainMatches=certain) == {}
    put(register, person(id="double", identifier=[{"system": MRN, "value": "1"}]))
    assert matched(register, identified("1"), onlyCertainMatches=certain) == {}


def test_why_nothing_is_certain_is_told_as_advice(register: httpx.Client) -> None:
    body = parameters(resource=person(), onlyCertainMatches={"valueBoolean": True})
    (entry,) = register.post("/Patient/$match", json=body).json()["entry"]
    assert (entry["search"]["mode"], entry["resource"]["issue"][0]["severity"]) == ("outcome", "information")


def test_count_bounds_the_answer(register: httpx.Client) -> None:
    assert list(matched(register, person(), count={"valueInteger": 1})) == ["ada"]


def test_commas_in_names_are_no_alternatives(register: httpx.Client) -> None:
    assert matched(register, person("Nobody,Okafor", born="1988-04-12", given="None")) == {}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"resourceType": "Parameters"}, 400, id="no-resource"),
        pytest.param(parameters(resource={"resourceType": "Patient", "gender": "male"}), 400, id="too-little"),
        pytest.param(
            parameters(resource={"resourceType": "Patient", "birthDate": "1988-04-12"}), 400, id="birth-alone"
        ),
        pytest.param(
            parameters(resource={"resourceType": "Group", "type": "person", "actual": True}), 400, id="no-patient"
        ),
        pytest.param({"resourceType": "Patient", "gender": "none"}, 422, id="not-valid"),
        pytest.param(parameters(resource=identified("1"), count={"valueInteger": 0}), 400, id="count-zero"),
        pytest.param(parameters(resource=identified("1"), limit={"valueInteger": 1}), 400, id="unknown-parameter"),
    ],
)
def test_what_lacks_or_is_wrong_is_refused(register: httpx.Client, body: Resource, status: int) -> None:
    assert register.post("/Patient/$match", json=body).status_code == status


def test_who_was_told_of_is_audited_and_not_the_description(register: httpx.Client) -> None:
    matched(register, person())
    (event,) = audited(register, "$match")
    assert whats_of(event) == {"Patient/ada", "Patient/twin", "Patient/older"}
    assert "Okafor" not in str(event)


FIELDS = st.fixed_dictionaries(
    {"resourceType": st.just("Patient")},
    optional={
        "name": st.lists(
            st.fixed_dictionaries(
                {}, optional={"family": st.text(max_size=6), "given": st.lists(st.text(max_size=5), max_size=2)}
            ),
            max_size=2,
        ),
        "birthDate": st.dates().map(str) | st.sampled_from(["1988", "1988-04", "1988-12-04", "1988-04-12"]),
        "gender": st.sampled_from(["male", "female", "other", "unknown"]),
        "identifier": st.lists(
            st.fixed_dictionaries({"value": st.sampled_from("12")}, optional={"system": st.sampled_from("ab")}),
            max_size=2,
        ),
        "telecom": st.lists(st.fixed_dictionaries({"value": st.sampled_from(["1-2", "12", "a@b", "A@B"])}), max_size=2),
        "address": st.lists(
            st.fixed_dictionaries({}, optional={"city": st.sampled_from("xy"), "line": st.just(["l"])}), max_size=2
        ),
    },
)


@given(FIELDS, FIELDS)
def test_comparing_is_the_same_either_way_and_within_bounds(one: Resource, other: Resource) -> None:
    found = compared(one, other)
    assert 0 <= found.score <= 1
    assert found == compared(other, one)


@given(FIELDS)
def test_nobody_contradicts_oneself(one: Resource) -> None:
    evidence = compared(one, one).score
    assert evidence >= compared(one, {**one, "birthDate": "0001-01-01", "gender": "male"}).score


@pytest.mark.parametrize(
    ("field", "sent", "stored", "score"),
    [
        ("birthDate", "1988-04-12", "1988-04-12", 6 / 16),
        ("birthDate", "1988-04-12", "1988-04", 6 * 0.7 / 16),
        ("birthDate", "1988-04-12", "1988-12-04", 6 * 0.5 / 16),
        ("birthDate", "1988-04-12", "1988-04-21", 6 * 0.5 / 16),
        ("birthDate", "1988-04-12", "1987-03-12", 0),
        ("name", [{"family": "Müller"}], [{"family": "MULLER"}], 5 / 16),
        ("name", [{"family": "Smith"}], [{"family": "Smyth"}], 5 * 0.8 / 16),
        ("name", [{"family": "Smith"}], [{"family": "Smiht"}], 5 * 0.8 / 16),
        ("name", [{"family": "Smith"}], [{"family": "Smit"}], 5 * 0.8 / 16),
        ("name", [{"family": "Smith"}], [{"family": "Smith-Jones"}], 5 * 0.7 / 16),
        ("name", [{"family": "Smith"}], [{"family": "Jones"}, {"family": "Smith"}], 5 / 16),
        ("name", [{"given": ["J."]}], [{"given": ["John"]}], 5 * 0.7 / 16),
        ("name", [{"given": ["Jon"]}], [{"given": ["Jan"]}], 0),
        ("gender", "male", "female", 0),
        ("gender", "male", "male", 1 / 16),
        ("telecom", [{"value": "A@x.org"}], [{"value": "a@X.ORG"}], 3 / 16),
        ("address", [{"postalCode": "1", "city": "X"}], [{"postalCode": "1", "city": "Y"}], 2 * 2 / 3 / 16),
        ("identifier", [{"system": MRN, "value": "1"}], [{"system": MRN, "value": "2"}], 0),
        ("identifier", [{"system": MRN, "value": "1"}], [{"system": "other", "value": "1"}], 0),
    ],
)
def test_each_field_counts_by_its_weight(field: str, sent: Any, stored: Any, score: float) -> None:
    found = compared({"resourceType": "Patient", field: sent}, {"resourceType": "Patient", field: stored})
    assert float(found.score) == pytest.approx(score, abs=0.0001)
