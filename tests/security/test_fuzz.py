"""Random requests: whatever comes, the answer is proper and the server lives (issue: bad input never gives 5xx)."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bhr_api.fhir.definitions import Resource
from bhr_api.search.parameters import parameters_of
from tests.fixtures.server import RunningServer
from tests.security.answers import FORM, require_alive, require_outcome, require_proper
from tests.security.mutations import SAMPLES, VALUES, mutated

BRIEF = settings(
    max_examples=250, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
LONG = settings(max_examples=10_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def http(server: RunningServer) -> Iterator[httpx.Client]:
    """A client of a tenant that all examples share."""
    with server.client(server.token(server.new_tenant())) as client:
        yield client
        require_alive(client)


def entry(method: str, url: str, resource: Any) -> dict[str, Any]:
    return {"request": {"method": method, "url": url}, "resource": resource}


def require_judged(http: httpx.Client, resource: Resource, address: str) -> None:
    """`resource` is stored or refused with located issues, by itself and in bundles, everywhere alike."""
    resource_type = address.partition("/")[0]
    body = json.dumps(resource).encode()
    put = http.put(f"/{address}", content=body)
    require_proper(put, 200, 201, 400, 422)
    require_proper(http.post(f"/{resource_type}", content=body), 201, 400, 422)
    bundle = {
        "resourceType": "Bundle",
        "entry": [entry("PUT", address, resource), entry("POST", resource_type, resource)],
    }
    require_proper(http.post("", json={**bundle, "type": "transaction"}), 200, 400, 422)
    batch = http.post("", json={**bundle, "type": "batch"})
    require_proper(batch, 200, 400, 422)
    for one in batch.json().get("entry", ()):
        status = one["response"]["status"]
        assert status < "5"
        if status >= "4":
            require_outcome(one["response"]["outcome"], located=status == "422")
    if put.is_success:
        stored = http.get(f"/{address}")
        require_proper(stored, 200)
        without = [{name: value for name, value in one.items() if name != "meta"} for one in (stored.json(), resource)]
        assert without[0] == without[1]


mutants = st.sampled_from(SAMPLES).flatmap(
    lambda one: st.tuples(mutated([one]), st.just(f"{one['resourceType']}/{one['id']}"))
)


@BRIEF
@given(mutants)
def test_a_mutated_resource_is_stored_or_refused(http: httpx.Client, mutant: tuple[Resource, str]) -> None:
    require_judged(http, *mutant)


@pytest.mark.soak
@LONG
@given(mutants)
def test_any_mutated_resource_is_stored_or_refused(http: httpx.Client, mutant: tuple[Resource, str]) -> None:
    require_judged(http, *mutant)


def sample_bundle(type: str) -> Resource:
    entries = [entry("PUT", f"{one['resourceType']}/{one['id']}", one) for one in SAMPLES[:6]]
    entries += [{"request": {"method": "GET", "url": "Patient?_count=1"}, "fullUrl": "urn:uuid:x"}]
    return {"resourceType": "Bundle", "type": type, "entry": entries}


@BRIEF
@given(mutated([sample_bundle("transaction"), sample_bundle("batch")]))
def test_a_mutated_bundle_is_carried_out_or_refused(http: httpx.Client, bundle: Resource) -> None:
    answer = http.post("", json=bundle)
    require_proper(answer)
    assert all(one["response"]["status"] < "5" for one in answer.json().get("entry", ()))


@BRIEF
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(http: httpx.Client, body: bytes) -> None:
    for path in ("/Patient", ""):
        require_proper(http.post(path, content=body), 400)


@BRIEF
@given(st.binary(min_size=1, max_size=3), st.integers(0, 10_000))
def test_a_resource_with_random_bytes_in_it_is_judged(http: httpx.Client, noise: bytes, place: int) -> None:
    body = json.dumps(SAMPLES[place % len(SAMPLES)]).encode()
    cut = place % len(body)
    require_proper(
        http.post(f"/{SAMPLES[place % len(SAMPLES)]['resourceType']}", content=body[:cut] + noise + body[cut:])
    )


@BRIEF
@given(VALUES)
def test_any_json_is_no_resource(http: httpx.Client, value: Any) -> None:
    require_proper(http.post("/Patient", json=value), 400, 422)


SEARCHED = ("Patient", "Observation", "CarePlan", "Appointment", "ValueSet", "RiskAssessment", "AuditEvent")
PIECES = st.one_of(
    st.sampled_from(
        "' % _ \\ , | $ \\, - * : . ? / eq ap ne 1 2026 e9 Patient http://loinc.org true T00:00 Z _id 9999-12-31 0001-01-01"
        " 1e-5 \U0001f600".split()
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
)
SEARCH_VALUES = st.lists(PIECES, max_size=6).map("".join)
CONTROLS = [
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_include:iterate",
    "_summary",
    "_elements",
    "_total",
    "_cursor",
]
MODIFIERS = ["", "", "", ":missing", ":not", ":exact", ":contains", ":identifier", ":Patient", ":above", ":'", ".name"]


@st.composite
def searches(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]]]:
    """A type and up to five parameters, mostly of that type."""
    resource_type = draw(st.sampled_from(SEARCHED))
    names = st.one_of(
        st.tuples(st.sampled_from(sorted(parameters_of(resource_type))), st.sampled_from(MODIFIERS)).map("".join),
        st.sampled_from(CONTROLS),
        SEARCH_VALUES,
    )
    return resource_type, draw(st.lists(st.tuples(names, SEARCH_VALUES), max_size=5))


def require_searched(http: httpx.Client, resource_type: str, parameters: list[tuple[str, str]]) -> None:
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters)
    answer = http.get(f"/{resource_type}?{query}")
    # 422: the codes of a system that is not loaded, or more work than a request may take.
    require_proper(answer, 200, 400, 422)
    require_proper(http.post(f"/{resource_type}/_search", content=query.encode(), headers=FORM), answer.status_code)
    require_proper(http.get(f"/{resource_type}?{query}", headers={"Prefer": "handling=lenient"}), 200, 400, 422)
    require_proper(http.put(f"/{resource_type}?{query}", json={"resourceType": resource_type}), *range(200, 430))
    require_proper(http.delete(f"/{resource_type}?{query}"), 204, 400, 403, 412, 422)
    if answer.status_code == 200:
        # Promise 3: the self link names what was applied, so it asks for the same again.
        own = answer.json()["link"][0]["url"]
        require_proper(http.get(own), 200)


@BRIEF
@given(searches())
def test_a_random_search_is_answered_or_refused(http: httpx.Client, search: tuple[str, list[tuple[str, str]]]) -> None:
    require_searched(http, *search)


@pytest.mark.soak
@LONG
@given(searches())
def test_any_random_search_is_answered_or_refused(
    http: httpx.Client, search: tuple[str, list[tuple[str, str]]]
) -> None:
    require_searched(http, *search)


@BRIEF
@given(st.lists(st.tuples(st.sampled_from(["_since", "_at", "_count", "_cursor", "x"]), SEARCH_VALUES), max_size=3))
def test_a_random_history_is_answered_or_refused(http: httpx.Client, parameters: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters)
    for path in ("/_history", "/Patient/_history"):
        require_proper(http.get(f"{path}?{query}"), 200, 400)


@BRIEF
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#"), max_size=60))
def test_a_random_address_is_answered_or_refused(http: httpx.Client, path: str) -> None:
    address = httpx.URL(str(http.base_url), raw_path=f"/fhir/{path}".encode())
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        require_proper(http.request(method, address, content=b"{}"))
