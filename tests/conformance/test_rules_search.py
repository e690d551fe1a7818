"""Rules of R4 search.html that no other test holds, over HTTP; docs/conformance.md lists them all with the tests that do."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from bhr_api.fhir.definitions import elements_of
from tests.fixtures.server import RunningServer

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">Walks by the river</div>'


def goal(id: str, subject: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Goal",
        "id": id,
        "lifecycleStatus": "active",
        "description": {"text": id},
        "subject": {"reference": subject},
        **more,
    }


RESOURCES: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "a",
        "active": True,
        "gender": "female",
        "name": [{"family": "Carreno Quinones", "given": ["Mary-Jane"]}],
        "identifier": [{"system": "http://example.org/mrn", "value": "AbC"}],
        "telecom": [{"system": "phone", "value": "555 1234"}],
        "text": {"status": "generated", "div": DIV},
    },
    {"resourceType": "Patient", "id": "b", "name": [{"family": "abel"}]},
    {"resourceType": "Patient", "id": "c", "name": [{"family": "Zoë"}]},
    {"resourceType": "Group", "id": "a", "type": "person", "actual": True},
    goal("of-a", "Patient/a", startDate="2026-03-02"),
    goal("of-a-again", "Patient/a", startDate="2026-03-03"),
    goal("of-a-before", "Patient/b/_history/1"),
    goal("of-group", "Group/a"),
    {"resourceType": "Questionnaire", "id": "q", "status": "active", "url": "http://example.org/q", "version": "1.0"},
    {
        "resourceType": "QuestionnaireResponse",
        "id": "r",
        "status": "completed",
        "questionnaire": "http://example.org/q|1.0",
        "authored": "2026-03-02T10:30:00+02:00",
    },
    {
        "resourceType": "DocumentReference",
        "id": "d",
        "status": "current",
        "content": [{"attachment": {"contentType": "text/xml; charset=UTF-8", "url": "http://example.org/d.xml"}}],
    },
    # A second version, so that a reference to the first is to a past one.
    {"resourceType": "Patient", "id": "b", "name": [{"family": "abel"}], "gender": "male"},
]


@pytest.fixture(scope="module")
def record(server: RunningServer) -> Iterator[httpx.Client]:
    """A client of a tenant with `RESOURCES`."""
    with server.client(server.token(server.new_tenant())) as http:
        for one in RESOURCES:
            answer = http.put(f"/{one['resourceType']}/{one['id']}", json=one)
            assert answer.is_success, answer.text
        yield http


def bundle_of(client: httpx.Client, query: str) -> dict[str, Any]:
    answer = client.get(f"/{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def found(client: httpx.Client, query: str, mode: str = "match") -> list[str]:
    entries = bundle_of(client, query).get("entry", [])
    return [entry["resource"]["id"] for entry in entries if entry["search"]["mode"] == mode]


# Names and values


def test_no_two_parameters_of_a_type_differ_by_case_alone(server: RunningServer, record: httpx.Client) -> None:
    (rest,) = httpx.get(f"{server.base_url}/metadata").json()["rest"]
    for resource in rest["resource"]:
        names = [parameter["name"].lower() for parameter in resource["searchParam"]]
        assert len(set(names)) == len(names), resource["type"]
    assert record.get("/Patient?Family=abel").status_code == 400


def test_an_id_is_compared_as_it_is_written(record: httpx.Client) -> None:
    assert found(record, "Patient?_id=a") == ["a"]
    assert found(record, "Patient?_id=A") == []
    assert found(record, "Patient?_id=http://example.org/mrn|a") == []


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("Goal?subject=Patient/nobody", id="no-such-resource"),
        pytest.param("Goal?patient.identifier=http://example.org/mrn|0", id="chain-to-nobody"),
        pytest.param("Goal?category=http://example.org/codes|none", id="unknown-code"),
        pytest.param("Goal?start-date=le1900", id="out-of-scope"),
    ],
)
def test_what_cannot_be_met_is_searched_for_and_not_found(record: httpx.Client, query: str) -> None:
    assert found(record, query) == []


def test_an_empty_parameter_is_passed_over(record: httpx.Client) -> None:
    assert len(found(record, "Patient?family=&_id=")) == 3


@pytest.mark.parametrize(
    ("handling", "status"), [("strict", 400), ("lenient", 200)], ids=["strict-refuses", "lenient-passes-over"]
)
def test_how_to_handle_unknown_parameters_is_the_clients_choice(
    record: httpx.Client, handling: str, status: int
) -> None:
    answer = record.get("/Patient?colour=blue", headers={"Prefer": f"handling={handling}"})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("value", "matches"),
    [
        ("2026", True),
        ("2026-03", True),
        ("2026-03-02T08:30Z", True),
        ("2026-03-02T10:30%2B02:00", True),
        ("2026-03-02T10%3A30%3A00%2B02%3A00", True),
        ("2026-03-02T10:30Z", False),
        ("2026-03-02T08:30", True),
    ],
)
def test_a_date_has_any_precision_from_the_left(record: httpx.Client, value: str, matches: bool) -> None:
    assert found(record, f"QuestionnaireResponse?authored={value}") == (["r"] if matches else [])


@pytest.mark.parametrize("value", ["03-02", "2026-03-02T10", "T10:30", "2026-3", "23%20May%202026"])
def test_a_date_that_is_not_from_the_left_is_refused(record: httpx.Client, value: str) -> None:
    assert record.get(f"/QuestionnaireResponse?authored={value}").status_code == 400


@pytest.mark.parametrize("family", ["carreno%20%20quinones", "carreno-quinones"])
def test_spaces_and_punctuation_of_a_string_count(record: httpx.Client, family: str) -> None:
    assert found(record, "Patient?family=CARRENO%20QUIN") == ["a"]
    assert found(record, f"Patient?family={family}") == []


def test_a_later_part_of_a_family_name_is_found_by_contains(record: httpx.Client) -> None:
    assert found(record, "Patient?family=quinones") == []
    assert found(record, "Patient?family:contains=quinones") == ["a"]


def test_a_backslash_before_another_character_stands_for_itself(record: httpx.Client) -> None:
    assert found(record, r"Patient?family=ab\el") == []


# Tokens, uris and references


def test_tokens_are_compared_in_their_case(record: httpx.Client) -> None:
    assert found(record, "Patient?identifier=AbC") == ["a"]
    assert found(record, "Patient?identifier=abc") == []
    assert found(record, "Patient?gender=FEMALE") == []


@pytest.mark.parametrize(("parameter", "value"), [("active", "true"), ("phone", "555%201234")])
def test_a_value_without_system_may_say_so(record: httpx.Client, parameter: str, value: str) -> None:
    assert found(record, f"Patient?{parameter}={value}") == ["a"]
    assert found(record, f"Patient?{parameter}=|{value}") == ["a"]
    assert found(record, f"Patient?{parameter}=http://example.org/codes|{value}") == []


@pytest.mark.parametrize(
    ("canonical", "matches"),
    [("http://example.org/q", True), ("http://example.org/q|1.0", True), ("http://example.org/q|2", False)],
)
def test_a_canonical_is_found_with_and_without_its_version(record: httpx.Client, canonical: str, matches: bool) -> None:
    assert found(record, f"QuestionnaireResponse?questionnaire={canonical}") == (["r"] if matches else [])


def test_a_url_with_a_version_finds_that_version(record: httpx.Client) -> None:
    assert found(record, "Questionnaire?url=http://example.org/q|1.0") == ["q"]
    assert found(record, "Questionnaire?url=http://example.org/q|2") == []


def test_a_media_type_is_found_below_its_base(record: httpx.Client) -> None:
    for base in ("text/xml", "text", "TEXT/xml", "text/xml; charset=UTF-8"):
        assert found(record, f"DocumentReference?contenttype:below={base}") == ["d"], base
    for other in ("text/x", "tex", "xml", "image", "text/xml; charset=latin-1", "%"):
        assert found(record, f"DocumentReference?contenttype:below={other}") == [], other


def test_an_id_alone_finds_resources_of_every_type(record: httpx.Client) -> None:
    assert sorted(found(record, "Goal?subject=a")) == ["of-a", "of-a-again", "of-group"]
    assert sorted(found(record, "Goal?subject=Patient/a")) == ["of-a", "of-a-again"]


def test_an_include_brings_the_version_that_is_referred_to(record: httpx.Client) -> None:
    entries = bundle_of(record, "Goal?_id=of-a-before&_include=Goal:patient")["entry"]
    assert entries[1]["resource"]["meta"]["versionId"] == "1"


def test_a_chain_that_leaves_the_version_referred_to_says_so(record: httpx.Client) -> None:
    told = bundle_of(record, "Goal?_id=of-a-before&patient.gender=male")["entry"][-1]
    assert told["search"]["mode"] == "outcome"
    assert told["resource"]["issue"][0]["severity"] == "warning"
    current = bundle_of(record, "Goal?_id=of-a&patient.gender=female")["entry"]
    assert [entry["search"]["mode"] for entry in current] == ["match"]


# The answer


def test_the_self_link_is_a_search_by_get_also_of_a_post(record: httpx.Client) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    posted = record.post("/Goal/_search", content="subject=Patient/a&_sort=-start-date", headers=form).json()
    (own,) = [link["url"] for link in posted["link"] if link["relation"] == "self"]
    assert dict(parse_qsl(urlsplit(own).query)) == {"subject": "Patient/a", "_sort": "-start-date"}
    assert record.get(own).json()["entry"] == posted["entry"]


def test_texts_are_sorted_whatever_their_case(record: httpx.Client) -> None:
    assert found(record, "Patient?_sort=family") == ["b", "a", "c"]
    assert found(record, "Patient?_sort=-family") == ["c", "a", "b"]


def test_a_page_holds_no_more_matches_than_asked_for(record: httpx.Client) -> None:
    bundle = bundle_of(record, "Goal?_count=1&_include=Goal:subject&_sort=-_id&subject=Patient/a")
    modes = [entry["search"]["mode"] for entry in bundle["entry"]]
    assert modes.count("match") == 1


def test_each_page_has_what_its_matches_refer_to(record: httpx.Client) -> None:
    url: str | None = "/Goal?subject=Patient/a&_count=1&_include=Goal:subject"
    pages = 0
    while url:
        page = record.get(url).json()
        pages += 1
        assert [entry["resource"]["id"] for entry in page["entry"] if entry["search"]["mode"] == "include"] == ["a"]
        assert all("_count=1" in link["url"] for link in page["link"])
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    assert pages == 2


def test_a_count_of_zero_is_a_summary_count(record: httpx.Client) -> None:
    for query in ("Patient?_count=0", "Patient?_summary=count"):
        bundle = bundle_of(record, query)
        assert (bundle["total"], bundle.get("entry")) == (3, None)
        relations = {link["relation"] for link in bundle["link"]}
        assert "self" in relations
        assert not relations & {"next", "previous", "last"}


def test_a_summary_holds_the_elements_of_the_summary(record: httpx.Client) -> None:
    (entry,) = bundle_of(record, "Patient?_id=a&_summary=true")["entry"]
    patient = entry["resource"]
    kept = set(patient) - {"resourceType", "id", "meta"}
    assert kept == {"active", "gender", "name", "identifier", "telecom"}
    assert all(elements_of("Patient")[name].is_summary for name in kept)
    assert patient["meta"]["tag"][-1]["code"] == "SUBSETTED"


def test_mandatory_elements_come_unasked(record: httpx.Client) -> None:
    (entry,) = bundle_of(record, "Goal?_id=of-a&_elements=startDate")["entry"]
    mandatory = {name for name, element in elements_of("Goal").items() if element.min > 0}
    assert mandatory | {"startDate"} <= set(entry["resource"])
    assert entry["resource"]["meta"]["tag"][-1]["code"] == "SUBSETTED"


def test_a_named_query_that_is_not_known_is_refused(record: httpx.Client) -> None:
    answer = record.get("/Patient?_query=mine&family=abel")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "not-supported")


@pytest.mark.parametrize(
    "query",
    [
        "_query=mine",
        "family:sounds=abel",
        "_sort:asc=family",
        "_count:x=5",
        "_total:exact=none",
        "_summary:x=true",
        "_elements:x=id",
        "_format:x=json",
        "_sort:=family",
    ],
)
def test_no_leniency_passes_over_what_must_be_refused(record: httpx.Client, query: str) -> None:
    for path in ("Patient", "AuditEvent", "") if query.startswith("_") else ("Patient",):
        answer = record.get(f"/{path}?{query}", headers={"Prefer": "handling=lenient"})
        assert answer.status_code == 400, path


def test_no_leniency_passes_over_a_modifier_of_the_types(record: httpx.Client) -> None:
    assert record.get("/?_type:not=Patient", headers={"Prefer": "handling=lenient"}).status_code == 400


@pytest.mark.parametrize("query", ["_contained=true", "_contained=both", "_containedType=contained"])
def test_contained_resources_are_not_searched_for(record: httpx.Client, query: str) -> None:
    answer = record.get(f"/Patient?{query}")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "not-supported")
