"""The CapabilityStatement tells the truth: what it claims works over HTTP (FHIR R4, http.html#capabilities)."""

import json
import uuid
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.fhir.validation import validate
from bhr_api.search.parameters import parameters_of
from tests.fixtures.server import RunningServer

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
Statement = dict[str, Any]


@pytest.fixture(scope="module")
def http(server: RunningServer) -> Iterator[httpx.Client]:
    """A client that may do everything in a tenant of this module."""
    with server.client(server.token(server.new_tenant())) as client:
        yield client


@pytest.fixture(scope="module")
def statement(server: RunningServer) -> Statement:
    """What the server says of itself to anybody."""
    answer = httpx.get(f"{server.base_url}/metadata")
    assert answer.status_code == 200
    found: Statement = json_text.parse(answer.content)
    return found


def described(statement: Statement) -> dict[str, Statement]:
    return {entry["type"]: entry for entry in statement["rest"][0]["resource"]}


def interactions(entry: Statement) -> set[str]:
    return {interaction["code"] for interaction in entry["interaction"]}


def test_it_is_valid_r4(statement: Statement) -> None:
    assert validate(statement) == []
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["kind"] == "instance"


def test_every_type_is_served(statement: Statement) -> None:
    assert tuple(described(statement)) == RESOURCE_TYPES


def test_the_oauth_endpoints_stand_in_the_extension(server: RunningServer, statement: Statement) -> None:
    security = statement["rest"][0]["security"]
    (extension,) = [one for one in security["extension"] if one["url"] == OAUTH_URIS]
    endpoints = {one["url"]: one["valueUri"] for one in extension["extension"]}

    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert security["cors"] is True
    assert endpoints["token"] == f"{server.url}/oauth/token"
    assert endpoints["authorize"] == f"{server.url}/oauth/authorize"
    assert httpx.get(endpoints.pop("manage"), follow_redirects=True).status_code == 200
    assert all(httpx.post(url, data={}).status_code in (400, 401) for url in endpoints.values())


def test_it_says_the_same_as_the_smart_configuration(server: RunningServer, statement: Statement) -> None:
    configuration = httpx.get(f"{server.base_url}/.well-known/smart-configuration").json()
    (extension,) = statement["rest"][0]["security"]["extension"]
    endpoints = {one["url"]: one["valueUri"] for one in extension["extension"]}

    assert endpoints["token"] == configuration["token_endpoint"]
    assert endpoints["authorize"] == configuration["authorization_endpoint"]
    assert endpoints["manage"] == configuration["management_endpoint"]
    assert endpoints["register"] == configuration["registration_endpoint"]
    assert endpoints["introspect"] == configuration["introspection_endpoint"]
    assert endpoints["revoke"] == configuration["revocation_endpoint"]


def test_it_is_pretty_on_request_and_not_offered_as_xml(server: RunningServer) -> None:
    plain, pretty, xml = (
        httpx.get(f"{server.base_url}/metadata", params=params)
        for params in ({}, {"_pretty": "true"}, {"_format": "xml"})
    )

    assert pretty.text.startswith("{\n")
    assert pretty.json() == plain.json()
    assert xml.status_code == 406


# Interactions

SMALLEST: dict[str, Statement] = {
    "Patient": {"birthDate": "1990-02-03"},
    "Goal": {
        "lifecycleStatus": "active",
        "description": {"text": "Sleep"},
        "subject": {"reference": "Patient/p"},
    },
    "Observation": {"status": "final", "code": {"text": "Sleep"}, "subject": {"reference": "Patient/p"}},
    "Medication": {"status": "active"},
    "Basic": {"code": {"text": "A note"}},
}


@pytest.mark.parametrize("name", SMALLEST)
def test_every_claimed_interaction_works(http: httpx.Client, statement: Statement, name: str) -> None:
    claimed = interactions(described(statement)[name])
    resource = {"resourceType": name, **SMALLEST[name]}
    created = http.post(f"/{name}", json=resource)
    path = f"/{name}/{created.json()['id']}"
    answers = {
        "create": created,
        "read": http.get(path),
        "update": http.put(path, json=created.json() | {"language": "en"}),
        "vread": http.get(f"{path}/_history/1"),
        "history-instance": http.get(f"{path}/_history"),
        "history-type": http.get(f"/{name}/_history"),
        "search-type": http.get(f"/{name}", params={"_id": created.json()["id"]}),
        "patch": http.patch(path, json={"language": "es"}, headers={"Content-Type": "application/merge-patch+json"}),
        "delete": http.delete(path),
    }

    assert answers.keys() == claimed
    expected = {"create": 201, "delete": 204}
    assert {code: answer.status_code for code, answer in answers.items()} == {
        code: expected.get(code, 200) for code in claimed
    }
    assert len(answers["search-type"].json()["entry"]) == 1
    assert len(answers["history-instance"].json()["entry"]) == 2


@pytest.mark.parametrize("name", SMALLEST)
def test_every_claimed_condition_works(http: httpx.Client, statement: Statement, name: str) -> None:
    entry = described(statement)[name]
    tag = {"system": "urn:test", "code": uuid.uuid4().hex}
    criteria = f"_tag=urn:test|{tag['code']}"
    resource = {"resourceType": name, "meta": {"tag": [tag]}, **SMALLEST[name]}

    first, second = (http.post(f"/{name}", json=resource, headers={"If-None-Exist": criteria}) for _ in range(2))
    known = http.get(f"/{name}/{first.json()['id']}", headers={"If-None-Match": first.headers["ETag"]})
    updated = http.put(f"/{name}?{criteria}", json=resource | {"language": "en"})
    put = http.put(f"/{name}/by-client", json=resource | {"id": "by-client"})
    several = http.delete(f"/{name}?{criteria}")
    http.delete(f"/{name}/by-client")
    deleted = http.delete(f"/{name}?{criteria}")

    claims = ("conditionalCreate", "conditionalRead", "conditionalUpdate", "updateCreate", "conditionalDelete")
    assert [entry[claim] for claim in claims] == [True, "full-support", True, True, "single"]
    assert (first.status_code, second.status_code) == (201, 200)
    assert known.status_code == 304
    assert updated.json()["meta"]["versionId"] == "2"
    assert put.status_code == 201
    assert (several.status_code, deleted.status_code) == (412, 204)


def test_every_claimed_interaction_of_the_system_works(http: httpx.Client, statement: Statement) -> None:
    claimed = {interaction["code"] for interaction in statement["rest"][0]["interaction"]}
    request = {
        "resource": {"resourceType": "Basic", "code": {"text": "x"}},
        "request": {"method": "POST", "url": "Basic"},
    }
    answers = {
        kind: http.post("", json={"resourceType": "Bundle", "type": kind, "entry": [request]})
        for kind in ("batch", "transaction")
    }
    answers["history-system"] = http.get("/_history")
    answers["search-system"] = http.get("/?_type=Basic")

    assert answers.keys() == claimed
    assert {answer.status_code for answer in answers.values()} == {200}


def test_nothing_but_reading_is_claimed_or_done_for_audit_events(http: httpx.Client, statement: Statement) -> None:
    entry = described(statement)["AuditEvent"]
    found = http.get("/AuditEvent", params={"_count": "1"}).json()["entry"][0]["resource"]
    path = f"/AuditEvent/{found['id']}"
    writes = [http.post("/AuditEvent", json=found), http.put(path, json=found), http.delete(path)]

    assert interactions(entry) == {"read", "search-type"}
    assert entry.keys() <= {"type", "interaction", "searchParam"}
    assert {answer.status_code for answer in writes} <= {403, 405}
    assert http.get(path).json() == found


# Search

VALUES = {
    "token": "http://example.org/codes|a",
    "reference": "x1",
    "string": "Äbc",
    "date": "ge2026-01-01",
    "number": "gt0.5",
    "quantity": "le5.4|http://unitsofmeasure.org|mg",
    "uri": "http://example.org/x",
    "special": "42.25|-83.69|11.2|km",
}


def value_for(name: str, code: str, type: str) -> str:
    """A proper value of the parameter's type; a composite's is one of each part's."""
    if type != "composite":
        return VALUES[type]
    return "$".join(VALUES[part.type] for part in parameters_of(name)[code].components)


def failures(http: httpx.Client, paths: list[str]) -> dict[str, str]:
    """The paths whose answer is not a searchset, with what was said."""
    found = {}
    for path in paths:
        answer = http.get(path)
        if answer.status_code != 200 or answer.json()["type"] != "searchset":
            found[path] = answer.text
    return found


def test_every_listed_search_parameter_is_accepted(http: httpx.Client, statement: Statement) -> None:
    paths = [
        f"/{name}?{parameter['name']}={quote(value_for(name, parameter['name'], parameter['type']), safe='')}"
        for name, entry in described(statement).items()
        for parameter in entry["searchParam"]
    ]

    assert len(paths) > 2000
    assert failures(http, paths) == {}


def test_a_search_parameter_that_is_not_listed_is_refused(http: httpx.Client, statement: Statement) -> None:
    unlisted = dict.fromkeys(described(statement), "colour") | {"AuditEvent": "policy", "Goal": "code"}

    for name, code in unlisted.items():
        assert code not in {parameter["name"] for parameter in described(statement)[name]["searchParam"]}
        assert http.get(f"/{name}", params={code: "x"}).status_code == 400, name


INCLUDES_AT_ONCE = 40


def test_every_listed_include_is_accepted(http: httpx.Client, statement: Statement) -> None:
    included = [
        (name, f"{parameter}={quote(value)}")
        for name, entry in described(statement).items()
        for parameter, member in (("_include", "searchInclude"), ("_revinclude", "searchRevInclude"))
        for value in entry.get(member, [])
    ]
    paths = [
        f"/{name}?{'&'.join(parameter for _, parameter in some)}"
        for name, group in groupby(included, key=lambda pair: pair[0])
        for some in batched(group, INCLUDES_AT_ONCE)
    ]

    assert len(included) > 1000
    assert failures(http, paths) == {}


def batched(pairs: Iterable[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    remaining = iter(pairs)
    while some := list(islice(remaining, size)):
        yield some


def test_every_definition_is_a_canonical_url(statement: Statement) -> None:
    for name, entry in described(statement).items():
        codes = [parameter["name"] for parameter in entry["searchParam"]]
        assert len(set(codes)) == len(codes), name
        assert all(parameter["definition"].startswith("http") for parameter in entry["searchParam"])


def test_no_include_of_audit_events_is_claimed(statement: Statement) -> None:
    values = [value for entry in described(statement).values() for value in entry.get("searchRevInclude", [])]

    assert values
    assert not [value for value in values if value.startswith("AuditEvent:")]


def test_it_is_json_that_other_tools_read(server: RunningServer) -> None:
    answer = httpx.get(f"{server.base_url}/metadata", headers={"Accept": "application/json"})

    assert answer.headers["Content-Type"] == "application/fhir+json; charset=utf-8"
    assert json.loads(answer.content)["resourceType"] == "CapabilityStatement"
