"""Measurement-based care: PHQ-9 and GAD-7 responses, their scores, and what a positive risk item sets off.

FHIR R4 questionnaireresponse.html and observation.html; US Core Observation Screening Assessment for the shape.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples.chart import Chart
from bhr_api.samples.datatypes import HL7, coded, coding, concept, moment, period, quantity
from bhr_api.samples.instruments import (
    BAND_TEXTS,
    DIFFICULTY,
    DIFFICULTY_ITEM,
    GAD_7,
    PHQ_9,
    SUICIDE_ITEM,
    Instrument,
)
from bhr_api.samples.story import Point

DAYS_TO_FOLLOW_UP: Final = 30
SURVEY: Final = coded(f"{HL7}/observation-category", "survey", "Survey")


def add_measurements(chart: Chart) -> list[date]:
    """Adds every administration of both instruments; the days on which PHQ-9 item 9 was positive."""
    for number, point in enumerate(chart.story.series["gad-7"], start=1):
        _add_administration(chart, GAD_7, f"{number:02}", point.day, _spread(chart.random, point.value, 7))
    positives: list[date] = []
    points = chart.story.series["phq-9"]
    for number, point in enumerate(points, start=1):
        risk = _risk_answer(chart, point, is_last=number == len(points))
        scores = [*_spread(chart.random, point.value - risk, 8), risk]
        _add_administration(chart, PHQ_9, f"{number:02}", point.day, scores)
        if risk:
            positives.append(point.day)
            chart.add("Task", f"risk-follow-up-{number:02}", _risk_task(chart, f"phq-9-{number:02}", point.day))
    if positives:
        chart.add("Flag", "suicide-risk", _risk_flag(chart, positives))
    return positives


def _risk_answer(chart: Chart, point: Point, *, is_last: bool) -> int:
    if chart.story.trajectory == "worsening" and is_last:
        return max(1, point.value - 24)
    unsafe = point.value >= 15 and chart.random.random() < 0.35
    # Eight items hold 24 points at most: what is above must be the ninth.
    return max(1 if unsafe else 0, point.value - 24)


def _spread(random: Random, total: int, items: int) -> list[int]:
    scores = [0] * items
    for _ in range(total):
        scores[random.choice([item for item, score in enumerate(scores) if score < 3])] += 1
    return scores


def _add_administration(chart: Chart, instrument: Instrument, number: str, day: date, scores: Sequence[int]) -> None:
    name = f"{instrument.key}-{number}"
    response = chart.add("QuestionnaireResponse", name, _response(chart, instrument, day, scores))
    response_id = response["reference"].removeprefix("QuestionnaireResponse/")
    chart.add("Observation", name, _score(chart, instrument, day, sum(scores), response_id))


def _response(chart: Chart, instrument: Instrument, day: date, scores: Sequence[int]) -> Resource:
    items = [
        _answered(code, label, instrument.answers(code)[score])
        for (code, label), score in zip(instrument.items.items(), scores, strict=True)
    ]
    if instrument.asks_difficulty:
        items.append(_answered(DIFFICULTY_ITEM, "How difficult the problems make daily life", _difficulty(scores)))
    return {
        "questionnaire": instrument.canonical,
        "status": "completed",
        "subject": chart.patient,
        "authored": moment(day, 14, 5),
        "author": chart.practitioner("support-worker-1"),
        "source": chart.patient,
        "item": items,
    }


def _difficulty(scores: Sequence[int]) -> tuple[str, str]:
    return DIFFICULTY[min(3, sum(scores) // 6)]


def _answered(code: str, label: str, answer: tuple[str, str]) -> Resource:
    return {"linkId": f"/{code}", "text": label, "answer": [{"valueCoding": coding(canonical.LOINC, *answer)}]}


def _score(chart: Chart, instrument: Instrument, day: date, total: int, response_id: str) -> Resource:
    band = instrument.band(total)
    system = canonical.code_system("severity-band")
    return {
        # The identifier that automatic scoring gives: scoring the response again meets this very Observation.
        "identifier": [
            {"system": canonical.identifier_system("score"), "value": f"{response_id}#{instrument.total[0]}"}
        ],
        "status": "final",
        "category": [SURVEY],
        "code": coded(canonical.LOINC, *instrument.total),
        "subject": chart.patient,
        "effectiveDateTime": moment(day, 14, 5),
        "issued": moment(day, 14, 6),
        "performer": [chart.patient],
        "valueQuantity": quantity(total, "{score}"),
        "interpretation": [coded(system, band, BAND_TEXTS[band])],
        "derivedFrom": [{"reference": f"QuestionnaireResponse/{response_id}"}],
    }


def _risk_flag(chart: Chart, positives: Sequence[date]) -> Resource:
    # A person closed the flag when half a year went by without a further positive answer.
    closed = positives[-1] + timedelta(days=180)
    is_closed = closed < chart.story.today
    return {
        "status": "inactive" if is_closed else "active",
        "category": [coded(f"{HL7}/flag-category", "safety", "Safety")],
        "code": coded(canonical.code_system("flag-code"), "suicide-risk-positive", "Positive suicide-risk answer"),
        "subject": chart.patient,
        "period": period(positives[0], closed if is_closed else None),
        "author": chart.practitioner("clinician"),
    }


def _risk_task(chart: Chart, response: str, day: date) -> Resource:
    is_open = chart.story.today - day < timedelta(days=DAYS_TO_FOLLOW_UP)
    response_reference = chart.refer("QuestionnaireResponse", response)
    trigger = response_reference["reference"].removeprefix("QuestionnaireResponse/") + f"#{SUICIDE_ITEM}"
    task: Resource = {
        "identifier": [{"system": canonical.identifier_system("trigger"), "value": trigger}],
        "status": "requested" if is_open else "completed",
        "intent": "order",
        "priority": "urgent",
        "code": coded(canonical.code_system("task-code"), "suicide-risk-followup", "Suicide-risk follow-up"),
        "description": "Speak with the client today, review the safety plan, tell the clinician.",
        "focus": response_reference,
        "for": chart.patient,
        "authoredOn": moment(day, 14, 6),
        "lastModified": moment(day, 14, 6) if is_open else moment(day, 17, 30),
        "requester": chart.organization,
        "owner": chart.practitioner("case-manager"),
        "restriction": {"period": {"end": moment(day, 24)}},
    }
    if not is_open:
        task["note"] = [
            {"time": moment(day, 17, 30), "text": "Spoke with the client; no plan or intent; safety plan reviewed."}
        ]
        task["businessStatus"] = concept("Client seen the same day")
    return task
