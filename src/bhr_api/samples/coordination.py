"""Work with others: orders and referrals, talks with the family, appointments.

FHIR R4 servicerequest.html, task.html (intent order, code fulfill, focus on the request), communication.html,
appointment.html.
"""

from datetime import date, timedelta
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples import staff
from bhr_api.samples.chart import Chart
from bhr_api.samples.datatypes import coded, concept, identifier, moment, period, sample_code

REFERRALS: Final = (
    ("supported-employment", "Supported employment"),
    ("food-pantry", "Weekly food box"),
    ("housing-advice", "Housing advice"),
    ("peer-group", "Community peer group"),
)
MESSAGES: Final = (
    "Told the family how the first weeks went and how to reach the team.",
    "Talked about the new morning routine and how to encourage it without pushing.",
    "The family asked about warning signs; we went through them together.",
    "Agreed on the date of the next plan review; the family will join by telephone.",
)
DAYS_BETWEEN_MESSAGES: Final = 91


def add_coordination(chart: Chart) -> None:
    """Adds the support order, one referral with its state, family contacts, and appointments around today."""
    chart.add("ServiceRequest", "support-order", _support_order(chart))
    _add_referral(chart)
    day, number = chart.story.start + timedelta(days=20), 1
    while day < chart.story.today:
        chart.add("Communication", f"family-{number}", _message(chart, number, day))
        day, number = day + timedelta(days=DAYS_BETWEEN_MESSAGES), number + 1
    for number, days in enumerate((-24, -10, 4, 18), start=1):
        chart.add("Appointment", f"visit-{number}", _appointment(chart, number, days))


def _support_order(chart: Chart) -> Resource:
    return {
        "identifier": [identifier("order", f"{chart.story.patient_id}-support")],
        "status": "active",
        "intent": "order",
        "category": [coded(canonical.SNOMED_CT, "409063005", "Counselling")],
        "priority": "routine",
        "code": sample_code("service", "therapeutic-support", "Therapeutic support with coping-skill practice"),
        "subject": chart.patient,
        "occurrencePeriod": period(chart.story.start),
        "authoredOn": chart.story.start.isoformat(),
        "requester": chart.practitioner("clinician"),
        "performer": [chart.practitioner("support-worker-1"), chart.practitioner("support-worker-2")],
        "reasonReference": [chart.refer("Condition", "condition-1")],
    }


def _add_referral(chart: Chart) -> None:
    code, words = REFERRALS[chart.story.number % len(REFERRALS)]
    status = ("completed", "in-progress", "accepted", "requested")[chart.story.number % 4]
    asked = chart.story.today - timedelta(
        days={"completed": 200, "in-progress": 60, "accepted": 20, "requested": 5}[status]
    )
    referral = chart.add(
        "ServiceRequest",
        "referral",
        {
            "identifier": [identifier("order", f"{chart.story.patient_id}-referral")],
            "status": "completed" if status == "completed" else "active",
            "intent": "order",
            "category": [coded(canonical.SNOMED_CT, "410606002", "Social service procedure")],
            "priority": "routine",
            "code": sample_code("service", code, words),
            "subject": chart.patient,
            "authoredOn": asked.isoformat(),
            "requester": chart.practitioner("case-manager"),
            "performer": [staff.organization(staff.COMMUNITY_PARTNER)],
            "reasonReference": [chart.refer("Condition", "condition-1")],
        },
    )
    chart.add("Task", "referral", _referral_task(chart, referral, status, asked))


def _referral_task(chart: Chart, referral: Resource, status: str, asked: date) -> Resource:
    return {
        "basedOn": [referral],
        "status": status,
        "intent": "order",
        "priority": "routine",
        "code": coded("http://hl7.org/fhir/CodeSystem/task-code", "fulfill", "Fulfill the focal request"),
        "focus": referral,
        "for": chart.patient,
        "authoredOn": moment(asked, 9),
        "lastModified": moment(asked + timedelta(days=2), 9) if status != "requested" else moment(asked, 9),
        "requester": chart.practitioner("case-manager"),
        "owner": staff.organization(staff.COMMUNITY_PARTNER),
        "restriction": {"period": {"end": (asked + timedelta(days=90)).isoformat()}},
    }


def _message(chart: Chart, number: int, day: date) -> Resource:
    return {
        "status": "completed",
        "category": [sample_code("communication", "family-contact", "Family contact")],
        "priority": "routine",
        "medium": [coded("http://terminology.hl7.org/CodeSystem/v3-ParticipationMode", "PHONE", "telephone")],
        "subject": chart.patient,
        "topic": concept("Progress and the weeks ahead"),
        "sent": moment(day, 17),
        "received": moment(day, 17),
        "recipient": [chart.relative],
        "sender": chart.practitioner("case-manager"),
        "payload": [{"contentString": MESSAGES[(number - 1) % len(MESSAGES)]}],
    }


def _appointment(chart: Chart, number: int, days: int) -> Resource:
    day = chart.story.today + timedelta(days=days)
    is_past = days < 0
    is_missed = is_past and chart.story.trajectory == "worsening"
    return {
        "identifier": [identifier("appointment", f"{chart.story.patient_id}-{number}")],
        "status": "noshow" if is_missed else "fulfilled" if is_past else "booked",
        "serviceType": [concept("Therapy session")],
        "reasonReference": [chart.refer("Condition", "condition-1")],
        "description": "Therapy session at the clinic",
        "start": moment(day, 10),
        "end": moment(day, 10, 50),
        "minutesDuration": 50,
        "created": moment(day - timedelta(days=14), 12),
        "participant": [
            {"actor": chart.patient, "status": "accepted"},
            {"actor": chart.practitioner("clinician"), "status": "accepted"},
            {"actor": staff.location("sample-clinic"), "status": "accepted"},
        ],
    }
