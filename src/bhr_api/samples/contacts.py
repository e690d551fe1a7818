"""The contacts of every week: shifts, sessions, their notes, the skills practised, the behaviours seen.

FHIR R4 encounter.html, documentreference.html, procedure.html, observation.html; notes are LOINC 34904-3 in the US Core
category `clinical-note`. A note by unlicensed staff is `preliminary` until a supervisor co-signs it.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples import staff
from bhr_api.samples.chart import Chart
from bhr_api.samples.datatypes import coded, coding, identifier, moment, plain_text, quantity, sample_code
from bhr_api.samples.measurement import SURVEY
from bhr_api.samples.notes import note_text

DAYS_BETWEEN_CONTACTS: Final = 11
DAYS_TO_COSIGN: Final = 14

SKILLS: Final = {
    "paced-breathing": "Paced breathing",
    "grounding": "Grounding through the five senses",
    "planned-activity": "Planning one pleasant activity",
    "thought-record": "Thought record",
    "sleep-routine": "Evening wind-down routine",
    "social-rehearsal": "Rehearsing a conversation",
    "drawing": "Drawing to music",
    "mindful-walk": "Mindful walk",
}

CONSEQUENCES: Final = (
    "Staff offered a quiet room and sat nearby",
    "Client used a coping skill after one prompt",
    "Staff named the feeling and suggested a short walk",
    "Client returned without a prompt",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of contact: where, by whom, from which hour and for how long."""

    code: str
    title: str
    encounter_class: tuple[str, str]
    role: str
    location: str | None
    hour: int
    minutes: int

    @property
    def is_by_unlicensed_staff(self) -> bool:
        """Whether the note needs a supervisor's signature."""
        return self.role.startswith(("support-worker", "peer"))


KINDS: Final = (
    Kind("home-shift", "Evening support shift", ("HH", "home health"), "support-worker-1", None, 16, 240),
    Kind("therapy", "Therapy session", ("AMB", "ambulatory"), "clinician", "sample-clinic", 10, 50),
    Kind("day-centre", "Day centre group", ("AMB", "ambulatory"), "support-worker-2", "sample-day-centre", 13, 120),
    Kind("overnight-shift", "Overnight support shift", ("HH", "home health"), "support-worker-2", None, 22, 540),
    Kind("video", "Video check-in", ("VR", "virtual"), "peer-specialist", None, 15, 30),
)


def add_contacts(chart: Chart) -> None:
    """Adds every contact since the intake, the latest at most eleven days ago."""
    day, number = chart.story.start + timedelta(days=9), 1
    while day < chart.story.today:
        _add_contact(chart, f"{number:02}", KINDS[number % len(KINDS)], day)
        day, number = day + timedelta(days=DAYS_BETWEEN_CONTACTS), number + 1


def _add_contact(chart: Chart, number: str, kind: Kind, day: date) -> None:
    encounter = chart.add("Encounter", f"contact-{number}", _encounter(chart, number, kind, day))
    skill = chart.random.choice(list(SKILLS))
    practised = chart.random.random() < 0.6
    if practised:
        chart.add("Procedure", f"skill-{number}", _skill(chart, kind, day, encounter, skill))
    text = note_text(chart.random, chart.story, day, (kind.code, kind.title), SKILLS[skill] if practised else None)
    chart.add("DocumentReference", f"note-{number}", _note(chart, kind, day, encounter, text))
    if kind.encounter_class[0] == "HH":
        chart.add("Observation", f"behaviour-{number}", _behaviour(chart, kind, day, encounter))


def _encounter(chart: Chart, number: str, kind: Kind, day: date) -> Resource:
    code, display = kind.encounter_class
    place = kind.location or ("sample-residence" if chart.story.lives_in_residence and code == "HH" else None)
    return {
        "identifier": [identifier("encounter", f"{chart.story.patient_id}-{number}")],
        "status": "finished",
        "class": coding(canonical.ACT_CODE, code, display),
        "type": [sample_code("contact", kind.code, kind.title)],
        "subject": chart.patient,
        "episodeOfCare": [chart.refer("EpisodeOfCare", "episode")],
        "participant": [{"individual": chart.practitioner(kind.role)}],
        "period": {"start": moment(day, kind.hour), "end": moment(day, kind.hour, kind.minutes)},
        "reasonReference": [chart.refer("Condition", "condition-1")],
        "serviceProvider": chart.organization,
    } | ({"location": [{"location": staff.location(place)}]} if place else {})


def _note(chart: Chart, kind: Kind, day: date, encounter: Resource, text: str) -> Resource:
    written = moment(day, kind.hour, kind.minutes + 10)
    is_unsigned = kind.is_by_unlicensed_staff and chart.story.today - day < timedelta(days=DAYS_TO_COSIGN)
    note: Resource = {
        "identifier": [identifier("note", encounter["reference"].removeprefix("Encounter/"))],
        "status": "current",
        "docStatus": "preliminary" if is_unsigned else "final",
        "type": coded(canonical.LOINC, "34904-3", "Mental health Progress note"),
        "category": [
            coded(
                "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
                "clinical-note",
                "Clinical Note",
            )
        ],
        "subject": chart.patient,
        "date": written,
        "author": [chart.practitioner(kind.role)],
        "custodian": chart.organization,
        "description": f"{kind.title}, progress note",
        "content": [{"attachment": plain_text(text, f"{kind.title}, {day.isoformat()}") | {"creation": written}}],
        "context": {
            "encounter": [encounter],
            "period": {"start": moment(day, kind.hour), "end": moment(day, kind.hour, kind.minutes)},
        },
    }
    if kind.is_by_unlicensed_staff and not is_unsigned:
        note["authenticator"] = chart.practitioner("supervisor")
    return note


def _skill(chart: Chart, kind: Kind, day: date, encounter: Resource, skill: str) -> Resource:
    return {
        "basedOn": [chart.refer("ServiceRequest", "support-order")],
        "status": "completed",
        "category": coded(canonical.SNOMED_CT, "409063005", "Counselling"),
        "code": sample_code("coping-skill", skill, SKILLS[skill]),
        "subject": chart.patient,
        "encounter": encounter,
        "performedPeriod": {"start": moment(day, kind.hour, 15), "end": moment(day, kind.hour, 30)},
        "performer": [{"actor": chart.practitioner(kind.role), "onBehalfOf": chart.organization}],
        "reasonReference": [chart.refer("Condition", "condition-1")],
    }


def _behaviour(chart: Chart, kind: Kind, day: date, encounter: Resource) -> Resource:
    presentation = chart.story.presentation
    episodes = min(6, max(0, chart.story.phq_9_around(day) // 5 + chart.random.choice((-1, 0, 1))))
    parts: dict[str, Resource] = {
        "antecedent": {"valueString": presentation.antecedent},
        "consequence": {"valueString": chart.random.choice(CONSEQUENCES)},
        "duration": {"valueQuantity": quantity(chart.random.randrange(3, 25), "min")},
    }
    return {
        "status": "final",
        "category": [SURVEY],
        "code": sample_code("behaviour", presentation.behaviour_code, presentation.behaviour),
        "subject": chart.patient,
        "encounter": encounter,
        "effectivePeriod": {"start": moment(day, kind.hour), "end": moment(day, kind.hour, kind.minutes)},
        "issued": moment(day, kind.hour, kind.minutes + 5),
        "performer": [chart.practitioner(kind.role)],
        "valueQuantity": quantity(episodes, "episodes", "{episodes}"),
    } | ({"component": _components(parts)} if episodes else {})


def _components(parts: dict[str, Resource]) -> list[Resource]:
    return [{"code": sample_code("behaviour", name, name.capitalize())} | value for name, value in parts.items()]
