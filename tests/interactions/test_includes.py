"""More included resources than a page holds: none is left out, and each comes once (FHIR R4, search.html#revinclude)."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bhr_api.search import include
from bhr_api.search.cursor import CursorSeal, Position, Rest
from bhr_api.store.row_ids import first_row_id_at

LIMIT = 3
GOALS = [f"g{number}" for number in range(8)]
ITERATED = "/Patient?_id=a&_revinclude=CarePlan:subject&_include:iterate=CarePlan:goal"


def goal(id: str, patient: str = "a") -> dict[str, Any]:
    return {
        "resourceType": "Goal",
        "id": id,
        "lifecycleStatus": "active",
        "description": {"text": id},
        "subject": {"reference": f"Patient/{patient}"},
    }


def patient(id: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id}


def plan(id: str, *goals: str) -> dict[str, Any]:
    return {
        "resourceType": "CarePlan",
        "id": id,
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/a"},
        "goal": [{"reference": f"Goal/{goal}"} for goal in goals],
    }


def put(client: httpx.Client, resource: dict[str, Any]) -> None:
    answer = client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.is_success, answer.text


@pytest.fixture
def record(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
    """Two patients, one with eight goals and a plan with them all; a page holds three included resources."""
    monkeypatch.setattr(include, "MAXIMUM_INCLUDED", LIMIT)
    for one in (patient("a"), patient("b"), *(goal(id) for id in GOALS), plan("plan", *GOALS), goal("of-b", "b")):
        put(client, one)
    return client


def link(page: dict[str, Any], relation: str) -> str | None:
    return next((found["url"] for found in page["link"] if found["relation"] == relation), None)


def ids(page: dict[str, Any], mode: str = "include") -> list[str]:
    return [entry["resource"]["id"] for entry in page.get("entry", []) if entry["search"]["mode"] == mode]


def outcomes(page: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in page.get("entry", []) if entry["search"]["mode"] == "outcome"]


def walk(client: httpx.Client, url: str) -> Iterator[dict[str, Any]]:
    """The page at `url`, and those with the rest of what it includes."""
    page = client.get(url).raise_for_status().json()
    yield page
    following = link(page, "related")
    while following:
        page = client.get(following).raise_for_status().json()
        yield page
        following = link(page, "next")


def brought(client: httpx.Client, url: str) -> Counter[str]:
    return Counter(id for page in walk(client, url) for id in ids(page))


def test_a_page_that_does_not_hold_all_says_so_and_links_to_the_others(record: httpx.Client) -> None:
    page = record.get("/Patient?_id=a&_revinclude=Goal:patient").json()
    assert ids(page, "match") == ["a"]
    assert len(ids(page)) == LIMIT
    (issue,) = outcomes(page)[0]["issue"]
    assert (issue["severity"], issue["code"]) == ("warning", "incomplete")
    assert link(page, "related")


def test_a_page_that_holds_all_says_nothing(record: httpx.Client) -> None:
    put(record, plan("small", *GOALS[:LIMIT]))
    page = record.get("/CarePlan?_id=small&_include=CarePlan:goal").json()
    assert sorted(ids(page)) == GOALS[:LIMIT]
    assert outcomes(page) == []
    assert link(page, "related") is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("/CarePlan?_include=CarePlan:goal", GOALS, id="include"),
        pytest.param("/Patient?_id=a&_revinclude=Goal:patient", GOALS, id="revinclude"),
        pytest.param(ITERATED, [*GOALS, "plan"], id="iterate"),
        pytest.param(
            "/Goal?_id=g0&_include=Goal:patient&_revinclude:iterate=Goal:patient", ["a", *GOALS[1:]], id="back"
        ),
        pytest.param("/?_type=CarePlan,Encounter&_include=CarePlan:goal", GOALS, id="several-types"),
    ],
)
def test_the_walk_brings_each_once(record: httpx.Client, url: str, expected: list[str]) -> None:
    assert brought(record, url) == Counter(expected)


def test_the_pages_that_follow_hold_no_matches_and_tell_when_they_are_done(record: httpx.Client) -> None:
    first, *others = walk(record, "/Patient?_id=a&_revinclude=Goal:patient")
    assert [ids(page, "match") for page in others] == [[], []]
    assert [len(outcomes(page)) for page in (first, *others)] == [1, 1, 0]
    assert all(link(page, "first") == link(first, "first") for page in others)


def test_the_links_of_the_matches_stay_as_they_are(record: httpx.Client) -> None:
    page = record.get("/Patient?_sort=_id&_count=1&_revinclude=Goal:patient").json()
    assert brought(record, str(link(page, "self"))) == Counter(GOALS)
    following = str(link(page, "next"))
    assert ids(record.get(following).json(), "match") == ["b"]
    assert brought(record, following) == Counter(["of-b"])


def test_the_rest_is_cut_as_the_page_is(record: httpx.Client) -> None:
    for page in walk(record, "/Patient?_id=a&_revinclude=Goal:patient&_summary=true&_total=accurate"):
        assert page["total"] == 1
        for entry in page["entry"]:
            assert entry["search"]["mode"] == "outcome" or entry["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_what_nobody_touches_comes_once_beside_writers(record: httpx.Client) -> None:
    pages = walk(record, ITERATED)
    seen = ids(next(pages))
    # A match changes its place in every order; what was seen and what was not changes, goes and comes.
    put(record, patient("a") | {"active": True})
    put(record, goal(seen[0]) | {"lifecycleStatus": "completed"})
    put(record, goal("new"))
    put(record, plan("plan", *[id for id in GOALS if id != "g6"], "new"))
    record.delete("/Goal/g7").raise_for_status()
    found = Counter(seen) + Counter(id for page in pages for id in ids(page))
    assert {id: found[id] for id in GOALS[:6]} == dict.fromkeys(GOALS[:6], 1)
    assert found["new"] == found["g6"] == found["g7"] == 0
    assert found["plan"] == 1


def test_the_rest_is_of_the_same_matches(record: httpx.Client) -> None:
    page = record.get("/Patient?_sort=_id&_count=1&_revinclude=Goal:patient").json()
    put(record, patient("0"))
    put(record, goal("of-0", "0"))
    rest = record.get(str(link(page, "related"))).json()
    assert set(ids(rest)) < set(GOALS)


def test_a_match_that_is_deleted_brings_nothing_more(record: httpx.Client) -> None:
    page = record.get("/CarePlan?_id=plan&_include=CarePlan:goal").json()
    record.delete("/CarePlan/plan").raise_for_status()
    assert ids(record.get(str(link(page, "related"))).json()) == []


def test_the_rest_is_under_the_same_condition_as_the_page(record: httpx.Client, client_with: Any) -> None:
    put(record, plan("plan", "of-b", *GOALS))
    own = client_with("patient/*.rs", patient="a")
    assert brought(own, "/CarePlan?_include=CarePlan:goal") == Counter(GOALS)
    plans_only = client_with("system/CarePlan.rs")
    (page,) = walk(plans_only, "/CarePlan?_include=CarePlan:goal")
    assert ids(page) == []
    assert outcomes(page) == []


def test_what_may_not_be_seen_is_not_counted_into_the_limit(record: httpx.Client, client_with: Any) -> None:
    put(record, plan("plan", *GOALS[:LIMIT], "of-b"))
    (page,) = walk(client_with("patient/*.rs", patient="a"), "/CarePlan?_include=CarePlan:goal")
    assert outcomes(page) == []
    assert sorted(ids(page)) == GOALS[:LIMIT]


def plan_of(*references: str) -> dict[str, Any]:
    return plan("plan") | {"goal": [{"reference": reference} for reference in references]}


def versions(page: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (entry["resource"]["id"], entry["resource"]["meta"]["versionId"])
        for entry in page.get("entry", [])
        if entry["search"]["mode"] == "include"
    ]


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        pytest.param(["Goal/g0/_history/1"], [("g0", "1")], id="past"),
        pytest.param(["Goal/g0/_history/2"], [("g0", "2")], id="current"),
        pytest.param(["Goal/g0/_history/1", "Goal/g0"], [("g0", "1"), ("g0", "2")], id="both"),
        pytest.param(["Goal/g0/_history/1", "Goal/g1"], [("g0", "1"), ("g1", "1")], id="beside-another"),
        pytest.param(["Goal/g0/_history/9", "Goal/g0/_history/x", "Goal/none/_history/1"], [], id="unknown"),
        pytest.param(["Goal/g7/_history/1"], [("g7", "1")], id="of-a-deleted-one"),
        pytest.param(["Goal/g7/_history/2", "Goal/g7"], [], id="deletion"),
        pytest.param(["https://other.example/fhir/Goal/g0/_history/1"], [], id="elsewhere"),
    ],
)
@pytest.mark.parametrize("more", ["", "&_include:iterate=Goal:addresses"])
def test_a_reference_to_a_version_brings_that_version(
    record: httpx.Client, references: list[str], expected: list[tuple[str, str]], more: str
) -> None:
    put(record, goal("g0") | {"lifecycleStatus": "completed"})
    record.delete("/Goal/g7").raise_for_status()
    put(record, plan_of(*references))
    page = record.get(f"/CarePlan?_include=CarePlan:goal{more}").json()
    assert sorted(versions(page)) == expected


def test_an_absolute_reference_to_a_version_is_local_too(record: httpx.Client) -> None:
    put(record, goal("g0") | {"lifecycleStatus": "completed"})
    put(record, plan_of(f"{str(record.base_url).rstrip('/')}/Goal/g0/_history/1"))
    assert versions(record.get("/CarePlan?_include=CarePlan:goal").json()) == [("g0", "1")]


def test_a_version_is_seen_by_its_own_patient(record: httpx.Client, client_with: Any) -> None:
    put(record, goal("g0", "b"))
    put(record, goal("of-b", "a"))
    put(record, plan_of("Goal/g0/_history/1", "Goal/g0/_history/2", "Goal/of-b/_history/1", "Goal/of-b"))
    own = client_with("patient/*.rs", patient="a")
    assert sorted(versions(own.get("/CarePlan?_include=CarePlan:goal").json())) == [("g0", "1"), ("of-b", "2")]


def test_versions_beyond_the_limit_follow_too(record: httpx.Client) -> None:
    put(record, goal("g0") | {"lifecycleStatus": "completed"})
    put(record, goal("g1") | {"lifecycleStatus": "completed"})
    put(record, plan_of("Goal/g0", "Goal/g0/_history/1", "Goal/g1", "Goal/g1/_history/1", "Goal/g2"))
    found = Counter(one for page in walk(record, "/CarePlan?_include=CarePlan:goal") for one in versions(page))
    assert found == Counter([("g0", "1"), ("g0", "2"), ("g1", "1"), ("g1", "2"), ("g2", "1")])


def test_the_link_serves_its_own_query_and_caller_only(record: httpx.Client, client_with: Any) -> None:
    page = record.get("/CarePlan?_include=CarePlan:goal").json()
    rest = str(link(page, "related"))
    assert client_with("patient/*.rs", patient="a").get(rest).status_code == 400
    assert record.get(rest.replace("CarePlan:goal", "CarePlan:subject")).status_code == 400
    assert record.get(rest[:-4] + "AAAA").status_code == 400


def test_the_link_of_a_thousand_matches_fits_into_an_address(record: httpx.Client) -> None:
    made = [{"request": {"method": "PUT", "url": f"Goal/m{n}"}, "resource": goal(f"m{n}")} for n in range(992)]
    record.post("/", json={"resourceType": "Bundle", "type": "transaction", "entry": made}).raise_for_status()
    for id in GOALS:
        put(record, {"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/a"}})
        put(record, goal(id) | {"addresses": [{"reference": f"Condition/{id}"}]})
    assert brought(record, "/Goal?patient=a&_count=1000&_include=Goal:addresses") == Counter(GOALS)


def test_the_row_ids_of_a_thousand_rows_of_many_years_fit_into_an_address() -> None:
    rows = [first_row_id_at(1.7e9 + random.Random(seed).random() * 6e8) + seed for seed in range(1000)]
    position = Position((), 0, max(rows), rest=Rest.of(rows, max(rows), 0, max(rows)))
    seal = CursorSeal("tenant", bytes(32))
    cursor = seal.seal(position, "query", "holder")
    assert len(cursor) < 12_000
    assert seal.open(cursor, "query", "holder") == position
    assert position.rest is not None
    assert position.rest.matches == sorted(rows)
