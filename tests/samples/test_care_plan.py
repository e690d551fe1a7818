from datetime import date, timedelta

import pytest

from bhr_api.fhir.canonical import CANONICAL_BASE
from bhr_api.fhir.definitions import Resource
from bhr_api.samples.generator import TODAY
from tests.samples.record import CLIENTS, codes, path, resources, story_of

NEXT_REVIEW = f"{CANONICAL_BASE}/StructureDefinition/careplan-next-review"


def assess_plans(client: int) -> list[Resource]:
    return [plan for plan in resources(client, "CarePlan") if "assess-plan" in codes(plan["category"][0])]


def active_plan(client: int) -> Resource:
    (plan,) = [plan for plan in assess_plans(client) if plan["status"] == "active"]
    return plan


def next_review(plan: Resource) -> date:
    (found,) = [one["valueDate"] for one in plan["extension"] if one["url"] == NEXT_REVIEW]
    return date.fromisoformat(found)


def review_tasks(client: int, status: str) -> list[Resource]:
    tasks = [task for task in resources(client, "Task") if "careplan-review" in codes(task["code"])]
    return [task for task in tasks if task["status"] == status]


@pytest.mark.parametrize("client", CLIENTS)
def test_one_active_plan_replaces_the_revoked_one(client: int) -> None:
    old, new = assess_plans(client)

    assert (old["status"], new["status"]) == ("revoked", "active")
    assert new["replaces"] == [{"reference": path(old)}]
    assert old["period"]["end"] == new["period"]["start"]


@pytest.mark.parametrize("client", CLIENTS)
def test_an_active_plan_could_have_been_activated(client: int) -> None:
    plan = active_plan(client)

    assert plan["author"]
    assert plan["addresses"]
    assert len(plan["goal"]) >= 3
    assert len(plan["activity"]) >= 3


@pytest.mark.parametrize("client", CLIENTS)
def test_the_next_review_is_mirrored_by_the_one_open_task(client: int) -> None:
    (task,) = review_tasks(client, "requested")

    assert task["restriction"]["period"]["end"] == next_review(active_plan(client)).isoformat()
    assert task["focus"]["reference"] == path(active_plan(client))


@pytest.mark.parametrize("client", CLIENTS)
def test_every_held_review_left_a_provenance_on_the_plan_and_a_completed_task(client: int) -> None:
    records = [path(one) for one in resources(client, "Provenance")]
    outputs = [task["output"][0]["valueReference"]["reference"] for task in review_tasks(client, "completed")]

    assert outputs == records
    assert len(records) >= 2


def test_some_reviews_are_overdue_and_most_are_not() -> None:
    overdue = [client for client in CLIENTS if story_of(client).review_is_overdue]

    assert 0 < len(overdue) < len(CLIENTS) / 2
    for client in CLIENTS:
        lateness = TODAY - next_review(active_plan(client))
        assert lateness > timedelta(0) if client in overdue else lateness <= timedelta(days=5)


def measured_values(client: int, goal: Resource) -> list[int]:
    measure = codes(goal["target"][0]["measure"])
    return [one["valueQuantity"]["value"] for one in resources(client, "Observation") if codes(one["code"]) == measure]


def is_met(goal: Resource, value: int) -> bool:
    bound = goal["target"][0]["detailQuantity"]
    return bool(value < bound["value"] if bound["comparator"] == "<" else value >= bound["value"])


@pytest.mark.parametrize("client", CLIENTS)
def test_a_goal_is_achieved_exactly_when_its_latest_measurement_meets_the_target(client: int) -> None:
    for goal in resources(client, "Goal"):
        achieved = "achieved" in codes(goal["achievementStatus"])

        assert is_met(goal, measured_values(client, goal)[-1]) is achieved
        assert goal["lifecycleStatus"] == ("completed" if achieved else "active")


@pytest.mark.parametrize("client", CLIENTS)
def test_an_open_goal_says_which_way_its_measurements_went(client: int) -> None:
    expected = {"improving": "improving", "plateau": "no-change", "worsening": "worsening"}[story_of(client).trajectory]
    for goal in resources(client, "Goal"):
        assert codes(goal["achievementStatus"]) <= {"achieved", expected}


@pytest.mark.parametrize("client", CLIENTS)
def test_the_latest_outcome_of_a_goal_is_dated_with_its_status(client: int) -> None:
    observations = {path(one): one for one in resources(client, "Observation")}
    for goal in resources(client, "Goal"):
        latest = observations[goal["outcomeReference"][-1]["reference"]]
        when = latest.get("effectiveDateTime") or latest["effectivePeriod"]["end"]

        assert when.startswith(goal["statusDate"])
        assert codes(latest["code"]) == codes(goal["target"][0]["measure"])
