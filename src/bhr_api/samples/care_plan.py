"""The care plan, its revision, and its reviews (FHIR R4 careplan.html, provenance.html, task.html).

A revision is a new plan that `replaces` the old one, which becomes `revoked`; a review is a Provenance on the plan and
a completed Task. The next review is an extension of the plan, mirrored by one open Task.
"""

from datetime import date, timedelta
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples.chart import Chart
from bhr_api.samples.datatypes import HL7, code_only, coded, concept, moment, period
from bhr_api.samples.goals import AIMS

DAYS_BETWEEN_REVIEWS: Final = 90
REVISED_AT_REVIEW: Final = 2
ASSESS_PLAN: Final = coded(
    "http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "assess-plan", "Assessment and Plan of Treatment"
)
REVIEW: Final = coded(canonical.code_system("task-code"), "careplan-review", "Care plan review")

ACTIVITIES: Final = (
    ("support-worker-1", "One-to-one support at home: routines, meals, an outing of the client's choice"),
    ("clinician", "Therapy session with homework on one thought or one step"),
    ("support-worker-2", "Coping-skill practice, logged on the client's own sheet"),
    ("case-manager", "Contact with family and community services"),
)


def add_care_plan(chart: Chart) -> None:
    """Adds the first plan, its revision, every review that was held, and the one that is due."""
    reviews = _review_days(chart)
    revised = reviews[REVISED_AT_REVIEW - 1]
    due = reviews[-1] + timedelta(days=DAYS_BETWEEN_REVIEWS)
    chart.add("CarePlan", "plan-1", _plan(chart, "revoked", period(_first_day(chart), revised)))
    successor = _plan(chart, "active", period(revised))
    url = canonical.structure_definition("careplan-next-review")
    next_review = {"extension": [{"url": url, "valueDate": due.isoformat()}]}
    chart.add("CarePlan", "plan-2", next_review | successor | {"replaces": [chart.refer("CarePlan", "plan-1")]})
    for number, day in enumerate(reviews, start=1):
        plan = chart.refer("CarePlan", "plan-1" if number <= REVISED_AT_REVIEW else "plan-2")
        chart.add("Provenance", f"review-{number}", _provenance(chart, plan, day))
        chart.add("Task", f"review-{number}", _held_review(chart, plan, number, day))
    chart.add("Task", f"review-{len(reviews) + 1}", _due_review(chart, reviews[-1], due))


def _first_day(chart: Chart) -> date:
    return chart.story.start + timedelta(days=7)


def _review_days(chart: Chart) -> list[date]:
    days: list[date] = []
    due = _first_day(chart) + timedelta(days=DAYS_BETWEEN_REVIEWS)
    while (held := due + timedelta(days=chart.random.randrange(-5, 6))) < chart.story.today:
        days.append(held)
        due = held + timedelta(days=DAYS_BETWEEN_REVIEWS)
    if chart.story.review_is_overdue:
        return [day for day in days if day + timedelta(days=DAYS_BETWEEN_REVIEWS) < chart.story.today]
    return days


def _plan(chart: Chart, status: str, days: Resource) -> Resource:
    diagnoses = range(1, len(chart.story.presentation.diagnoses) + 1)
    return {
        "status": status,
        "intent": "plan",
        "category": [ASSESS_PLAN],
        "title": "Individual care plan",
        "description": "Agreed with the client and the family; written in the client's own words where possible.",
        "subject": chart.patient,
        "encounter": chart.refer("Encounter", "intake"),
        "period": days,
        "created": days["start"],
        "author": chart.practitioner("clinician"),
        "contributor": [chart.patient, chart.practitioner("case-manager"), chart.relative],
        "careTeam": [chart.refer("CareTeam", "team")],
        "addresses": [chart.refer("Condition", f"condition-{number}") for number in diagnoses],
        "goal": [chart.refer("Goal", f"goal-{aim.key}") for aim in AIMS],
        "activity": [
            *(_activity(chart, role, words, status) for role, words in ACTIVITIES),
            {"reference": chart.refer("MedicationRequest", "medication")},
            {"reference": chart.refer("ServiceRequest", "referral")},
        ],
    }


def _activity(chart: Chart, role: str, words: str, plan_status: str) -> Resource:
    return {
        "detail": {
            "status": "in-progress" if plan_status == "active" else "completed",
            "code": concept(words.partition(":")[0]),
            "doNotPerform": False,
            "scheduledTiming": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}},
            "performer": [chart.practitioner(role)],
            "description": words,
        }
    }


def _provenance(chart: Chart, plan: Resource, day: date) -> Resource:
    clinician = {"who": chart.practitioner("clinician"), "onBehalfOf": chart.organization}
    return {
        "target": [plan],
        "occurredDateTime": moment(day, 11),
        "recorded": moment(day, 12, 15),
        "activity": REVIEW,
        "agent": [
            {"type": code_only(f"{HL7}/provenance-participant-type", "author")} | clinician,
            {"type": code_only(f"{HL7}/provenance-participant-type", "informant"), "who": chart.patient},
        ],
    }


def _review_task(chart: Chart, plan: Resource, asked: date, due: date, status: str) -> Resource:
    return {
        "status": status,
        "intent": "order",
        "priority": "routine",
        "code": REVIEW,
        "focus": plan,
        "for": chart.patient,
        "authoredOn": moment(asked, 12, 15),
        "lastModified": moment(asked, 12, 15),
        "requester": chart.organization,
        "owner": chart.practitioner("case-manager"),
        "restriction": {"period": {"end": due.isoformat()}},
    }


def _held_review(chart: Chart, plan: Resource, number: int, day: date) -> Resource:
    asked = day - timedelta(days=DAYS_BETWEEN_REVIEWS)
    outcome = "revised" if number == REVISED_AT_REVIEW else "continued"
    return _review_task(chart, plan, asked, day, "completed") | {
        "businessStatus": concept(f"Plan {outcome} with the client present"),
        "lastModified": moment(day, 12, 15),
        "output": [{"type": concept("Review record"), "valueReference": chart.refer("Provenance", f"review-{number}")}],
    }


def _due_review(chart: Chart, asked: date, due: date) -> Resource:
    return _review_task(chart, chart.refer("CarePlan", "plan-2"), asked, due, "requested")
