"""Hostile searches: 200 or 400, in time, and every character of a value stands for itself (SECURITY.md section 3)."""

from urllib.parse import quote

import httpx
import pytest

from bhr_api.search.parameters import parameters_of
from tests.security.answers import FORM, require_alive, require_proper
from tests.security.conftest import PARAMETERS
from tests.security.hostile_values import DATES, MODIFIERS, NUMBERS, TEXTS, VALUES

CONTROLS = ["_count", "_total", "_summary", "_elements", "_sort", "_cursor", "_include", "_revinclude", "_format"]
NAMES = ["_list", "_has", "_filter", "_text", "_content", "_query", "_type", "nothing", "Patient.name", "", "a" * 3000]


def get(client: httpx.Client, path: str, name: str, value: str) -> httpx.Response:
    return client.get(f"{path}?{quote(name, safe=':')}={quote(value, safe='')}")


@pytest.mark.parametrize(("resource_type", "code"), PARAMETERS, ids=".".join)
def test_a_hostile_value_finds_nothing_or_is_400(filled: httpx.Client, resource_type: str, code: str) -> None:
    for value in VALUES:
        answer = get(filled, f"/{resource_type}", code, value)
        require_proper(answer, 200, 400)
    require_alive(filled)


@pytest.mark.parametrize(("resource_type", "code"), PARAMETERS, ids=".".join)
def test_any_modifier_is_taken_or_refused(filled: httpx.Client, resource_type: str, code: str) -> None:
    for modifier in MODIFIERS:
        for value in ("true", "a", "1", "2026", "Patient/1", "'", "%", "a|b", "\\"):
            # 422: codes of a system that is not loaded (docs/terminology.md).
            require_proper(get(filled, f"/{resource_type}", f"{code}:{modifier}", value), 200, 400, 422)
    require_alive(filled)


@pytest.mark.parametrize("name", [*CONTROLS, *NAMES], ids=lambda name: name[:20] or "empty")
def test_garbage_in_the_controls_is_taken_or_refused(filled: httpx.Client, name: str) -> None:
    for value in [
        *TEXTS,
        *NUMBERS,
        *DATES,
        "-",
        "-,-",
        "_id,-_id,_id",
        "Patient:*",
        "*",
        "*:*",
        "Patient:general-practitioner:Device",
    ]:
        for path in ("/Patient", "/AuditEvent", "/Patient/one/Observation"):
            require_proper(get(filled, path, name, value), 200, 400, 406)
    require_alive(filled)


@pytest.mark.parametrize("name", ["_since", "_at", "_count", "_cursor", "_format", "_sort", "nothing"])
@pytest.mark.parametrize("path", ["/_history", "/Patient/_history", "/Patient/one/_history"])
def test_garbage_in_a_history_is_taken_or_refused(filled: httpx.Client, path: str, name: str) -> None:
    for value in [*TEXTS, *NUMBERS, *DATES, *VALUES[-20:]]:
        require_proper(get(filled, path, name, value), 200, 400, 406)
    require_alive(filled)


QUERIES = [
    "%00",
    "family=%00",
    "family%00=a",
    "family=%ff",
    "family=%ed%a0%80",
    "family=%c0%80",
    "family=%",
    "family=%zz",
    "family=%2",
    "&",
    "&&&=&",
    "=a",
    "?",
    "family",
    "family=",
    "family==",
    "family=a=b&family=c",
    "family=a;family=b",
    "family[]=a",
    "family=a+b%2Bc",
    "%66amily=a",
    "_count=1&_count=2&_count=x",
    "_count=-1",
    "_count=1e3",
    "_count=%2B1",
    "_count=99999999999999999999999999",
    "_count=²",
    "_format=xml",
    "_format=json&_format=xml",
    "_pretty=maybe",
]


@pytest.mark.parametrize("query", QUERIES)
def test_an_odd_query_is_taken_or_refused(filled: httpx.Client, query: str) -> None:
    for path in ("/Patient", "/Patient/one", "/Patient/one/_history", "/Patient/one/Observation", "/metadata"):
        require_proper(filled.get(f"{path}?{query}"), 200, 400, 406)
    require_proper(filled.post("/Patient/_search", content=query.encode(), headers=FORM), 200, 400, 406)
    require_alive(filled)


def test_a_form_that_is_no_text_is_taken_or_refused(filled: httpx.Client) -> None:
    for body in (
        b"\xff\xfe",
        b"\0",
        "family=Ü".encode("latin-1"),
        b"family=\xed\xa0\x80",
        bytes(range(256)),
        b"=" * 9999,
    ):
        require_proper(filled.post("/Patient/_search", content=body, headers=FORM), 200, 400)


def test_every_parameter_of_every_searched_type_takes_a_quote(client: httpx.Client) -> None:
    for resource_type in ("Patient", "Observation", "Encounter", "Condition", "Appointment", "Provenance"):
        for code in parameters_of(resource_type):
            for value in ("'", "\\", "1$'", "2026"):
                require_proper(get(client, f"/{resource_type}", code, value), 200, 400)
