"""`_filter` tells nobody of what they may not see, and no text harms it (FHIR R4, search_filter.html)."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bhr_api.search.filter_syntax import OPERATORS
from tests.fixtures.server import RunningServer
from tests.interactions.filter_record import LOINC, RESOURCES, ask, found, observation, posted, put, refer


@pytest.fixture(scope="module")
def tenant(server: RunningServer) -> Any:
    return server.new_tenant()


@pytest.fixture(scope="module")
def record(server: RunningServer, tenant: Any) -> Iterator[httpx.Client]:
    """A tenant with all of `RESOURCES`."""
    with server.client(server.token(tenant)) as http:
        put(http, RESOURCES)
        yield http


def test_a_filter_tells_a_patient_nothing_of_another(record: httpx.Client, server: RunningServer, tenant: Any) -> None:
    with server.client(server.token(tenant, "patient/*.rs", patient="petra")) as own:
        assert found(own, "Patient", [("_filter", "name pr true")]) == ["petra"]
        assert found(own, "Observation", [("_filter", "not (code eq none)")]) == ["dose", "plain"]
        assert found(own, "Observation", [("_filter", "subject.name co pet or status eq final")]) == ["dose", "plain"]
        # What refers to one who may not be seen answers as what refers to nobody.
        for named, nobody in (("peter", "nobody"), ("noah", "nobody")):
            for text in (
                "_id eq {}",
                "_id[name pr true].name pr true",
                "not (_id ne {})",
                "family[_id eq {}]._id pr true",
            ):
                hit, miss = (ask(own, "Patient", text.format(name)) for name in (named, nobody))
                assert hit.status_code == miss.status_code
                assert hit.json().get("entry") == miss.json().get("entry")


def test_a_path_leads_a_patient_through_nobody_else(record: httpx.Client, server: RunningServer, tenant: Any) -> None:
    put(record, [
        {
            "resourceType": "RelatedPerson", "id": "mother", "patient": refer("Patient/petra"), "active": True,
        },
        {
            "resourceType": "Provenance", "id": "about-both", "recorded": "2024-01-01T00:00:00Z",
            "target": [refer("Patient/petra"), refer("Patient/peter")], "agent": [{"who": refer("Patient/peter")}],
        },
    ])  # fmt: skip
    with server.client(server.token(tenant, "patient/*.rs", patient="petra")) as own:
        assert found(own, "Provenance", [("_filter", "target[gender eq male].name co pet")]) == []
        assert found(own, "Provenance", [("_filter", "agent.given eq peter")]) == []
    assert found(record, "Provenance", [("_filter", "target[gender eq male].name co pet")]) == ["about-both"]


def test_a_path_through_a_type_that_may_not_be_searched_is_refused(server: RunningServer, tenant: Any) -> None:
    with server.client(server.token(tenant, "system/Observation.rs")) as observations:
        hit = ask(observations, "Observation", "patient.name co pet")
        miss = ask(observations, "Observation", "patient.name co nobody")
        assert (hit.status_code, hit.json()) == (403, miss.json())
        assert ask(observations, "Observation", "patient[name co pet]._id pr true").status_code == 403


def test_another_tenant_finds_nothing(record: httpx.Client, server: RunningServer) -> None:
    with server.client(server.token(server.new_tenant())) as other:
        put(other, [observation("theirs", "Patient/peter", [(LOINC, "1234-5")])])
        assert found(other, "Observation", [("_filter", "subject.name co pet")]) == []
        assert found(other, "Observation", [("_filter", "subject.name pr false")]) == ["theirs"]
        assert found(other, "Patient", [("_filter", "not (_id eq x)")]) == []
        assert ask(other, "Encounter", "class in ValueSet/stays").status_code == 400


HOSTILE = [
    *("'", '"', "\\", "%", "$1", "a'; DROP TABLE resource; --", "{}", "{0}", "|", "||", "a|b|c", "$", "\\|", "\\$"),
    *("٣", "a\u0301", "\ud7ff", "\U0010ffff", "1e999999", "-0", "9999-12-31", "0001"),
    *("Patient/", "/", "urn:", "http://", "#x", "x" * 5000),
]


@pytest.mark.parametrize("code", ["name", "birthdate", "identifier", "organization", "_profile", "_lastUpdated", "_id"])
def test_a_hostile_value_finds_or_is_refused(record: httpx.Client, code: str) -> None:
    for operator in OPERATORS:
        for value in HOSTILE:
            quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            answer = ask(record, "Patient", f"{code} {operator} {quoted}")
            assert answer.status_code in (200, 400, 422), (operator, value, answer.text)


REFUSED = ["(" * 5000, "not " * 5000, "a" * 16_385, "name[" * 40, "a eq", ")", "and", 'a eq "\\ud800"', "name co \0"]


@pytest.mark.parametrize("text", [*REFUSED, ".".join(["link"] * 40) + " eq 1"], ids=lambda text: repr(text[:9]))
def test_a_hostile_filter_is_refused_at_once(record: httpx.Client, text: str) -> None:
    started = time.monotonic()
    assert posted(record, text).status_code == 400
    assert time.monotonic() - started < 5


def test_a_long_path_is_walked(record: httpx.Client) -> None:
    answer = posted(record, "link." * 6 + "_id eq x")
    assert (answer.status_code, "entry" in answer.json()) == (200, False)
