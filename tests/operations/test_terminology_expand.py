"""ValueSet/$expand (FHIR R4, valueset-operation-expand.html)."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fixtures.server import ClientWith, RunningServer
from tests.operations.records import audited, parameters, put
from tests.operations.terminologies import (
    ACT,
    ALL_MOODS,
    COLOURS,
    GENDER,
    GENDERS,
    MOODS,
    Resource,
    answer_of,
    code_system,
    codes_of,
    listed,
    refusal_of,
    value_set,
)

EXPAND = "/ValueSet/$expand"
BOTH = "http://example.org/ValueSet/moods-and-colours"


@pytest.fixture(scope="module")
def record(server: RunningServer) -> Iterator[httpx.Client]:
    """A tenant with moods, and a value set of moods and colours."""
    with server.client(server.token(server.new_tenant())) as http:
        put(http, code_system(), value_set({"system": MOODS}, description="How one feels."))
        put(http, value_set(listed("red", "blue"), {"valueSet": [ALL_MOODS]}, id="both", url=BOTH))
        yield http


def expanded(client: httpx.Client, url: str = ALL_MOODS, **more: Any) -> httpx.Response:
    return client.get(EXPAND, params={"url": url, **more})


def test_a_value_set_of_r4_is_expanded_by_its_canonical(record: httpx.Client) -> None:
    answer = answer_of(expanded(record, GENDERS))
    assert (answer["url"], answer["version"], answer["status"]) == (GENDERS, "4.0.1", "unknown")
    expansion = answer["expansion"]
    assert [one["code"] for one in expansion["contains"]] == ["male", "female", "other", "unknown"]
    assert expansion["contains"][0] == {"system": GENDER, "version": "4.0.1", "code": "male", "display": "Male"}
    assert (expansion["total"], "offset" in expansion) == (4, False)
    assert {"name": "version", "valueUri": f"{GENDER}|4.0.1"} in expansion["parameter"]


def test_a_stored_value_set_is_expanded_by_url_by_instance_and_from_the_body(record: httpx.Client) -> None:
    codes = ["low", "empty", "high", "spleen"]
    sent = value_set({"system": MOODS})
    assert codes_of(expanded(record)) == codes
    assert codes_of(record.get("/ValueSet/moods/$expand")) == codes
    assert codes_of(record.post("/ValueSet/moods/$expand")) == codes
    assert codes_of(record.post(EXPAND, json=sent)) == codes
    assert codes_of(record.post(EXPAND, json=parameters(valueSet=sent))) == codes
    assert codes_of(record.post(EXPAND, json=parameters(url={"valueUri": ALL_MOODS}))) == codes


def test_status_and_version_are_those_of_the_value_set_and_its_id_is_not(record: httpx.Client) -> None:
    answer = answer_of(record.get("/ValueSet/moods/$expand"))
    assert (answer["status"], answer["version"], answer["url"]) == ("draft", "1", ALL_MOODS)
    assert answer.keys().isdisjoint({"id", "meta", "compose", "description"})


def test_the_definition_is_included_on_request(record: httpx.Client) -> None:
    answer = answer_of(expanded(record, includeDefinition="true"))
    assert (answer["compose"], answer["description"]) == ({"include": [{"system": MOODS}]}, "How one feels.")
    assert answer.keys().isdisjoint({"id", "meta"})


def test_pages_hold_every_code_once_under_one_identifier(record: httpx.Client) -> None:
    pages = [answer_of(expanded(record, count=3, offset=offset))["expansion"] for offset in (0, 3)]
    assert [one["code"] for page in pages for one in page["contains"]] == ["low", "empty", "high", "spleen"]
    assert [(page["total"], page["offset"]) for page in pages] == [(4, 0), (4, 3)]
    assert pages[0]["identifier"] == pages[1]["identifier"]
    assert {"name": "count", "valueInteger": 3} in pages[0]["parameter"]
    assert answer_of(expanded(record, filter="lo"))["expansion"]["identifier"] != pages[0]["identifier"]


def test_count_of_none_asks_for_the_total_alone(record: httpx.Client) -> None:
    expansion = answer_of(expanded(record, count=0))["expansion"]
    assert (expansion["total"], "contains" in expansion) == (4, False)


@pytest.mark.parametrize(
    ("wish", "codes"),
    [
        ({"filter": "mood hi"}, ["high"]),
        ({"filter": "nothing"}, []),
        ({"activeOnly": "true"}, ["low", "empty", "high"]),
        ({"activeOnly": "false"}, ["low", "empty", "high", "spleen"]),
        ({"excludeNotForUI": "false"}, ["any", "low", "empty", "high", "spleen"]),
        ({"excludeNotForUI": "true"}, ["low", "empty", "high", "spleen"]),
        ({"excludeNested": "true"}, ["low", "empty", "high", "spleen"]),
        ({"excludePostCoordinated": "true"}, ["low", "empty", "high", "spleen"]),
        ({"valueSetVersion": "1"}, ["low", "empty", "high", "spleen"]),
        ({"system-version": f"{MOODS}|2"}, ["low", "empty", "high", "spleen"]),
    ],
    ids=lambda value: next(iter(value.items())) if isinstance(value, dict) else "",
)
def test_what_is_wished_is_followed_and_told(record: httpx.Client, wish: dict[str, str], codes: list[str]) -> None:
    answer = expanded(record, **wish)
    assert codes_of(answer) == codes
    told = {one["name"] for one in answer.json()["expansion"]["parameter"]}
    assert told >= {*wish, "url"}


def test_inactive_and_abstract_codes_are_marked(record: httpx.Client) -> None:
    rows = {one["code"]: one for one in answer_of(expanded(record, excludeNotForUI="false"))["expansion"]["contains"]}
    assert [code for code, row in rows.items() if row.get("inactive")] == ["spleen"]
    assert [code for code, row in rows.items() if row.get("abstract")] == ["any"]


def test_codes_are_nested_on_request_and_then_not_paged(record: httpx.Client) -> None:
    answer = answer_of(expanded(record, excludeNested="false", excludeNotForUI="false", count=1))["expansion"]
    (top,) = answer["contains"]
    assert top["code"] == "any"
    assert [one["code"] for one in top["contains"]] == ["low", "high", "spleen"]
    assert [one["code"] for one in top["contains"][0]["contains"]] == ["empty"]
    assert (answer["total"], "offset" in answer) == (5, False)


@pytest.mark.parametrize(
    ("wish", "shown"),
    [
        ({}, []),
        ({"includeDesignations": "true"}, ["Gedrückt", "low"]),
        ({"designation": "de"}, ["Gedrückt"]),
        ({"designation": "urn:ietf:bcp:47|de-CH"}, ["Gedrückt"]),
        ({"designation": "http://example.org/uses|short"}, ["low"]),
        ({"designation": ["http://example.org/uses|short", "de"]}, ["Gedrückt", "low"]),
        ({"designation": "fr"}, []),
        ({"designation": "de", "includeDesignations": "false"}, []),
    ],
)
def test_designations_are_shown_by_language_and_use(record: httpx.Client, wish: Any, shown: list[str]) -> None:
    (row,) = answer_of(expanded(record, filter="low", **wish))["expansion"]["contains"]
    assert [one["value"] for one in row.get("designation", ())] == shown


def test_displays_are_in_the_language_where_there_is_a_name_in_it(record: httpx.Client) -> None:
    rows = answer_of(expanded(record, displayLanguage="de"))["expansion"]["contains"]
    assert [one["display"] for one in rows[:2]] == ["Gedrückt", "Emptiness"]


@pytest.mark.parametrize(
    ("excluded", "codes"),
    [
        (MOODS, ["red", "blue"]),
        (f"{MOODS}|2", ["red", "blue"]),
        (f"{MOODS}|1", ["red", "blue", "low", "empty", "high", "spleen"]),
        (COLOURS, ["low", "empty", "high", "spleen"]),
    ],
)
def test_systems_are_left_out_on_request(record: httpx.Client, excluded: str, codes: list[str]) -> None:
    answer = expanded(record, BOTH, **{"exclude-system": excluded})
    assert codes_of(answer) == codes
    assert answer.json()["expansion"]["total"] == len(codes)


@pytest.mark.parametrize("name", ["system-version", "check-system-version", "force-system-version"])
@pytest.mark.parametrize("url", [ALL_MOODS, BOTH], ids=["of-its-own-rules", "of-those-it-includes"])
def test_a_version_that_is_not_here_is_refused(record: httpx.Client, name: str, url: str) -> None:
    status, code, sentence = refusal_of(expanded(record, url, **{name: f"{MOODS}|1"}))
    assert (status, code) == (422, "not-supported")
    assert MOODS in sentence


@pytest.mark.parametrize(
    ("name", "status"), [("system-version", 200), ("check-system-version", 422), ("force-system-version", 422)]
)
def test_a_version_that_the_value_set_names(record: httpx.Client, name: str, status: int) -> None:
    """R4: system-version is for "if the value set does not specify which one to use"."""
    sent = value_set({"system": MOODS, "version": "2"})
    answer = record.post(EXPAND, json=sent, params={name: f"{MOODS}|1"})
    assert answer.status_code == status


def test_one_of_several_stored_versions_is_used_on_request(client: httpx.Client) -> None:
    put(client, code_system("newer", version="3"), code_system("older", version="1", concept=[{"code": "only"}]))
    put(client, value_set({"system": MOODS}))
    answer = expanded(client, **{"system-version": f"{MOODS}|1"})
    assert codes_of(answer) == ["only"]
    assert {"name": "version", "valueUri": f"{MOODS}|1"} in answer.json()["expansion"]["parameter"]
    assert answer.json()["expansion"]["contains"][0]["version"] == "1"


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"url": "http://example.org/none"}, 404, "not-found"),
        ({"url": ALL_MOODS, "valueSetVersion": "7"}, 404, "not-found"),
        ({"url": f"{ALL_MOODS}|1", "valueSetVersion": "7"}, 400, "invalid"),
        ({}, 400, "required"),
        ({"url": ALL_MOODS, "context": "http://example.org/p#x"}, 400, "not-supported"),
        ({"url": ALL_MOODS, "contextDirection": "incoming"}, 400, "not-supported"),
        ({"url": ALL_MOODS, "date": "2020"}, 400, "not-supported"),
        ({"url": ALL_MOODS, "offset": "-1"}, 400, "value"),
        ({"url": ALL_MOODS, "count": "many"}, 400, "value"),
        ({"url": ALL_MOODS, "count": "99999999999"}, 400, "value"),
        ({"url": ALL_MOODS, "activeOnly": "yes"}, 400, "value"),
        ({"url": ALL_MOODS, "system-version": MOODS}, 400, "value"),
        ({"url": ALL_MOODS, "system-version": [f"{MOODS}|1", f"{MOODS}|2"]}, 400, "value"),
        ({"url": [ALL_MOODS, BOTH]}, 400, "value"),
        ({"url": "a b"}, 400, "value"),
        ({"url": ALL_MOODS, "filter": "\x01"}, 400, "value"),
        ({"url": ALL_MOODS, "property": "x"}, 400, "value"),
        ({"url": ALL_MOODS, "valueSet": "x"}, 400, "required"),
        ({"valueSet": "x"}, 400, "value"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(
    record: httpx.Client, wish: dict[str, Any], status: int, code: str
) -> None:
    found = refusal_of(record.get(EXPAND, params=wish))
    assert found[:2] == (status, code)
    if len(wish) == 2:
        assert list(wish)[1] in found[2] or "7" in found[2]


def test_what_is_asked_of_an_instance_names_no_other(record: httpx.Client) -> None:
    assert record.get("/ValueSet/moods/$expand", params={"url": GENDERS}).status_code == 400
    assert record.get("/ValueSet/moods/$expand", params={"valueSetVersion": "1"}).status_code == 200
    assert record.get("/ValueSet/moods/$expand", params={"valueSetVersion": "2"}).status_code == 400


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(value_set({"system": "http://snomed.info/sct"}), 422, id="not-loaded"),
        pytest.param(value_set({"valueSet": ["http://example.org/none"]}), 422, id="value-set-not-loaded"),
        pytest.param({"resourceType": "ValueSet", "status": "active"}, 422, id="no-rules"),
        pytest.param({"resourceType": "ValueSet"}, 422, id="no-status"),
        pytest.param({"resourceType": "CodeSystem", "status": "active", "content": "complete"}, 400, id="other-type"),
        pytest.param([], 400, id="no-object"),
    ],
)
def test_what_is_sent_and_cannot_be_expanded_is_refused(record: httpx.Client, sent: Any, status: int) -> None:
    assert record.post(EXPAND, json=sent).status_code == status


_NO_VALUE = {"extension": [{"url": "http://example.org/e", "valueBoolean": True}]}


@pytest.mark.parametrize(
    "include",
    [
        {"system": COLOURS, "concept": [{"_code": _NO_VALUE}]},
        {"system": ACT, "filter": [{"_property": _NO_VALUE, "op": "=", "value": "x"}]},
        {"system": ACT, "filter": [{"property": "code", "op": "=", "_value": _NO_VALUE}]},
        {"valueSet": [None], "_valueSet": [_NO_VALUE]},
        {"_system": _NO_VALUE},
    ],
)
def test_rules_without_values_are_refused(record: httpx.Client, include: Resource) -> None:
    assert refusal_of(record.post(EXPAND, json=value_set(include)))[:2] == (422, "not-supported")


def test_more_codes_than_an_expansion_may_have_are_too_costly(record: httpx.Client) -> None:
    sent = value_set(listed(*(f"c{number}" for number in range(10_001))))
    assert refusal_of(record.post(EXPAND, json=sent))[:2] == (422, "too-costly")


def test_circles_and_long_lines_of_codes_are_nested_within_bounds(record: httpx.Client) -> None:
    concepts: list[Resource] = [
        {"code": f"c{number}", "property": [{"code": "child", "valueCode": f"c{(number + 1) % 500}"}]}
        for number in range(500)
    ]
    concepts.append({"code": "top", "property": [{"code": "child", "valueCode": "line0"}]})
    concepts += [
        {"code": f"line{number}", "property": [{"code": "child", "valueCode": f"line{number + 1}"}]}
        for number in range(499)
    ]
    url = "http://example.org/CodeSystem/deep"
    put(record, code_system("deep", url=url, concept=concepts, property=[{"code": "child", "type": "code"}]))
    sent = value_set({"system": url}, url="http://example.org/ValueSet/deep")
    answer = answer_of(record.post(EXPAND, json=sent, params={"excludeNested": "false"}))
    found: set[str] = set()
    levels, waiting = 0, answer["expansion"]["contains"]
    while waiting:
        levels += 1
        found |= {one["code"] for one in waiting}
        waiting = [inner for one in waiting for inner in one.get("contains", ())]
    assert len(found) == answer["expansion"]["total"] == 1000
    assert levels == 40


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ("system/ValueSet.r system/CodeSystem.r", 200),
        ("user/*.rs", 200),
        ("system/ValueSet.r", 422),
        ("system/ValueSet.s", 403),
        ("system/CodeSystem.r", 403),
    ],
)
def test_what_the_token_may_not_read_is_as_if_not_there(
    client: httpx.Client, client_with: ClientWith, scope: str, status: int
) -> None:
    put(client, code_system(), value_set({"system": MOODS}))
    token = client_with(scope)
    for address in ("/ValueSet/moods/$expand", f"{EXPAND}?url={ALL_MOODS}"):
        answer = token.get(address)
        assert answer.status_code == status, answer.text
    if status == 422:
        never = token.post(EXPAND, json=value_set({"system": "http://example.org/never"}))
        assert answer.text.replace(MOODS, "http://example.org/never") == never.text


def test_another_tenants_value_sets_are_as_if_not_there(record: httpx.Client, server: RunningServer) -> None:
    with server.client(server.token(server.new_tenant())) as stranger:
        hidden, absent = expanded(stranger), expanded(stranger, "http://example.org/ValueSet/never")
        assert hidden.status_code == absent.status_code == 404
        assert hidden.text.replace(ALL_MOODS, "http://example.org/ValueSet/never") == absent.text
        hidden, absent = (stranger.get(f"/ValueSet/{id}/$expand") for id in ("moods", "never"))
        assert hidden.status_code == absent.status_code == 404
        assert hidden.text.replace("moods", "never") == absent.text


def test_a_deleted_value_set_is_gone(client: httpx.Client) -> None:
    put(client, value_set(listed("red")))
    client.delete("/ValueSet/moods")
    assert client.get("/ValueSet/moods/$expand").status_code == 410
    assert expanded(client).status_code == 404


def test_it_is_audited_with_what_was_asked_by_name(client: httpx.Client) -> None:
    put(client, value_set(listed("red")))
    codes_of(client.get("/ValueSet/moods/$expand", params={"filter": "re"}))
    codes_of(client.post(EXPAND, json=parameters(url={"valueUri": GENDERS}, valueSetVersion={"valueString": "4.0.1"})))
    texts = [str(event) for event in audited(client, "$expand", 2)]
    assert any("ValueSet/moods" in text for text in texts)


def test_it_may_be_asked_in_a_batch(record: httpx.Client) -> None:
    entry = {"request": {"method": "GET", "url": f"ValueSet/$expand?url={GENDERS}&count=1"}}
    answer = record.post("/", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    (found,) = answer.json()["entry"]
    assert found["response"]["status"].startswith("200")
    assert found["resource"]["expansion"]["total"] == 4


def test_other_requests_go_on_while_a_large_one_is_expanded(record: httpx.Client) -> None:
    concepts = [{"code": f"c{number}", "display": f"Number {number}"} for number in range(30_000)]
    url = "http://example.org/CodeSystem/large"
    put(record, code_system("large", url=url, concept=concepts))
    sent = value_set(
        {"system": url, "filter": [{"property": "display", "op": "regex", "value": "Number (1|2)+[a-z0-9]*7"}]}
    )
    lasted: list[float] = []

    def expand() -> None:
        began = time.perf_counter()
        assert record.post(EXPAND, json=sent).status_code == 200
        lasted.append(time.perf_counter() - began)

    thread = threading.Thread(target=expand)
    thread.start()
    waits: list[float] = []
    while thread.is_alive():
        began = time.perf_counter()
        assert record.get("/ValueSet/both").status_code == 200
        waits.append(time.perf_counter() - began)
    thread.join()
    assert len(waits) >= 3
    assert max(waits) < lasted[0]
