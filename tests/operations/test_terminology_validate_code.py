"""ValueSet/$validate-code and CodeSystem/$validate-code (valueset- and codesystem-operation-validate-code.html)."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fixtures.server import ClientWith, RunningServer
from tests.operations.records import audited, parameters, put
from tests.operations.terminologies import (
    ALL_MOODS,
    COLOURS,
    GENDER,
    GENDERS,
    MOODS,
    Resource,
    code_system,
    listed,
    refusal_of,
    value_set,
    values_of,
)

IN_VALUE_SET = "/ValueSet/$validate-code"
IN_CODE_SYSTEM = "/CodeSystem/$validate-code"
SNOMED = "http://snomed.info/sct"
CHOSEN = "http://example.org/ValueSet/chosen"


@pytest.fixture(scope="module")
def record(server: RunningServer) -> Iterator[httpx.Client]:
    """A tenant with moods, all of them and some."""
    with server.client(server.token(server.new_tenant())) as http:
        put(http, code_system(), value_set({"system": MOODS}))
        chosen = {"system": SNOMED, "concept": [{"code": "35489007", "display": "Depressive disorder"}]}
        put(http, value_set(chosen, {**listed("low", system=MOODS), "version": "2"}, id="chosen", url=CHOSEN))
        yield http


def coding(code: str, system: str | None = MOODS, **more: Any) -> Resource:
    return {"code": code, **({"system": system} if system else {}), **more}


def sent(name: str, value: Resource, **more: Resource) -> Resource:
    return parameters(**{name: {f"value{name[0].upper()}{name[1:]}": value}}, **more)


def asked(client: httpx.Client, **query: Any) -> httpx.Response:
    return client.get(IN_VALUE_SET, params=query)


@pytest.mark.parametrize(
    ("query", "result", "display"),
    [
        ({"url": GENDERS, "system": GENDER, "code": "male"}, True, "Male"),
        ({"url": GENDERS, "system": GENDER, "code": "male", "display": "male"}, True, "Male"),
        ({"url": GENDERS, "system": GENDER, "code": "male", "display": "Man"}, False, "Male"),
        ({"url": GENDERS, "system": GENDER, "code": "m"}, False, None),
        ({"url": GENDERS, "system": COLOURS, "code": "male"}, False, None),
        ({"url": GENDERS, "valueSetVersion": "4.0.1", "system": GENDER, "code": "male"}, True, "Male"),
        ({"url": ALL_MOODS, "system": MOODS, "code": "any"}, False, None),
        ({"url": ALL_MOODS, "system": MOODS, "code": "any", "abstract": "true"}, True, "Any mood"),
        ({"url": ALL_MOODS, "system": MOODS, "code": "any", "abstract": "false"}, False, None),
        ({"url": ALL_MOODS, "system": MOODS, "code": "low", "displayLanguage": "de"}, True, "Gedrückt"),
        (
            {"url": ALL_MOODS, "system": MOODS, "code": "low", "displayLanguage": "de", "display": "gedrückt"},
            True,
            "Gedrückt",
        ),
        (
            {"url": ALL_MOODS, "system": MOODS, "code": "low", "displayLanguage": "de", "display": "Low mood"},
            False,
            "Gedrückt",
        ),
        (
            {"url": ALL_MOODS, "system": MOODS, "code": "low", "displayLanguage": "fr", "display": "Low mood"},
            True,
            "Low mood",
        ),
        ({"url": CHOSEN, "system": SNOMED, "code": "1"}, False, None),
        ({"url": CHOSEN, "system": MOODS, "code": "low", "systemVersion": "2"}, True, "Low mood"),
        ({"url": CHOSEN, "system": MOODS, "code": "low", "systemVersion": "1"}, False, None),
    ],
)
def test_a_code_is_in_a_value_set_or_not(
    record: httpx.Client, query: dict[str, str], result: bool, display: str | None
) -> None:
    found = values_of(asked(record, **query))
    assert (found["result"], found.get("display")) == (result, display)
    assert ("message" in found) is not result


def test_a_version_that_is_not_loaded_is_told_of(record: httpx.Client) -> None:
    found = values_of(asked(record, url=ALL_MOODS, system=MOODS, code="low", systemVersion="9"))
    assert found["result"] is True
    assert "Version 9" in found["message"]


@pytest.mark.parametrize(
    ("include", "code", "hint"),
    [
        (listed("red"), coding("red", COLOURS), "is not loaded"),
        (listed("35489007", system=SNOMED), coding("35489007", SNOMED), "has not all its codes here"),
        ({"system": SNOMED}, coding("35489007", SNOMED), "has not all its codes here"),
        (listed("sad", system=MOODS), coding("sad"), "has no code 'sad'"),
    ],
)
def test_what_was_not_checked_is_told_of(record: httpx.Client, include: Resource, code: Resource, hint: str) -> None:
    mine = value_set(include, url="http://example.org/ValueSet/mine")
    found = values_of(record.post(IN_VALUE_SET, json=sent("coding", code, valueSet=mine)))
    assert found["result"] is True
    assert hint in found["message"]


def test_a_code_that_the_version_has_not_is_not_valid(client: httpx.Client) -> None:
    put(client, code_system(), code_system("older", version="1", concept=[{"code": "only"}]))
    put(client, value_set({"system": MOODS}))
    found = values_of(asked(client, url=ALL_MOODS, system=MOODS, code="low", systemVersion="1"))
    assert (found["result"], found["message"]) == (False, f"{MOODS}|1 has no code 'low'.")


@pytest.mark.parametrize("address", ["/ValueSet/moods/$validate-code", IN_VALUE_SET])
@pytest.mark.parametrize(
    ("given", "result"),
    [
        (sent("coding", coding("low")), True),
        (sent("coding", coding("low", display="High")), False),
        (sent("coding", coding("low", None)), False),
        (sent("coding", coding("none")), False),
        (sent("coding", coding("low", version="2", userSelected=True)), True),
        (sent("codeableConcept", {"coding": [coding("none"), coding("low")], "text": "low"}), True),
        (sent("codeableConcept", {"coding": [coding("x", SNOMED), coding("none")]}), False),
        (sent("codeableConcept", {"coding": [coding("low", display="High"), coding("high")]}), True),
        (sent("codeableConcept", {"text": "low"}), False),
        (sent("codeableConcept", {"coding": [{"system": MOODS}]}), False),
    ],
)
def test_codings_are_in_a_value_set_or_not(record: httpx.Client, address: str, given: Resource, result: bool) -> None:
    more = {} if address == "/ValueSet/moods/$validate-code" else {"url": ALL_MOODS}
    found = values_of(record.post(address, json=given, params=more))
    assert found["result"] is result
    assert ("message" in found) is not result


def test_the_value_set_may_be_sent_along(record: httpx.Client) -> None:
    mine = value_set(listed("red"), {"system": MOODS})
    answers = [
        record.post(IN_VALUE_SET, json=sent("coding", coding("red", COLOURS), valueSet=mine)),
        record.post(IN_VALUE_SET, json=mine, params={"system": MOODS, "code": "high"}),
    ]
    assert [values_of(answer)["result"] for answer in answers] == [True, True]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"system": GENDER, "code": "male"}, 400, "required"),
        ({"url": GENDERS}, 400, "required"),
        ({"url": GENDERS, "code": "male"}, 400, "required"),
        ({"url": GENDERS, "system": GENDER, "display": "Male"}, 400, "required"),
        ({"url": GENDERS, "coding": "male"}, 400, "value"),
        ({"url": GENDERS, "codeableConcept": "male"}, 400, "value"),
        ({"url": GENDERS, "system": GENDER, "code": "male", "date": "2020-01-01"}, 400, "not-supported"),
        ({"context": "x#y", "system": GENDER, "code": "male"}, 400, "not-supported"),
        ({"url": GENDERS, "system": GENDER, "code": "male", "abstract": "maybe"}, 400, "value"),
        ({"url": GENDERS, "system": GENDER, "code": " male"}, 400, "value"),
        ({"url": "http://example.org/none", "system": GENDER, "code": "male"}, 404, "not-found"),
        ({"url": "http://hl7.org/fhir/ValueSet/all-languages", "system": "urn:ietf:bcp:47", "code": "x"}, 422, None),
    ],
)
def test_what_cannot_be_told_is_refused(
    record: httpx.Client, query: dict[str, str], status: int, code: str | None
) -> None:
    found = refusal_of(asked(record, **query))
    assert found[:2] == (status, code or "not-supported")


@pytest.mark.parametrize(
    ("given", "query"),
    [
        (sent("coding", coding("low")), {"system": MOODS}),
        (sent("coding", coding("low")), {"systemVersion": "2"}),
        (sent("coding", coding("low")), {"display": "Low mood"}),
        (sent("coding", coding("low")), {"code": "low", "system": MOODS}),
        (sent("coding", coding("low"), codeableConcept={"valueCodeableConcept": {"text": "low"}}), {}),
        (parameters(coding={"valueCodeableConcept": {"coding": [coding("low")]}}), {}),
        (parameters(coding={"valueCoding": {"system": MOODS}}), {}),
        (parameters(codeableConcept={"valueCoding": coding("low")}), {}),
        (parameters(coding={"part": [{"name": "code", "valueCode": "low"}]}), {}),
    ],
)
def test_a_code_is_given_in_one_way(record: httpx.Client, given: Resource, query: dict[str, str]) -> None:
    assert record.post("/ValueSet/moods/$validate-code", json=given, params=query).status_code == 400


def test_one_right_coding_is_enough_whatever_cannot_be_told_of_others(record: httpx.Client) -> None:
    mine = value_set({"system": COLOURS}, {"system": MOODS}, url="http://example.org/ValueSet/mine")
    both = {"coding": [coding("red", COLOURS), coding("low")]}
    doubtful = {"coding": [coding("red", COLOURS), coding("none")]}
    assert values_of(record.post(IN_VALUE_SET, json=sent("codeableConcept", both, valueSet=mine)))["result"] is True
    answer = record.post(IN_VALUE_SET, json=sent("codeableConcept", doubtful, valueSet=mine))
    assert refusal_of(answer)[:2] == (422, "not-supported")


@pytest.mark.parametrize(
    ("query", "result"),
    [
        ({"url": GENDER, "code": "male"}, True),
        ({"url": GENDER, "code": "male", "display": "Male", "version": "4.0.1"}, True),
        ({"url": GENDER, "code": "male", "display": "Man"}, False),
        ({"url": GENDER, "code": "m"}, False),
        ({"url": MOODS, "code": "low"}, True),
        ({"url": MOODS, "code": "low", "displayLanguage": "de", "display": "Low mood"}, False),
        ({"url": MOODS, "code": "any"}, False),
        ({"url": MOODS, "code": "any", "abstract": "true"}, True),
    ],
)
def test_a_code_is_in_a_code_system_or_not(record: httpx.Client, query: dict[str, str], result: bool) -> None:
    found = values_of(record.get(IN_CODE_SYSTEM, params=query))
    assert found["result"] is result
    assert ("message" in found) is not result


@pytest.mark.parametrize(
    ("given", "result"),
    [
        (sent("coding", coding("low")), True),
        (sent("coding", coding("low", version="2")), True),
        (sent("coding", coding("low", COLOURS)), False),
        (sent("coding", coding("low", None)), False),
        (sent("codeableConcept", {"coding": [coding("red", COLOURS), coding("high")]}), True),
        (sent("codeableConcept", {"coding": [coding("low", version="9"), coding("high")]}), True),
        (sent("codeableConcept", {"text": "low"}), False),
        (parameters(code={"valueCode": "low"}), True),
    ],
)
def test_codes_are_in_a_stored_code_system_or_not(record: httpx.Client, given: Resource, result: bool) -> None:
    assert values_of(record.post("/CodeSystem/moods/$validate-code", json=given))["result"] is result
    assert values_of(record.post(IN_CODE_SYSTEM, json=given, params={"url": MOODS}))["result"] is result


def test_the_code_system_may_be_sent_along(record: httpx.Client) -> None:
    mine = code_system(url=COLOURS, concept=[{"code": "red"}])
    answer = record.post(IN_CODE_SYSTEM, json=sent("coding", coding("red", COLOURS), codeSystem=mine))
    assert values_of(answer)["result"] is True
    assert values_of(record.post(IN_CODE_SYSTEM, json=mine, params={"code": "blue"}))["result"] is False


@pytest.mark.parametrize(
    ("mine", "status"),
    [
        pytest.param(code_system(url=GENDER), 422, id="of-r4"),
        pytest.param(code_system(content="supplement", supplements=COLOURS), 422, id="supplement"),
        pytest.param(
            code_system(concept=[{"_code": {"extension": [{"url": "http://e.org", "valueCode": "x"}]}}]),
            422,
            id="no-code",
        ),
        pytest.param(code_system(content="fragment"), 422, id="may-have-it-elsewhere"),
        pytest.param({"resourceType": "CodeSystem", "status": "active", "content": "complete"}, 400, id="no-url"),
        pytest.param({"resourceType": "CodeSystem", "url": COLOURS}, 422, id="invalid"),
    ],
)
def test_a_code_system_that_cannot_answer_is_refused(record: httpx.Client, mine: Resource, status: int) -> None:
    assert record.post(IN_CODE_SYSTEM, json=mine, params={"code": "unheard"}).status_code == status


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"code": "male"}, 400, "required"),
        ({"url": GENDER}, 400, "required"),
        ({"url": GENDER, "code": "male", "system": GENDER}, 400, "value"),
        ({"url": GENDER, "code": "male", "date": "2020"}, 400, "not-supported"),
        ({"url": SNOMED, "code": "1"}, 422, "not-supported"),
        ({"url": COLOURS, "code": "red"}, 404, "not-found"),
        ({"url": MOODS, "code": "low", "version": "9"}, 404, "not-found"),
    ],
)
def test_what_cannot_be_told_of_a_code_system_is_refused(
    record: httpx.Client, query: dict[str, str], status: int, code: str
) -> None:
    assert refusal_of(record.get(IN_CODE_SYSTEM, params=query))[:2] == (status, code)


@pytest.mark.parametrize(
    ("address", "type_name"),
    [("/ValueSet/moods/$validate-code", "ValueSet"), ("/CodeSystem/moods/$validate-code", "CodeSystem")],
)
def test_it_needs_the_scope_to_read_the_type(
    client: httpx.Client, client_with: ClientWith, address: str, type_name: str
) -> None:
    put(client, code_system(), value_set(listed("low", system=MOODS)))
    query = {"code": "low"} | ({"system": MOODS} if type_name == "ValueSet" else {})
    assert client_with(f"system/{type_name}.r").get(address, params=query).status_code == 200
    assert client_with("system/Patient.r").get(address, params=query).status_code == 403


def test_another_tenants_code_system_is_as_if_not_there(record: httpx.Client, server: RunningServer) -> None:
    with server.client(server.token(server.new_tenant())) as stranger:
        hidden, absent = (stranger.get(IN_CODE_SYSTEM, params={"url": url, "code": "low"}) for url in (MOODS, COLOURS))
        assert hidden.status_code == absent.status_code == 404
        assert hidden.text.replace(MOODS, COLOURS) == absent.text
        assert stranger.get("/CodeSystem/moods/$validate-code?code=low").status_code == 404


def test_it_is_audited(client: httpx.Client) -> None:
    values_of(asked(client, url=GENDERS, system=GENDER, code="male"))
    (event,) = audited(client, "$validate-code")
    assert event["outcome"] == "0"
    (asked_for,) = (entity["query"] for entity in event["entity"] if "query" in entity)
    assert base64.b64decode(asked_for).decode() == f"ValueSet?url={GENDERS}&code=male&system={GENDER}"
