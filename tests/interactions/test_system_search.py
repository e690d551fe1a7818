"""Search of the whole server and of several types (FHIR R4, http.html#search)."""

from typing import Any

import httpx
import pytest


def about(patient: str, number: int) -> list[dict[str, Any]]:
    subject = {"reference": f"Patient/{patient}"}
    return [
        {
            "resourceType": "Goal",
            "id": f"goal-{number}",
            "lifecycleStatus": "active",
            "description": {"text": "Sleep"},
            "subject": subject,
        },
        {
            "resourceType": "Observation",
            "id": f"score-{number}",
            "status": "final",
            "code": {"text": "Sleep"},
            "subject": subject,
            "effectiveDateTime": f"2026-01-0{number + 1}",
        },
    ]


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    """Two patients, four goals and four scores of one and one each of the other, one after another."""
    patients = [{"resourceType": "Patient", "id": id, "meta": {"tag": [{"code": "t"}]}} for id in ("a", "b")]
    resources = [*patients, *(one for number in range(5) for one in about("b" if number == 4 else "a", number))]
    for one in resources:
        assert client.put(f"/{one['resourceType']}/{one['id']}", json=one).status_code == 201
    return client


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [entry["resource"]["id"] for entry in answer.json().get("entry", []) if entry["search"]["mode"] == "match"]


def link(answer: httpx.Response, relation: str) -> str | None:
    return next((one["url"] for one in answer.json()["link"] if one["relation"] == relation), None)


LATEST = ["score-4", "goal-4", "score-3", "goal-3", "score-2", "goal-2", "score-1", "goal-1", "score-0", "goal-0"]


def test_several_types_are_searched_what_changed_last_first(record: httpx.Client) -> None:
    assert ids(record.get("/?_type=Goal,Observation")) == LATEST


def test_a_parameter_of_all_the_types_narrows_them(record: httpx.Client) -> None:
    found = ids(record.get("/?_type=Goal,Observation&patient=b"))
    assert found == ["score-4", "goal-4"]
    assert ids(record.get("/?_tag=t")) == ["b", "a"]
    assert ids(record.get("/?_id=goal-1,a")) == ["goal-1", "a"]


def test_post_takes_a_form(record: httpx.Client) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert ids(record.post("/_search", data={"_type": "Goal", "patient": "b"}, headers=form)) == ["goal-4"]


@pytest.mark.parametrize("sort", ["", "_id", "-_lastUpdated", "-_tag,_id"])
def test_a_walk_shows_every_match_once_and_leads_back(record: httpx.Client, sort: str) -> None:
    answer = record.get(f"/?_type=Goal,Observation,Patient&_count=5&_sort={sort}")
    whole = ids(record.get(f"/?_type=Goal,Observation,Patient&_sort={sort}"))
    walked = ids(answer)
    while url := link(answer, "next"):
        answer = record.get(url)
        walked += ids(answer)
    assert walked == whole
    assert sorted(walked) == sorted([*LATEST, "a", "b"])
    back: list[str] = []
    while url := link(answer, "previous"):
        answer = record.get(url)
        back = ids(answer) + back
    assert back == whole[:10]


def test_total_and_includes(record: httpx.Client) -> None:
    answer = record.get("/?_type=Goal,Observation&_total=accurate&_count=2&_include=Goal:subject")
    assert answer.json()["total"] == 10
    included = [entry for entry in answer.json()["entry"] if entry["search"]["mode"] == "include"]
    assert [entry["resource"]["id"] for entry in included] == ["b"]
    assert record.get("/?_type=Goal,Observation&_summary=count").json()["total"] == 10


def test_the_self_link_names_the_types(record: httpx.Client) -> None:
    url = link(record.get("/?_type=Goal&patient=b&_format=json"), "self")
    assert url is not None
    assert url.endswith("/fhir?_type=Goal&patient=b")


@pytest.mark.parametrize(
    "query",
    [
        "_type=Goal,Patience",
        "_type=Goal,Patient&patient=a",
        "_type=Goal,Observation&_sort=date",
        "_type=AuditEvent",
        "gender=female",
    ],
)
def test_what_is_not_common_to_the_types_is_refused(record: httpx.Client, query: str) -> None:
    assert record.get(f"/?{query}").status_code == 400


def test_a_caller_finds_only_what_each_type_would_show(record: httpx.Client, client_with: Any) -> None:
    assert ids(client_with("system/Goal.rs").get("/")) == [f"goal-{number}" for number in reversed(range(5))]
    assert client_with("system/Goal.rs").get("/?_type=Goal,Observation").status_code == 403
    assert client_with("system/Goal.c").get("/").status_code == 403
    assert sorted(ids(client_with("patient/*.rs", patient="b").get("/"))) == ["b", "goal-4", "score-4"]


def test_another_tenant_finds_nothing(record: httpx.Client, server: Any) -> None:
    with server.client(server.token(server.new_tenant())) as other:
        assert ids(other.get("/")) == []


def test_what_the_matches_refer_to_comes_from_each_type(record: httpx.Client) -> None:
    answer = record.get("/?_type=Patient,Goal&_id=goal-1&_include=*")

    assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == ["goal-1", "a"]


def test_what_all_types_refer_to_is_too_much_at_once(record: httpx.Client) -> None:
    answer = record.get("/?_id=goal-1&_include=*")

    assert answer.status_code == 400
    assert answer.json()["issue"][0]["code"] == "too-costly"


def test_what_is_on_a_list_is_found_among_all_types(record: httpx.Client) -> None:
    items = [{"item": {"reference": f"{one}"}} for one in ("Goal/goal-1", "Patient/a")]
    listed = {"resourceType": "List", "id": "l", "status": "current", "mode": "working", "entry": items}
    assert record.put("/List/l", json=listed).status_code == 201

    assert ids(record.get("/?_list=l")) == ["goal-1", "a"]
