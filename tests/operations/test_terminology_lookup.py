"""CodeSystem/$lookup and CodeSystem/$subsumes (codesystem-operation-lookup.html, codesystem-operation-subsumes.html)."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fixtures.server import ClientWith, RunningServer
from tests.operations.records import audited, parameters, put
from tests.operations.terminologies import (
    ACT,
    COLOURS,
    GENDER,
    MOODS,
    USE,
    Resource,
    code_system,
    groups_of,
    refusal_of,
    values_of,
)

LOOKUP = "/CodeSystem/$lookup"
SUBSUMES = "/CodeSystem/$subsumes"


@pytest.fixture(scope="module")
def record(server: RunningServer) -> Iterator[httpx.Client]:
    """A tenant with the code system of moods, and one whose hierarchy is none of kinds."""
    with server.client(server.token(server.new_tenant())) as http:
        put(http, code_system())
        parts = [{"code": "car", "concept": [{"code": "wheel"}]}]
        put(http, code_system("parts", url=COLOURS, hierarchyMeaning="part-of", concept=parts))
        yield http


def looked_up(client: httpx.Client, code: str = "low", system: str = MOODS, **more: Any) -> httpx.Response:
    return client.get(LOOKUP, params={"system": system, "code": code, **more})


def test_all_that_is_known_of_a_code_is_told(record: httpx.Client) -> None:
    answer = looked_up(record)
    assert values_of(answer) == {"name": "Moods", "version": "2", "display": "Low mood"}
    assert groups_of(answer, "designation") == [
        {"language": "de-CH", "value": "Gedrückt"},
        {"use": USE, "value": "low"},
    ]
    assert groups_of(answer, "property") == [
        {"code": "definition", "value": "Less than usual."},
        {"code": "parent", "value": "any", "description": "Any mood"},
        {"code": "child", "value": "empty", "description": "Emptiness"},
        {"code": "inactive", "value": False},
        {"code": "rank", "value": 2},
    ]


@pytest.mark.parametrize(
    ("code", "properties"),
    [
        ("spleen", {"parent": "any", "inactive": True}),
        ("any", {"child": "spleen", "inactive": False, "notSelectable": True}),
    ],
)
def test_properties_are_told_once(record: httpx.Client, code: str, properties: dict[str, Any]) -> None:
    answer = looked_up(record, code)
    assert {one["code"]: one["value"] for one in groups_of(answer, "property")} == properties


@pytest.mark.parametrize(
    ("wanted", "properties", "designations"),
    [
        (["rank"], ["rank"], []),
        (["parent", "child"], ["parent", "child"], []),
        (["designation"], [], ["Gedrückt", "low"]),
        (["lang.de", "url"], ["url"], ["Gedrückt"]),
        (["lang.fr"], [], []),
        (["name", "version", "display"], [], []),
        (["inactive", "definition"], ["definition", "inactive"], []),
    ],
)
def test_the_properties_that_were_asked_for_are_told(
    record: httpx.Client, wanted: list[str], properties: list[str], designations: list[str]
) -> None:
    answer = looked_up(record, property=wanted)
    assert [one["code"] for one in groups_of(answer, "property")] == properties
    assert [one["value"] for one in groups_of(answer, "designation")] == designations


def test_a_coding_is_looked_up(record: httpx.Client) -> None:
    sent = parameters(coding={"valueCoding": {"system": MOODS, "version": "2", "code": "high"}})
    assert values_of(record.post(LOOKUP, json=sent))["display"] == "High mood"


def test_the_display_is_in_the_language_that_was_asked_for(record: httpx.Client) -> None:
    assert values_of(looked_up(record, displayLanguage="de"))["display"] == "Gedrückt"
    assert values_of(looked_up(record, displayLanguage="fr"))["display"] == "Low mood"


def test_a_code_of_hl7_is_looked_up(record: httpx.Client) -> None:
    answer = looked_up(record, "ACUTE", ACT)
    assert values_of(answer)["display"] == "inpatient acute"
    assert {"code": "parent", "value": "IMP", "description": "inpatient encounter"} in groups_of(answer, "property")


def test_properties_of_every_type_are_told(client: httpx.Client) -> None:
    values: list[Resource] = [
        {"valueCode": "a"},
        {"valueCoding": {"system": COLOURS, "code": "red"}},
        {"valueString": "s"},
        {"valueInteger": 1},
        {"valueBoolean": False},
        {"valueDateTime": "2026-03"},
        {"valueDecimal": 1.5},
    ]
    names = ("parent", "status", "p", "q")
    own = [{"code": name, **value} for name in names for value in values]
    declared = [{"code": name, "type": "code"} for name in names]
    without = {"extension": [{"url": "http://example.org/e", "valueBoolean": True}]}
    own.append({"_code": without, "valueCode": "x"})
    concepts = [{"code": "a"}, {"code": "b", "property": own}]
    put(client, code_system(concept=concepts, property=declared))
    told = [(one["code"], one["value"]) for one in groups_of(looked_up(client, "b"), "property")]
    expected = [(name, next(iter(value.values()))) for name in names[1:] for value in values]
    assert told == [("parent", "a"), ("inactive", False), *expected]
    outcome = client.get(SUBSUMES, params={"system": MOODS, "codeA": "a", "codeB": "b"})
    assert values_of(outcome) == {"outcome": "subsumes"}


def test_a_code_without_display_is_shown_as_itself(record: httpx.Client) -> None:
    assert values_of(looked_up(record, "wheel", COLOURS))["display"] == "wheel"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"code": "low"}, 400, "required"),
        ({"system": MOODS}, 400, "required"),
        ({"coding": "low"}, 400, "value"),
        ({"system": MOODS, "code": "low", "date": "2020"}, 400, "not-supported"),
        ({"system": MOODS, "code": "low", "colour": "red"}, 400, "value"),
        ({"system": MOODS, "code": "none"}, 404, "not-found"),
        ({"system": MOODS, "code": "low", "version": "9"}, 404, "not-found"),
        ({"system": "http://snomed.info/sct", "code": "35489007"}, 404, "not-found"),
    ],
)
def test_what_is_not_known_is_refused(record: httpx.Client, query: dict[str, str], status: int, code: str) -> None:
    assert refusal_of(record.get(LOOKUP, params=query))[:2] == (status, code)


@pytest.mark.parametrize(
    ("coding", "query"),
    [
        ({"code": "low"}, {}),
        ({"system": MOODS, "code": "low"}, {"system": MOODS}),
        ({"system": MOODS, "code": "low"}, {"code": "low"}),
        ({"system": MOODS, "code": "low", "version": "2"}, {"version": "1"}),
    ],
)
def test_a_code_to_look_up_is_given_in_one_way(record: httpx.Client, coding: Resource, query: dict[str, str]) -> None:
    sent = parameters(coding={"valueCoding": coding})
    assert record.post(LOOKUP, json=sent, params=query).status_code == 400


def test_lookup_is_of_the_type_alone(record: httpx.Client) -> None:
    status, _, sentence = refusal_of(record.get("/CodeSystem/moods/$lookup?code=low"))
    assert status == 404
    offered = sentence.partition("has ")[2]
    assert "$subsumes" in offered
    assert "$lookup" not in offered


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("low", "low", "equivalent"),
        ("any", "empty", "subsumes"),
        ("empty", "any", "subsumed-by"),
        ("low", "high", "not-subsumed"),
    ],
)
def test_how_two_codes_stand_to_one_another(record: httpx.Client, a: str, b: str, outcome: str) -> None:
    codes = {"codeA": a, "codeB": b}
    codings = parameters(
        **{
            f"coding{one}": {"valueCoding": {"system": MOODS, "code": code}}
            for one, code in zip("AB", (a, b), strict=True)
        }
    )
    answers = [
        record.get(SUBSUMES, params={"system": MOODS, **codes}),
        record.get(SUBSUMES, params={"system": MOODS, "version": "2", **codes}),
        record.get("/CodeSystem/moods/$subsumes", params=codes),
        record.post(SUBSUMES, json=codings),
        record.post("/CodeSystem/moods/$subsumes", json=codings),
    ]
    assert [values_of(answer) for answer in answers] == [{"outcome": outcome}] * 5


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"codeA": "low", "codeB": "high"}, 400, "required"),
        ({"system": MOODS, "codeA": "low"}, 400, "required"),
        ({"system": MOODS, "codeA": "low", "codeB": "high", "codingB": "high"}, 400, "required"),
        ({"system": MOODS, "codeA": "low", "codeB": "none"}, 404, "not-found"),
        ({"system": MOODS, "codeA": "low", "codeB": "high", "version": "9"}, 404, "not-found"),
        ({"system": "http://example.org/none", "codeA": "low", "codeB": "high"}, 404, "not-found"),
        ({"system": COLOURS, "codeA": "car", "codeB": "wheel"}, 422, "not-supported"),
    ],
)
def test_what_cannot_be_told_of_two_codes_is_refused(
    record: httpx.Client, query: dict[str, str], status: int, code: str
) -> None:
    assert refusal_of(record.get(SUBSUMES, params=query))[:2] == (status, code)


@pytest.mark.parametrize(
    ("b", "status"),
    [
        ({"system": GENDER, "code": "male"}, 422),
        ({"system": MOODS, "code": "high", "version": "1"}, 422),
        ({"code": "high"}, 400),
    ],
)
def test_codings_of_two_systems_or_versions_are_not_compared(record: httpx.Client, b: Resource, status: int) -> None:
    a = {"system": MOODS, "code": "low", "version": "2"}
    sent = parameters(codingA={"valueCoding": a}, codingB={"valueCoding": b})
    assert record.post(SUBSUMES, json=sent).status_code == status


@pytest.mark.parametrize(
    "address", [f"{LOOKUP}?system={GENDER}&code=male", f"{SUBSUMES}?system={GENDER}&codeA=male&codeB=male"]
)
@pytest.mark.parametrize(("scope", "status"), [("system/CodeSystem.r", 200), ("system/ValueSet.r", 403)])
def test_they_need_the_scope_to_read_code_systems(
    client_with: ClientWith, address: str, scope: str, status: int
) -> None:
    assert client_with(scope).get(address).status_code == status


def test_another_tenants_codes_are_as_if_not_there(record: httpx.Client, server: RunningServer) -> None:
    with server.client(server.token(server.new_tenant())) as stranger:
        hidden, absent = looked_up(stranger), looked_up(stranger, system=COLOURS)
        assert hidden.status_code == absent.status_code == 404
        assert hidden.text.replace(MOODS, COLOURS) == absent.text
        assert stranger.get("/CodeSystem/moods/$subsumes?codeA=low&codeB=high").status_code == 404


def test_they_are_audited(client: httpx.Client) -> None:
    put(client, code_system())
    values_of(looked_up(client))
    values_of(client.get("/CodeSystem/moods/$subsumes?codeA=low&codeB=high"))
    assert len(audited(client, "$lookup")) == 1
    assert "CodeSystem/moods" in str(audited(client, "$subsumes"))


@pytest.mark.parametrize("address", ["/$convert", "/CodeSystem/$convert", "/ConceptMap/$translate"])
def test_an_operation_that_is_not_offered_is_refused_by_its_name(record: httpx.Client, address: str) -> None:
    status, _, sentence = refusal_of(record.post(address, json=parameters()))
    assert status == 404
    assert sentence.startswith(f"There is no {address.rpartition('/')[2]} here; at this level ")


def test_the_capability_statement_names_them(record: httpx.Client) -> None:
    resources = record.get("/metadata").json()["rest"][0]["resource"]
    offered = {one["type"]: {operation["name"] for operation in one.get("operation", ())} for one in resources}
    assert offered["ValueSet"] >= {"expand", "validate-code"}
    assert offered["CodeSystem"] >= {"lookup", "validate-code", "subsumes"}
