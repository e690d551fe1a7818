"""Scores, bands and triggers against the published scales, with tables written here apart from the generator's."""

import pytest

from bhr_api.fhir.canonical import CANONICAL_BASE
from bhr_api.fhir.definitions import Resource
from tests.samples.record import CLIENTS, codes, path, resources, story_of

# LOINC answer lists LL358-3 and, for the third answer of GAD-7 item 2, LA18938-3.
POINTS = {"LA6568-5": 0, "LA6569-3": 1, "LA6570-1": 2, "LA18938-3": 2, "LA6571-9": 3}
TOTALS = {"44261-6": ("phq-9", 9), "70274-6": ("gad-7", 7)}
# Kroenke 2001 (PHQ-9) and Spitzer 2006 (GAD-7): the highest score of each band.
BANDS = {
    "phq-9": [(4, "minimal"), (9, "mild"), (14, "moderate"), (19, "moderately-severe"), (27, "severe")],
    "gad-7": [(4, "minimal"), (9, "mild"), (14, "moderate"), (21, "severe")],
}


def answers(response: Resource) -> dict[str, str]:
    return {item["linkId"].removeprefix("/"): item["answer"][0]["valueCoding"]["code"] for item in response["item"]}


def item_scores(response: Resource) -> dict[str, int]:
    return {item: POINTS[code] for item, code in answers(response).items() if item != "69722-7"}


def totals(client: int) -> list[Resource]:
    return [one for one in resources(client, "Observation") if codes(one["code"]) & TOTALS.keys()]


def responses(client: int) -> dict[str, Resource]:
    return {path(response): response for response in resources(client, "QuestionnaireResponse")}


@pytest.mark.parametrize("client", CLIENTS)
def test_every_response_has_one_total_that_is_the_sum_of_its_answers(client: int) -> None:
    scored = {observation["derivedFrom"][0]["reference"]: observation for observation in totals(client)}

    assert scored.keys() == responses(client).keys()
    for reference, response in responses(client).items():
        assert scored[reference]["valueQuantity"]["value"] == sum(item_scores(response).values())
        assert scored[reference]["effectiveDateTime"] == response["authored"]


@pytest.mark.parametrize("client", CLIENTS)
def test_every_response_answers_each_item_of_its_questionnaire(client: int) -> None:
    questionnaires = {one["url"]: [item["linkId"] for item in one["item"]] for one in resources(0, "Questionnaire")}
    for response in responses(client).values():
        assert [item["linkId"] for item in response["item"]] == questionnaires[response["questionnaire"]]


@pytest.mark.parametrize("client", CLIENTS)
def test_every_total_carries_the_published_band(client: int) -> None:
    for observation in totals(client):
        (total_code,) = codes(observation["code"])
        instrument, items = TOTALS[total_code]
        score = observation["valueQuantity"]["value"]
        expected = next(band for highest, band in BANDS[instrument] if score <= highest)

        assert 0 <= score <= items * 3
        assert observation["interpretation"][0]["coding"][0]["code"] == expected
        assert observation["interpretation"][0]["coding"][0]["system"] == f"{CANONICAL_BASE}/CodeSystem/severity-band"


@pytest.mark.parametrize("client", CLIENTS)
def test_the_totals_tell_the_story(client: int) -> None:
    for total_code, (instrument, _) in TOTALS.items():
        found = [one["valueQuantity"]["value"] for one in totals(client) if total_code in codes(one["code"])]
        told = story_of(client).series["phq-9" if instrument == "phq-9" else "gad-7"]

        assert found == [point.value for point in told]


@pytest.mark.parametrize("client", CLIENTS)
def test_each_positive_item_9_has_a_follow_up_task_and_one_flag_stands_for_all(client: int) -> None:
    positive = {name for name, response in responses(client).items() if item_scores(response).get("44260-8", 0) > 0}
    followed = [
        task["focus"]["reference"]
        for task in resources(client, "Task")
        if "suicide-risk-followup" in codes(task["code"])
    ]

    assert sorted(followed) == sorted(positive)
    assert len(resources(client, "Flag")) == bool(positive)


def test_a_safety_plan_goes_with_every_flag() -> None:
    for client in CLIENTS:
        plans = [plan for plan in resources(client, "CarePlan") if "safety-plan" in codes(plan["category"][0])]
        assert len(plans) == len(resources(client, "Flag"))


def test_whoever_worsens_has_an_active_flag_an_open_follow_up_and_a_crisis_contact() -> None:
    for client in CLIENTS:
        if story_of(client).trajectory == "worsening":
            open_tasks = [task for task in resources(client, "Task") if task["status"] == "requested"]
            assert "suicide-risk-followup" in {code for task in open_tasks for code in codes(task["code"])}
            assert [flag["status"] for flag in resources(client, "Flag")] == ["active"]
            assert "EMER" in {encounter["class"]["code"] for encounter in resources(client, "Encounter")}


@pytest.mark.parametrize("questionnaire", resources(0, "Questionnaire"), ids=lambda one: str(one["id"]))
def test_the_questionnaire_weighs_answers_as_the_scale_does(questionnaire: Resource) -> None:
    scored = [item for item in questionnaire["item"] if item["linkId"] != "/69722-7"]
    weights = {
        option["valueCoding"]["code"]: option["extension"][0]["valueDecimal"]
        for item in scored
        for option in item["answerOption"]
    }

    assert len(scored) == dict(TOTALS.values())[questionnaire["id"]]
    assert weights == {code: points for code, points in POINTS.items() if code in weights}
