"""Crisis and safety: the crisis contact, the safety plan, and incidents with their follow-up.

FHIR R4 encounter.html (class EMER), careplan.html, adverseevent.html. The safety plan has one activity an entry, in the
order of its sections; their names are the project's own and neutral, and the entries are written here.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples import people, staff
from bhr_api.samples.chart import Chart
from bhr_api.samples.datatypes import HL7, code_only, coded, coding, concept, identifier, moment, period, sample_code

SAFETY_PLAN: Final = concept(
    "Safety plan",
    coding(canonical.code_system("careplan-category"), "safety-plan", "Safety plan"),
    coding(canonical.LOINC, "87626-8", "Suicide prevention note"),
)
SECTIONS: Final = (
    ("internal-coping", "Put on headphones and walk round the block twice"),
    ("internal-coping", "Cold water on the wrists, then paced breathing"),
    ("social-distraction", "Sit in the day centre kitchen, where there is always somebody"),
    ("crisis-support", "Call my family member and say the agreed word"),
    ("professional-support", "Call the crisis walk-in; by day ask for my case manager"),
    ("professional-support", "Call or text 988 at any hour"),
    ("lethal-means-safety", "Staff keep the medicines locked and hand out one day at a time"),
    ("reason-for-living", "The dog, and the choir on Wednesdays"),
)
INCIDENTS: Final = (
    ("fall", "Slipped on the wet step; bruise on the left arm"),
    ("medication-error", "Evening dose handed out one hour late"),
    ("aggression-to-property", "Threw a cup at the wall; nobody hurt"),
    ("elopement", "Left the group outing alone; found at home after forty minutes"),
)


def add_crisis(chart: Chart, positives: Sequence[date]) -> None:
    """Adds a safety plan after a positive risk item, a crisis contact when things get worse, and some incidents."""
    if positives:
        chart.add("CarePlan", "safety-plan", _safety_plan(chart, positives[0]))
        if chart.story.trajectory == "worsening":
            chart.add("Encounter", "crisis", _crisis_contact(chart, positives[-1]))
    if chart.story.number % 3 == 0:
        _add_incident(chart)


def _safety_plan(chart: Chart, day: date) -> Resource:
    url = canonical.structure_definition("careplan-next-review")
    entries = (("warning-signs", chart.story.presentation.warning_sign.capitalize()), *SECTIONS)
    return {
        "contained": _contacts(chart),
        "extension": [{"url": url, "valueDate": (chart.story.today + timedelta(days=45)).isoformat()}],
        "status": "active",
        "intent": "plan",
        "category": [SAFETY_PLAN],
        "title": "Safety plan",
        "subject": chart.patient,
        "period": period(day),
        "created": day.isoformat(),
        "author": chart.patient,
        "contributor": [chart.practitioner("clinician")],
        "careTeam": [chart.refer("CareTeam", "team")],
        "addresses": [chart.refer("Condition", "condition-1")],
        "activity": [_entry(section, words) for section, words in entries],
    }


def _contacts(chart: Chart) -> list[Resource]:
    return [
        {
            "resourceType": "RelatedPerson",
            "id": "crisis-support",
            "patient": chart.patient,
            "name": [chart.story.relative.human_name],
            "telecom": [people.phone(chart.random)],
        },
        {
            "resourceType": "Organization",
            "id": "professional-support",
            "name": staff.LOCATION_NAMES["sample-crisis-room"],
            "telecom": [people.phone(chart.random, "work")],
        },
    ]


def _entry(section: str, words: str) -> Resource:
    detail: Resource = {
        "code": coded(canonical.code_system("safety-plan-section"), section, section.replace("-", " ").capitalize()),
        "status": "in-progress",
        "description": words,
    }
    if section in ("crisis-support", "professional-support"):
        detail["performer"] = [{"reference": f"#{section}"}]
    return {"detail": detail}


def _crisis_contact(chart: Chart, day: date) -> Resource:
    return {
        "identifier": [identifier("encounter", f"{chart.story.patient_id}-crisis")],
        "status": "finished",
        "class": coding(canonical.ACT_CODE, "EMER", "emergency"),
        "type": [sample_code("contact", "crisis", "Crisis contact")],
        "priority": coded(f"{HL7}/v3-ActPriority", "EM", "emergency"),
        "subject": chart.patient,
        "episodeOfCare": [chart.refer("EpisodeOfCare", "episode")],
        "participant": [{"individual": chart.practitioner(role)} for role in ("case-manager", "clinician")],
        "period": {"start": moment(day, 18, 20), "end": moment(day, 20, 5)},
        "reasonCode": [
            concept("Thoughts of self-harm, no plan; went home with the safety plan and a call next morning")
        ],
        "location": [{"location": staff.location("sample-crisis-room")}],
        "serviceProvider": chart.organization,
    }


def _add_incident(chart: Chart) -> None:
    code, words = INCIDENTS[chart.story.number // 3 % len(INCIDENTS)]
    day = chart.story.today - timedelta(days=chart.random.randrange(5, 120))
    kind = coded(canonical.code_system("incident-type"), code, code.replace("-", " ").capitalize())
    incident = chart.add(
        "AdverseEvent",
        "incident",
        {
            "identifier": identifier("incident", chart.story.patient_id),
            "actuality": "actual",
            "category": [kind],
            "event": concept(words),
            "subject": chart.patient,
            "date": moment(day, 17, 40),
            "detected": moment(day, 17, 45),
            "recordedDate": moment(day, 21),
            "seriousness": code_only(f"{HL7}/adverse-event-seriousness", "Non-serious"),
            "severity": code_only(f"{HL7}/adverse-event-severity", "mild"),
            "location": staff.location("sample-residence" if chart.story.lives_in_residence else "sample-day-centre"),
            "recorder": chart.practitioner("support-worker-1"),
        },
    )
    chart.add("Task", "incident", _incident_task(chart, incident, day))


def _incident_task(chart: Chart, incident: Resource, day: date) -> Resource:
    return {
        "status": "completed",
        "intent": "order",
        "priority": "urgent",
        "code": concept("Review of an incident"),
        "focus": incident,
        "for": chart.patient,
        "authoredOn": moment(day, 21),
        "lastModified": moment(day + timedelta(days=1), 9, 30),
        "requester": chart.practitioner("support-worker-1"),
        "owner": chart.practitioner("supervisor"),
        "restriction": {"period": {"end": moment(day + timedelta(days=1), 17, 45)}},
    }
