"""The shape of a search's answer: pages, includes, parts (FHIR R4, search.html and http.html#search)."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    """Two patients, seven goals of one and one of the other, and a plan with two of the goals."""
    entries: list[dict[str, Any]] = []

    def add(resource: dict[str, Any]) -> None:
        url = f"{resource['resourceType']}/{resource['id']}"
        entries.append({"request": {"method": "PUT", "url": url}, "resource": resource})

    for id, family in (("a", "Amadi"), ("b", "Brun")):
        add({"resourceType": "Patient", "id": id, "name": [{"family": family}], "gender": "female"})
    for number in range(8):
        subject = "b" if number == 7 else "a"
        add(
            {
                "resourceType": "Goal",
                "id": f"g{number}",
                "lifecycleStatus": "active" if number % 2 else "completed",
                "description": {"text": f"Goal {number}"},
                "subject": {"reference": f"Patient/{subject}"},
                "startDate": f"2026-0{1 + number % 3}-01",
            }
        )
    add(
        {
            "resourceType": "CarePlan",
            "id": "plan",
            "status": "active",
            "intent": "plan",
            "subject": {"reference": "Patient/a"},
            "goal": [{"reference": "Goal/g0"}, {"reference": "Goal/g1"}],
        }
    )
    answer = client.post("/", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    return client


def ids(bundle: dict[str, Any], mode: str = "match") -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == mode]


def link(bundle: dict[str, Any], relation: str) -> str | None:
    return next((found["url"] for found in bundle["link"] if found["relation"] == relation), None)


@pytest.mark.parametrize("sort", ["", "start-date", "-start-date", "_id", "-_lastUpdated", "lifecycle-status,-_id"])
def test_a_walk_shows_every_match_once_under_every_sort(record: httpx.Client, sort: str) -> None:
    url: str | None = f"/Goal?patient=a&_count=2&_sort={sort}"
    walked: list[str] = []
    while url:
        page = record.get(url).json()
        walked += ids(page)
        url = link(page, "next")
    whole = ids(record.get(f"/Goal?patient=a&_sort={sort}").json())
    assert walked == whole
    assert sorted(walked) == [f"g{number}" for number in range(7)]


@pytest.mark.parametrize("sort", ["", "start-date", "-start-date", "lifecycle-status,-_id"])
def test_previous_links_lead_back_through_the_same_pages(record: httpx.Client, sort: str) -> None:
    page = record.get(f"/Goal?patient=a&_count=2&_sort={sort}").json()
    assert link(page, "previous") is None
    forward = [ids(page)]
    while url := link(page, "next"):
        page = record.get(url).json()
        forward.append(ids(page))
    backward = [ids(page)]
    while url := link(page, "previous"):
        page = record.get(url).json()
        backward.insert(0, ids(page))
        assert link(page, "next") is not None
    assert backward == forward
    assert len(forward) == 4


SORTS = [
    "",
    "start-date",
    "-start-date",
    "_id",
    "-_id",
    "_lastUpdated",
    "description",
    "lifecycle-status,-_id",
    "-subject,start-date",
]


@pytest.mark.parametrize("sort", SORTS)
def test_an_emptied_page_leads_back_to_where_it_was(record: httpx.Client, sort: str) -> None:
    whole = ids(record.get(f"/Goal?patient=a&_sort={sort}").json())
    middle = record.get(str(link(record.get(f"/Goal?patient=a&_count=3&_sort={sort}").json(), "next"))).json()
    back, forth = str(link(middle, "previous")), str(link(middle, "next"))
    for id in (*whole[:3], *whole[6:]):
        record.delete(f"/Goal/{id}").raise_for_status()
    emptied = record.get(forth).json()
    assert (ids(emptied), link(emptied, "next")) == ([], None)
    assert ids(record.get(str(link(emptied, "previous"))).json()) == whole[3:6]
    emptied = record.get(back).json()
    assert (ids(emptied), link(emptied, "previous")) == ([], None)
    assert ids(record.get(str(link(emptied, "next"))).json()) == whole[3:6]


def test_a_page_emptied_with_its_neighbours_leads_back_to_what_is_left(record: httpx.Client) -> None:
    page = record.get("/Goal?patient=a&_count=2&_sort=_id").json()
    forth = str(link(record.get(str(link(page, "next"))).json(), "next"))
    for number in range(3, 7):
        record.delete(f"/Goal/g{number}").raise_for_status()
    before = record.get(str(link(record.get(forth).json(), "previous"))).json()
    assert ids(before) == ["g1", "g2"]
    assert ids(record.get(str(link(before, "previous"))).json()) == ["g0"]


def test_a_search_that_finds_nothing_leads_nowhere(record: httpx.Client) -> None:
    page = record.get("/Goal?patient=nobody").json()
    assert [found["relation"] for found in page["link"]] == ["self", "first"]


def test_without_a_sort_what_changed_since_comes_in_the_order_of_its_changes(record: httpx.Client) -> None:
    goal = record.get("/Goal/g0").json()
    record.put("/Goal/g0", json=goal | {"description": {"text": "changed"}})
    assert ids(record.get("/Goal?_lastUpdated=ge2020").json())[-1] == "g0"


def test_without_a_sort_what_is_of_a_time_comes_newest_first(record: httpx.Client) -> None:
    dates = [
        entry["resource"]["startDate"]
        for entry in record.get("/Goal?start-date=ge2026-02&start-date=lt2026-04").json()["entry"]
    ]
    assert dates == sorted(dates, reverse=True)
    assert len(dates) == 5


def test_new_rows_stay_out_of_a_walk_that_has_begun(record: httpx.Client) -> None:
    page = record.get("/Goal?_count=3&_sort=_id").json()
    goal = record.get("/Goal/g0").json()
    record.post("/Goal", json=goal)
    walked = ids(page)
    while url := link(page, "next"):
        page = record.get(url).json()
        walked += ids(page)
    assert walked == [f"g{number}" for number in range(8)]


def test_a_forged_cursor_is_refused(record: httpx.Client) -> None:
    url = link(record.get("/Goal?_count=3").json(), "next")
    assert url is not None
    assert record.get(url[:-4] + "AAAA").status_code == 400


def test_a_cursor_serves_its_own_query_only(record: httpx.Client) -> None:
    url = link(record.get("/Goal?_count=3").json(), "next")
    assert url is not None
    cursor = dict(parse_qsl(urlsplit(url).query))["_cursor"]
    assert record.get("/Goal", params={"_count": 3, "patient": "b", "_cursor": cursor}).status_code == 400


def test_includes_come_with_their_matches(record: httpx.Client) -> None:
    bundle = record.get("/CarePlan?_include=CarePlan:goal&_include=CarePlan:subject").json()
    assert ids(bundle) == ["plan"]
    assert sorted(ids(bundle, "include")) == ["a", "g0", "g1"]


def test_reverse_includes_come_with_their_targets(record: httpx.Client) -> None:
    bundle = record.get("/Patient?_id=a&_revinclude=Goal:patient&_revinclude=CarePlan:subject").json()
    assert sorted(ids(bundle, "include")) == [*(f"g{number}" for number in range(7)), "plan"]


def test_iterating_includes_go_on_from_what_they_brought(record: httpx.Client) -> None:
    url = "/CarePlan?_include=CarePlan:goal&_include{}=Goal:patient"
    assert "a" not in ids(record.get(url.format("")).json(), "include")
    assert "a" in ids(record.get(url.format(":iterate")).json(), "include")


def test_an_included_row_is_under_the_same_condition_as_a_match(record: httpx.Client, client_with: Any) -> None:
    plans_only = client_with("system/CarePlan.rs")
    bundle = plans_only.get("/CarePlan?_include=CarePlan:goal").json()
    assert ids(bundle) == ["plan"]
    assert ids(bundle, "include") == []


def test_the_total_counts_what_the_caller_may_see(record: httpx.Client, client_with: Any) -> None:
    own = client_with("patient/*.rs", patient="b")
    assert record.get("/Goal?_total=accurate").json()["total"] == 8
    assert own.get("/Goal?_total=accurate").json()["total"] == 1
    assert own.get("/Goal?patient=a&_summary=count").json()["total"] == 0


def test_count_zero_is_a_count(record: httpx.Client) -> None:
    bundle = record.get("/Goal?_count=0").json()
    assert (bundle["total"], bundle.get("entry")) == (8, None)


def test_elements_and_summary_are_marked_subsetted(record: httpx.Client) -> None:
    for url in ("/Goal?_elements=startDate&_id=g0", "/Goal?_summary=true&_id=g0", "/Goal?_summary=text&_id=g0"):
        goal = record.get(url).json()["entry"][0]["resource"]
        assert goal["meta"]["tag"][-1]["code"] == "SUBSETTED"
        assert goal["lifecycleStatus"] == "completed"


def test_the_self_link_names_what_was_applied(record: httpx.Client) -> None:
    answer = record.get("/Goal?patient=a&foo=1&_count=5000", headers={"Prefer": "handling=lenient"}).json()
    own = link(answer, "self")
    assert own is not None
    assert dict(parse_qsl(urlsplit(own).query)) == {"patient": "a", "_count": "1000"}
    assert answer["entry"][-1]["search"]["mode"] == "outcome"


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("foo=1", id="unknown-parameter"),
        pytest.param("start-date:exact=2026", id="modifier-of-another-type"),
        pytest.param("lifecycle-status.name=x", id="chain-from-no-reference"),
        pytest.param("subject.nothing=x", id="chain-to-no-parameter"),
        pytest.param("subject:Device.name=x", id="chain-to-no-target"),
        pytest.param("_has:CarePlan:goal=active", id="reverse-chain-without-parameter"),
        pytest.param("_has:CarePlan:encounter:status=active", id="reverse-chain-from-no-referrer"),
        pytest.param("category:in=http://example.org/vs", id="terminology-modifier"),
        pytest.param("_text:exact=x", id="modifier-of-a-special-parameter"),
        pytest.param("_sort=foo", id="unknown-sort"),
        pytest.param("_include=Goal:foo", id="unknown-include"),
        pytest.param("start-date=2026-13", id="no-such-month"),
        pytest.param("start-date=tomorrow", id="no-date"),
        pytest.param("_count=many", id="no-number"),
        pytest.param("patient=a/b/c", id="no-reference"),
        pytest.param("lifecycle-status=a|b|c", id="no-token"),
        pytest.param("_summary=maybe", id="no-summary"),
    ],
)
def test_what_cannot_be_applied_is_refused(record: httpx.Client, query: str) -> None:
    answer = record.get(f"/Goal?{query}")
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["diagnostics"]


def test_post_searches_like_get(record: httpx.Client) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    posted = record.post("/Goal/_search?patient=a", content="lifecycle-status=active&_sort=_id", headers=form)
    got = record.get("/Goal?patient=a&lifecycle-status=active&_sort=_id")
    assert ids(posted.json()) == ids(got.json()) == ["g1", "g3", "g5"]


def test_a_compartment_holds_what_refers_to_its_patient(record: httpx.Client) -> None:
    assert sorted(ids(record.get("/Patient/a/Goal").json())) == [f"g{number}" for number in range(7)]
    assert ids(record.get("/Patient/b/Goal?lifecycle-status=active").json()) == ["g7"]
