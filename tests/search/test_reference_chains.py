"""Chains, `_has`, callers, includes and orders in memory (FHIR R4, search.html#chaining, #has, #include, #sort)."""

from typing import Any

import pytest

from tests.search.one_resource import BASE, NOW
from tests.search.reference_evaluator import found
from tests.search.reference_includes import Seen, included
from tests.search.reference_order import in_order, sort_keys
from tests.search.reference_paths import Resource
from tests.search.reference_record import Caller, SeenRecord
from tests.search.reference_refusals import NotAllowedError

OPEN = Caller()


def resource(kind: str, id: str, **elements: Any) -> Resource:
    return {"resourceType": kind, "id": id, **elements}


def to(target: str) -> dict[str, str]:
    return {"reference": target}


RECORD = [
    resource("Organization", "top", name="Top"),
    resource("Organization", "ward", name="Ward", partOf=to("Organization/top")),
    resource("Practitioner", "lee", name=[{"family": "Lee"}]),
    resource(
        "Patient", "a", gender="female", name=[{"family": "Amadi"}], managingOrganization=to("Organization/ward"),
        generalPractitioner=[to("Practitioner/lee"), to("Organization/top")],
    ),
    resource("Patient", "b", gender="male", managingOrganization=to("Organization/gone")),
    resource("Group", "team", code={"coding": [{"code": "t"}]}, member=[{"entity": to("Patient/b")}]),
    resource("Encounter", "e", subject=to(f"{BASE}/Patient/a")),
    resource("Goal", "sleep", lifecycleStatus="active", subject=to("Patient/a")),
    resource("Goal", "walk", lifecycleStatus="completed", subject=to("Patient/b/_history/2")),
    resource("Goal", "eat", lifecycleStatus="active", subject=to("Group/team")),
    resource("Goal", "far", lifecycleStatus="active", subject=to("https://other.example/fhir/Patient/a")),
    resource(
        "CarePlan", "plan", status="active", subject=to("Patient/a"), goal=[to("Goal/sleep")],
        encounter=to("Encounter/e"),
    ),
    resource("Questionnaire", "q1", url="http://acme.example/q", version="1", title="Sleep"),
    resource("QuestionnaireResponse", "r", questionnaire="http://acme.example/q"),
    resource("QuestionnaireResponse", "r1", questionnaire="http://acme.example/q|1"),
    resource("QuestionnaireResponse", "r2", questionnaire="http://acme.example/q|2"),
]  # fmt: skip


def ids(resource_type: str, *query: tuple[str, str], caller: Caller = OPEN) -> list[str]:
    return [one["id"] for one in found(SeenRecord(RECORD, caller, BASE), resource_type, query, now=NOW)]


@pytest.mark.parametrize(
    ("resource_type", "name", "value", "expected"),
    [
        pytest.param("Goal", "subject:Patient.name", "amadi", ["sleep"], id="typed"),
        pytest.param("Goal", "subject.code", "t", ["eat"], id="untyped-to-the-one-type-that-has-it"),
        pytest.param("Goal", "subject._id", "a,team", ["sleep", "eat"], id="untyped-to-several-types"),
        pytest.param("Goal", "patient.gender:not", "female", ["walk"], id="not-of-a-target"),
        pytest.param("Goal", "patient.name:missing", "true", ["walk"], id="missing-of-a-target"),
        pytest.param("Patient", "organization.name:missing", "true", [], id="missing-needs-a-target"),
        pytest.param("Goal", "patient.organization.partof.name", "top", ["sleep"], id="three-links"),
        pytest.param("Goal", "patient.general-practitioner.name", "lee", ["sleep"], id="through-several-types"),
        pytest.param("CarePlan", "encounter.patient.general-practitioner:Organization.name", "top", ["plan"],
                     id="by-the-own-address"),
        pytest.param("QuestionnaireResponse", "questionnaire.title", "sleep", ["r", "r1"], id="canonicals"),
        pytest.param("Patient", "_has:Goal:patient:lifecycle-status", "completed", ["b"], id="has-by-a-version"),
        pytest.param("Patient", "_has:Goal:patient:_has:CarePlan:goal:status", "active", ["a"], id="has-in-has"),
        pytest.param("Organization", "_has:Patient:organization:_has:Goal:patient:_id", "sleep", ["ward"], id="has-far"),
        pytest.param("Goal", "patient._has:CarePlan:patient:status", "active", ["sleep"], id="has-in-a-chain"),
        pytest.param("Patient", "_has:CarePlan:patient:goal.lifecycle-status", "active", ["a"], id="chain-in-has"),
        pytest.param("Questionnaire", "_has:QuestionnaireResponse:questionnaire:_id", "r2", [], id="another-version"),
        pytest.param("Goal", "subject._has:Group:member:code", "t", ["walk"], id="has-of-one-of-the-types"),
        pytest.param("Patient", "organization:below", "Organization/top", ["a"], id="below"),
        pytest.param("Patient", "general-practitioner:above", "Organization/ward", ["a"], id="above"),
    ],
)  # fmt: skip
def test_a_chain_follows_references(resource_type: str, name: str, value: str, expected: list[str]) -> None:
    assert ids(resource_type, (name, value)) == expected


def test_repeated_links_may_lead_to_different_resources() -> None:
    both = ("general-practitioner:Practitioner.name", "lee"), ("general-practitioner:Organization.name", "top")

    assert ids("Patient", *both) == ["a"]
    assert ids("Patient", ("_has:Goal:patient:_id", "sleep"), ("_has:Goal:patient:_id", "walk")) == []


@pytest.mark.parametrize(
    ("scope", "resource_type", "name"),
    [
        ("system/Goal.rs", "Goal", "subject:Patient.name"),
        ("system/Goal.rs", "Goal", "subject.identifier"),
        ("system/Goal.rs system/Group.rs", "Goal", "patient.name"),
        ("system/Patient.rs", "Patient", "_has:Goal:patient:lifecycle-status"),
        ("system/Goal.rs system/Patient.rs", "Goal", "patient.organization.name"),
    ],
)
def test_a_chain_through_types_that_may_not_be_searched_is_refused(scope: str, resource_type: str, name: str) -> None:
    with pytest.raises(NotAllowedError):
        ids(resource_type, (name, "x"), caller=Caller(scope))


def test_an_untyped_chain_goes_through_the_types_that_may_be_searched() -> None:
    goals_and_groups = Caller("system/Goal.rs system/Group.rs")

    assert ids("Goal", ("subject.identifier:missing", "true"), caller=goals_and_groups) == ["eat"]


def test_a_patient_sees_the_own_record_and_what_is_shared() -> None:
    own = Caller("patient/*.rs", "a")

    assert ids("Goal", caller=own) == ["sleep"]
    assert ids("Patient", caller=own) == ["a"]
    assert ids("Group", caller=own) == []
    assert ids("Organization", caller=own) == ["top", "ward"]
    assert ids("Organization", ("_has:Patient:organization:gender", "male"), caller=own) == []


def test_what_no_chain_can_mean_is_refused() -> None:
    for name in ("subject.shoe-size", "lifecycle-status.name", "_has:CarePlan:encounter:status"):
        with pytest.raises(KeyError):
            ids("Goal", (name, "x"))


@pytest.mark.parametrize(
    ("resource_type", "asked", "expected"),
    [
        pytest.param("CarePlan", [("_include", "CarePlan:goal")], ["sleep"], id="include"),
        pytest.param("CarePlan", [("_include", "CarePlan:subject:Group")], [], id="another-target"),
        pytest.param("CarePlan", [("_include", "*")], ["a", "e", "sleep"], id="any"),
        pytest.param("CarePlan", [("_include", "CarePlan:subject"), ("_include", "Patient:organization")], ["a"],
                     id="not-iterated"),
        pytest.param("CarePlan", [("_include", "CarePlan:subject"), ("_include:iterate", "Patient:organization"),
                                  ("_include:iterate", "Organization:partof")], ["a", "top", "ward"], id="iterated"),
        pytest.param("Patient", [("_revinclude", "Goal:patient")], ["sleep", "walk"], id="revinclude"),
        pytest.param("Group", [("_revinclude", "Goal:subject:Patient")], [], id="revinclude-another-target"),
        pytest.param("Goal", [("_revinclude", "CarePlan:goal"), ("_include:iterate", "CarePlan:encounter")], ["e", "plan"],
                     id="from-a-revinclude"),
    ],
)  # fmt: skip
def test_includes_bring_what_is_referred_to(
    resource_type: str, asked: list[tuple[str, str]], expected: list[str]
) -> None:
    record = SeenRecord(RECORD, OPEN, BASE)

    brought = included(Seen.of(record), found(record, resource_type, [], now=NOW), asked)

    assert sorted(id for _, id in brought) == expected


def test_an_include_brings_nothing_that_may_not_be_seen() -> None:
    record = SeenRecord(RECORD, Caller("system/CarePlan.rs system/Goal.rs"), BASE)
    plans = found(record, "CarePlan", [], now=NOW)

    assert included(Seen.of(record), plans, [("_include", "*")]) == {("Goal", "sleep")}


@pytest.mark.parametrize(
    ("first", "second", "sort", "expected"),
    [
        pytest.param({}, {"birthDate": "2000"}, "birthdate", True, id="missing-first"),
        pytest.param({}, {"birthDate": "2000"}, "-birthdate", False, id="missing-last-descending"),
        pytest.param({"birthDate": "1999"}, {"birthDate": "2000"}, "birthdate", True, id="smaller-first"),
        pytest.param({"birthDate": "1999"}, {"birthDate": "2000"}, "-birthdate", False, id="greater-first"),
        pytest.param({"name": [{"given": ["É", "z"]}]}, {"name": [{"given": ["f"]}]}, "given", True, id="smallest"),
        pytest.param({"name": [{"given": ["É", "z"]}]}, {"name": [{"given": ["f"]}]}, "-given", True, id="greatest"),
        pytest.param({"gender": "male"}, {"gender": "male", "active": True}, "gender,-active", False, id="second-key"),
        pytest.param({"gender": "male"}, {"gender": "male"}, "gender", True, id="tie"),
    ],
)
def test_the_order_of_two(first: Resource, second: Resource, sort: str, expected: bool) -> None:
    record = SeenRecord([], OPEN, BASE)
    one, other = (sort_keys(record, resource("Patient", "p", **elements), sort) for elements in (first, second))

    assert in_order(one, other) is expected
