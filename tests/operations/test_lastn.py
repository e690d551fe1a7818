"""Observation/$lastn (observation-operation-lastn.html)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.operations.newest_by_code import Code, NewestByCode
from tests.fixtures.server import RunningServer
from tests.operations.records import (
    LOINC,
    Resource,
    answered,
    audited,
    names_in,
    observation,
    parameters,
    patient,
    put,
    whats_of,
)

MakeClient = Callable[..., httpx.Client]
LASTN = "/Observation/$lastn?patient=own&category=survey"
SURVEY = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey"}]}]


def coded(*codes: str, text: str | None = None) -> Resource:
    codings = [{"system": LOINC, "code": code} for code in codes]
    return {**({"coding": codings} if codings else {}), **({} if text is None else {"text": text})}


def score(id: str, day: int | None, code: Resource, of: str = "own", **more: Any) -> Resource:
    dated = {} if day is None else {"effectiveDateTime": f"2024-05-{day:02}"}
    return observation(id, of, code=code, category=SURVEY, **dated, **more)


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    put(client, patient("own"), patient("other"))
    put(client, score("a1", 1, coded("a")), score("a3", 3, coded("a")), score("a2", 2, coded("a")))
    put(client, score("b2", 2, coded("b")), score("b1", 1, coded("b")))
    put(client, score("x9", 9, coded("a"), of="other"))
    return client


def test_without_a_maximum_the_newest_of_each_code_is_told(record: httpx.Client) -> None:
    answer = record.get(LASTN).json()
    assert (answer["type"], answer["total"], names_in(answer)) == ("searchset", 2, ["Observation/a3", "Observation/b2"])


def test_the_newest_come_first(record: httpx.Client) -> None:
    found = answered(record, f"{LASTN}&max=2")
    assert found == ["Observation/a3", "Observation/b2", "Observation/a2", "Observation/b1"]


def test_another_patients_observations_are_none(record: httpx.Client, client_with: MakeClient) -> None:
    token = client_with("patient/*.cruds", patient="own")
    assert answered(token, LASTN.replace("own", "other")) == answered(token, LASTN.replace("own", "none")) == []


def test_a_patients_token_need_not_name_its_patient(record: httpx.Client, client_with: MakeClient) -> None:
    token = client_with("patient/*.cruds", patient="own")
    assert answered(token, "/Observation/$lastn?code=a") == ["Observation/a3"]


def test_another_tenants_observations_are_none(record: httpx.Client, server: RunningServer) -> None:
    with server.client(server.token(server.new_tenant())) as stranger:
        assert answered(stranger, LASTN) == []


@pytest.mark.parametrize(("scope", "status"), [("system/Observation.s", 200), ("system/Observation.r", 403)])
def test_it_asks_for_the_scope_of_a_search(
    record: httpx.Client, client_with: MakeClient, scope: str, status: int
) -> None:
    assert client_with(scope).get(LASTN).status_code == status


@pytest.mark.parametrize(
    ("third", "groups"),
    [
        pytest.param(coded("c"), {"1", "2", "3"}, id="three-codes"),
        pytest.param(coded("a", "c"), {"2", "3"}, id="a-translation-joins-one"),
        pytest.param(coded("a", "b"), {"3"}, id="a-translation-joins-both"),
    ],
)
def test_codes_that_share_a_coding_are_one_group(client: httpx.Client, third: Resource, groups: set[str]) -> None:
    """The table of the operation's definition."""
    put(client, patient(), score("1", 1, coded("a")), score("2", 2, coded("b")), score("3", 3, third))
    assert set(answered(client, LASTN)) == {f"Observation/{id}" for id in groups}


def test_groups_are_joined_by_older_observations_too(client: httpx.Client) -> None:
    put(client, patient(), score("1", 1, coded("a", "b")), score("2", 2, coded("a")), score("3", 3, coded("b")))
    assert answered(client, f"{LASTN}&max=2") == ["Observation/3", "Observation/2"]


def test_texts_are_grouped_as_they_are_written(client: httpx.Client) -> None:
    texts = ["textM", "Text", "t e x t", "Text"]
    put(client, patient(), *(score(str(day), day, coded(text=text)) for day, text in enumerate(texts, start=1)))
    assert answered(client, LASTN) == ["Observation/4", "Observation/3", "Observation/1"]


def test_of_the_same_code_in_other_systems_there_are_two_groups(client: httpx.Client) -> None:
    other = {"coding": [{"system": "http://example.org", "code": "a"}]}
    put(client, patient(), score("1", 1, coded("a")), score("2", 2, other))
    assert len(answered(client, LASTN)) == 2


def test_a_tie_with_the_last_one_is_told(record: httpx.Client) -> None:
    """R4: "4 Observations instead of 3 if the 3rd and 4th most recent observation had the same effective time"."""
    put(record, score("a2-too", 2, coded("a")))
    found = answered(record, f"{LASTN}&max=2&code=a")
    assert found[0] == "Observation/a3"
    assert set(found[1:]) == {"Observation/a2", "Observation/a2-too"}


def test_no_time_is_no_tie(record: httpx.Client) -> None:
    put(record, score("c1", None, coded("c")), score("c2", None, coded("c")))
    assert len(answered(record, f"{LASTN}&code=c")) == 1


def test_entered_in_error_counts_unless_it_is_filtered(record: httpx.Client) -> None:
    put(record, score("a4", 4, coded("a"), status="entered-in-error"))
    assert answered(record, f"{LASTN}&code=a") == ["Observation/a4"]
    assert answered(record, f"{LASTN}&code=a&status:not=entered-in-error") == ["Observation/a3"]


def test_further_criteria_filter(record: httpx.Client) -> None:
    assert answered(record, f"{LASTN}&date=lt2024-05-03&code={LOINC}|a") == ["Observation/a2"]


def test_nothing_found_is_an_empty_searchset(record: httpx.Client) -> None:
    answer = record.get(f"{LASTN}&code=none")
    assert (answer.status_code, answer.json()["total"]) == (200, 0)


def test_post_takes_parameters(record: httpx.Client) -> None:
    body = parameters(patient={"valueString": "own"}, code={"valueString": "a"}, max={"valuePositiveInt": 2})
    assert names_in(record.post("/Observation/$lastn", json=body).json()) == ["Observation/a3", "Observation/a2"]


def test_a_batch_may_hold_it(record: httpx.Client) -> None:
    entry = {"request": {"method": "GET", "url": LASTN}}
    answer = record.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]}).json()
    assert names_in(answer["entry"][0]["resource"]) == ["Observation/a3", "Observation/b2"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("code=a", "required"),
        ("patient=own", "required"),
        ("patient=own&date=2024", "required"),
        ("patient=own&code=a&max=0", "value"),
        ("patient=own&code=a&max=x", "value"),
        ("patient=own&code=a&max=1&max=2", "value"),
        ("patient=own&code=a&_sort=date", "not-supported"),
        ("patient=own&code=a&colour=red", "not-supported"),
        ("patient=own&code=a&date=2024-13", "value"),
    ],
)
def test_what_lacks_or_is_too_much_is_refused(record: httpx.Client, asked: str, code: str) -> None:
    answer = record.get(f"/Observation/$lastn?{asked}")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, code)


def test_what_was_not_applied_is_told_to_the_lenient(record: httpx.Client) -> None:
    answer = record.get(f"{LASTN}&colour=red", headers={"Prefer": "handling=lenient"}).json()
    assert [entry["search"]["mode"] for entry in answer["entry"]] == ["match", "match", "outcome"]


def test_the_disclosure_is_audited(record: httpx.Client) -> None:
    record.get(LASTN)
    (event,) = audited(record, "$lastn")
    assert whats_of(event) == {"Patient/own"}


DRAWN = st.lists(
    st.tuples(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3), st.sampled_from(["1", "2", "3", None])),
    max_size=12,
)


@given(DRAWN, st.integers(1, 3))
def test_the_stream_gives_what_the_rules_say(drawn: list[tuple[list[str], str | None]], maximum: int) -> None:
    stream = sorted(drawn, key=lambda one: one[1] or "0", reverse=True)
    gathered: NewestByCode[int] = NewestByCode(maximum)
    for place, (codes, taken) in enumerate(stream):
        gathered.add([("", code) for code in codes], taken, place)
    assert gathered.newest() == by_the_rules(stream, maximum)


def by_the_rules(stream: list[tuple[list[str], str | None]], maximum: int) -> list[int]:
    """Groups first, by joining whatever overlaps until nothing does; then the newest of each with their ties."""
    groups: list[set[str]] = []
    for codes, _ in stream:
        joined = set(codes).union(*(group for group in groups if group & set(codes)))
        groups = [*(group for group in groups if not group & joined), joined]
    told = []
    for group in groups:
        members = [place for place, (codes, _) in enumerate(stream) if group & set(codes)]
        last = stream[members[min(maximum, len(members)) - 1]][1]
        ties = [place for place in members[maximum:] if last is not None and stream[place][1] == last]
        told += [*members[:maximum], *ties]
    return sorted(told)


def test_a_code_without_system_is_not_its_text() -> None:
    gathered: NewestByCode[str] = NewestByCode(1)
    codes: list[list[Code]] = [[("", "x")], [("\0text", "x")]]
    for code in codes:
        gathered.add(code, None, str(code))
    assert len(gathered) == 2
