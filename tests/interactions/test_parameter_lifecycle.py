"""Search parameters come, change and go (FHIR R4, searchparameter.html; docs/search.md)."""

import time
from typing import Any

import httpx
import pytest

from tests.fixtures.server import RunningServer
from tests.interactions.added_parameters import add, ids, put, search_parameter, status, wait_until_complete

FAMILY = search_parameter("x", "Patient", "string", "Patient.name.family")


def ann(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "ann", "name": [{"family": "Fam", "given": ["Giv"]}], **members}


def refused_within(client: httpx.Client, path: str, seconds: float = 30) -> None:
    """Until no worker answers by the parameter; before, the answers are right."""
    give_up = time.monotonic() + seconds
    while (answer := client.get(path)).status_code in (200, 503):
        assert time.monotonic() < give_up
        time.sleep(0.1)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["code"] == "not-supported"


def test_a_changed_expression_leaves_no_old_values(client: httpx.Client) -> None:
    put(client, ann())
    (id,) = add(client, FAMILY)
    wait_until_complete(client, id)
    assert ids(client, "Patient?x=fam") == ["ann"]
    changed = FAMILY | {"expression": "Patient.name.given", "id": id}
    assert client.put(f"SearchParameter/{id}", json=changed).status_code == 200
    assert status(client, id)["state"] == "building"
    # Each answer is by the one definition or by the other, and right.
    while (answer := client.get("Patient?x=giv&_summary=count")).status_code == 200 and answer.json()["total"] == 0:
        time.sleep(0.05)
    wait_until_complete(client, id)
    assert ids(client, "Patient?x=giv") == ["ann"]
    assert ids(client, "Patient?x=fam") == []


def test_what_is_written_meanwhile_is_found_by_the_new_definition(client: httpx.Client) -> None:
    put(client, ann())
    (id,) = add(client, FAMILY)
    put(client, ann(name=[{"family": "Other"}]))
    changed = FAMILY | {"expression": "Patient.name.given", "id": id}
    assert client.put(f"SearchParameter/{id}", json=changed).status_code == 200
    put(client, ann(name=[{"family": "Other", "given": ["Later"]}]))
    wait_until_complete(client, id)
    assert (ids(client, "Patient?x=later"), ids(client, "Patient?x=other")) == (["ann"], [])


def test_a_retired_parameter_answers_no_more_and_comes_back(client: httpx.Client) -> None:
    put(client, ann())
    (id,) = add(client, FAMILY)
    wait_until_complete(client, id)
    assert client.put(f"SearchParameter/{id}", json=FAMILY | {"status": "retired", "id": id}).status_code == 200
    assert status(client, id)["state"] == "not-served"
    refused_within(client, "Patient?x=fam")
    put(client, ann(name=[{"family": "Next"}]))
    assert client.put(f"SearchParameter/{id}", json=FAMILY | {"id": id}).status_code == 200
    wait_until_complete(client, id)
    assert (ids(client, "Patient?x=next"), ids(client, "Patient?x=fam")) == (["ann"], [])


def test_a_deleted_parameter_is_unknown_and_its_code_is_free(client: httpx.Client) -> None:
    put(client, ann())
    (id,) = add(client, FAMILY)
    wait_until_complete(client, id)
    assert client.delete(f"SearchParameter/{id}").status_code == 204
    refused_within(client, "Patient?x=fam")
    other = search_parameter("x", "Patient", "token", "Patient.name.given", url="http://example.org/other")
    (next_id,) = add(client, other)
    wait_until_complete(client, next_id)
    assert ids(client, "Patient?x=Giv") == ["ann"]


def refusal_of(client: httpx.Client, parameter: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("SearchParameter", json=parameter)
    assert answer.status_code == 422, answer.text
    issue: dict[str, Any] = answer.json()["issue"][0]
    return issue


def test_a_code_that_r4_holds_is_refused_with_its_holder(client: httpx.Client) -> None:
    issue = refusal_of(client, search_parameter("gender", "Patient", "token", "Patient.gender"))
    assert (issue["code"], issue["expression"]) == ("duplicate", ["SearchParameter.code"])
    assert "http://hl7.org/fhir/SearchParameter/individual-gender" in issue["diagnostics"]
    own = "http://hl7.org/fhir/SearchParameter/individual-gender"
    add(client, search_parameter("gender", "Patient", "token", "Patient.gender", url=own))
    assert client.get("Patient?gender=male").status_code == 200


@pytest.mark.parametrize(("code", "holder"), [("Gender", "individual-gender"), ("X", "Patient-x")])
def test_codes_do_not_differ_by_case_alone(client: httpx.Client, code: str, holder: str) -> None:
    add(client, FAMILY)
    url = "http://example.org/other"
    issue = refusal_of(client, search_parameter(code, "Patient", "string", "Patient.name.given", url=url))
    assert holder in issue["diagnostics"]


def test_a_code_or_url_that_the_tenant_holds_is_refused_with_its_holder(client: httpx.Client) -> None:
    (id,) = add(client, FAMILY)
    issue = refusal_of(client, FAMILY | {"url": "http://example.org/other"})
    assert FAMILY["url"] in issue["diagnostics"]
    issue = refusal_of(client, FAMILY | {"code": "y"})
    assert (issue["code"], issue["expression"]) == ("duplicate", ["SearchParameter.url"])
    assert f"SearchParameter/{id}" in issue["diagnostics"]
    assert status(client, id)["state"] in ("building", "complete")


def test_what_cannot_be_served_is_not_stored(client: httpx.Client) -> None:
    bad = search_parameter("y", "Patient", "special", "Patient.name")
    issue = refusal_of(client, bad)
    assert (issue["code"], issue["expression"]) == ("not-supported", ["SearchParameter.type"])
    entry = {"resource": bad, "request": {"method": "POST", "url": "SearchParameter"}}
    good = {"resource": FAMILY, "request": {"method": "POST", "url": "SearchParameter"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [good, entry]}
    assert client.post("", json=bundle).status_code == 422
    assert client.get("SearchParameter?_summary=count").json()["total"] == 0
    assert client.get("Patient?x=a").status_code == 400


def test_a_composite_needs_parts_that_are_there(client: httpx.Client) -> None:
    parts = [{"definition": "http://example.org/none", "expression": "gender"}] * 2
    issue = refusal_of(client, search_parameter("c", "Patient", "composite", "Patient", component=parts))
    assert (issue["code"], issue["expression"]) == ("not-supported", ["SearchParameter.component"])
    assert "http://example.org/none" in issue["diagnostics"]


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_a_bundle_adds_parameters_too(client: httpx.Client, kind: str) -> None:
    entry = {"resource": FAMILY, "request": {"method": "POST", "url": "SearchParameter"}}
    answer = client.post("", json={"resourceType": "Bundle", "type": kind, "entry": [entry]})
    location = answer.json()["entry"][0]["response"]["location"].split("/")
    assert status(client, location[location.index("SearchParameter") + 1])["state"] == "building"
    assert client.get("Patient?x=a").status_code == 503


def test_the_status_is_told_to_whoever_may_read_the_definition(
    server: RunningServer, tenant: str, client: httpx.Client
) -> None:
    (id,) = add(client, FAMILY)
    with server.client(server.token(tenant, "system/Patient.rs")) as other:
        assert other.get(f"SearchParameter/{id}/$index-status").status_code == 403
    assert client.get("SearchParameter/none/$index-status").status_code == 404
    with server.client(server.token(server.new_tenant())) as elsewhere:
        assert elsewhere.get(f"SearchParameter/{id}/$index-status").status_code == 404


@pytest.mark.parametrize(
    ("scope", "patient"),
    [
        pytest.param("patient/*.rs", "ann", id="of-one-record"),
        pytest.param("system/SearchParameter.rs", None, id="of-another-type"),
        pytest.param("system/Patient.rs?gender=female", None, id="of-some-of-them"),
    ],
)
def test_how_many_resources_there_are_is_told_to_who_may_search_them_all(
    server: RunningServer, tenant: str, client: httpx.Client, scope: str, patient: str | None
) -> None:
    put(client, ann(), ann(id="bob"))
    (id,) = add(client, FAMILY)
    assert status(client, id).keys() == {"state", "done", "total"}
    with server.client(server.token(tenant, f"{scope} system/SearchParameter.r", patient=patient)) as other:
        assert status(other, id).keys() == {"state"}
        base = other.get(f"SearchParameter/{id}/$index-status").json()["parameter"][-1]
    assert [part["name"] for part in base["part"]] == ["type", "state", "message"]
