"""Searches as large as an address or a form can carry are answered or refused in time (DESIGN promise 7)."""

from collections.abc import Iterator

import httpx
import pytest

from tests.security.answers import FORM, require_alive, require_proper


def forms() -> Iterator[tuple[str, str, str]]:
    quantity = ",".join(f"{number}|http://unitsofmeasure.org|mg" for number in range(1000))
    composite = ",".join(f"http://loinc.org|{number}$gt{number}" for number in range(1000))
    dates = ",".join(f"ap2026-01-01T00:00:{number % 60:02}.{number:03}Z" for number in range(1000))
    strings = ",".join(f"name{number}" for number in range(1000))
    yield "1,000 codes", "Observation", f"code={','.join(map(str, range(1000)))}"
    yield "1,000 quantities", "Observation", f"value-quantity={quantity}"
    yield "1,000 composites", "Observation", f"code-value-quantity={composite}"
    yield "1,000 dates", "Observation", f"value-date={dates}"
    yield "1,000 main dates", "Observation", f"date={dates}"
    yield "1,000 strings", "Patient", f"name={strings}"
    yield "1,000 substrings", "Patient", f"name:contains={strings}"
    yield "1,000 times the same", "Patient", "&".join(["family=a"] * 1000)
    yield "1,000 codes, one after the other", "Observation", "&".join(f"code={number}" for number in range(1000))
    yield "1,000 names", "Patient", "&".join(f"name:contains={number}" for number in range(1000))
    yield "1,000 negations", "Observation", "&".join(f"status:not={number}" for number in range(1000))
    yield "1,000 missing", "Observation", "&".join(["code:missing=true"] * 1000)
    yield "100 times 1,000 quantities", "Observation", "&".join([f"value-quantity={quantity}"] * 100)
    yield "20 times 1,000 strings", "Patient", "&".join([f"name={strings}"] * 20)
    yield "1,000 includes", "Observation", "&".join(["_include=Observation:*"] * 1000)
    yield "1,000 iterated includes", "Observation", "&".join(["_include:iterate=Observation:subject"] * 1000)
    yield "1,000 reverse includes", "Patient", "&".join(["_revinclude=Observation:*"] * 1000)
    yield "2,000 sort keys", "Patient", "_sort=" + ",".join(["family,-birthdate"] * 1000)
    yield "4,000 sort keys", "Patient", "_sort=" + ",".join(["_id"] * 4000)
    yield "1,000 sorts by a code", "Observation", "_sort=" + ",".join(["code"] * 1000)
    yield "100,000 elements", "Patient", "_elements=" + ",".join(["a"] * 100_000)
    yield "a value of a megabyte", "Patient", "family=" + "x" * 1_000_000
    yield "a name of a megabyte", "Patient", "x" * 1_000_000 + "=1"
    yield "an id of a megabyte", "Patient", "_id=" + "x" * 1_000_000
    yield "a million backslashes", "Patient", "family=" + "%5C" * 1_000_000


FORMS = {name: (resource_type, form) for name, resource_type, form in forms()}


@pytest.mark.parametrize("name", FORMS)
def test_a_search_as_large_as_it_may_be_is_answered_in_time(filled: httpx.Client, name: str) -> None:
    resource_type, form = FORMS[name]
    answer = filled.post(f"/{resource_type}/_search", content=form.encode(), headers=FORM)
    require_proper(answer, 200, 400, 422)
    require_alive(filled)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        pytest.param("code=" + "a," * 1001, "alternatives", id="values"),
        pytest.param("&".join(["code=a"] * 1001), "parameters", id="parameters"),
    ],
)
def test_one_more_than_a_thousand_is_400(client: httpx.Client, form: str, reason: str) -> None:
    answer = client.post("/Observation/_search", content=form.encode(), headers=FORM)
    require_proper(answer, 400)
    assert reason in answer.json()["issue"][0]["diagnostics"]
    if len(form) < 16_000:
        require_proper(client.get(f"/Observation?{form}"), 400)


def test_parameters_of_address_and_form_count_together(client: httpx.Client) -> None:
    half = "&".join(["code=a"] * 501)
    require_proper(client.post(f"/Observation/_search?{half}", content=half.encode(), headers=FORM), 400)


def test_an_address_over_the_limit_is_414(client: httpx.Client) -> None:
    for length in (16_400, 60_000):
        require_proper(client.get(f"/Patient?family={'x' * length}"), 414)
