"""Many plain resources, quickly, for benchmarks: the mix and the sizes of a community agency's store.

Of a million resources 720,000 are Observations, 20,000 Patients. The resources are valid FHIR R4 and refer to earlier
ones of the stream; they tell no story (for that see `generate`).
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from random import Random
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples import people, staff
from bhr_api.samples.care_plan import ASSESS_PLAN
from bhr_api.samples.contacts import CONSEQUENCES, KINDS
from bhr_api.samples.datatypes import EXAMPLE, HL7, code_only, coded, coding, concept, plain_text, quantity
from bhr_api.samples.generator import TODAY
from bhr_api.samples.goals import AIMS
from bhr_api.samples.instruments import BAND_TEXTS, GAD_7, PHQ_9, Instrument
from bhr_api.samples.notes import HEAVY, LIGHT, MIDDLING, NEXT, WORK
from bhr_api.samples.presentations import PRESENTATIONS
from bhr_api.samples.volume_observations import MEASURES, Measure

MIX_OF_A_MILLION: Final = {
    "Observation": 720_000,
    "Encounter": 80_000,
    "Condition": 60_000,
    "CarePlan": 40_000,
    "QuestionnaireResponse": 40_000,
    "Goal": 30_000,
    "Patient": 20_000,
    "Consent": 10_000,
}
DAYS_COVERED: Final = 1095
TEAMS: Final = 40


def mixed_resources(
    count: int, *, patients: int | None = None, seed: int = 1, today: date = TODAY
) -> Iterator[Resource]:
    """`count` resources: first `patients` Patients (one in fifty when None), then the other types, shuffled together.

    The same arguments give the same resources. Parts that many resources have in common, such as a category, are one
    object: copy before changing. References to staff are to the shared bundle of `generate` with 40 teams or more.
    """
    number_of_patients = max(1, count // 50) if patients is None else patients
    volume = Volume(Random(f"volume/{seed}"), number_of_patients, today)
    for number in range(min(count, number_of_patients)):
        yield volume.patient(number)
    writers: dict[str, Callable[[int], Resource]] = {
        "Observation": volume.observation,
        "Encounter": volume.encounter,
        "Condition": volume.condition,
        "CarePlan": volume.care_plan,
        "QuestionnaireResponse": volume.questionnaire_response,
        "Goal": volume.goal,
        "Consent": volume.consent,
    }
    deck = [writers[name] for name, share in MIX_OF_A_MILLION.items() if name in writers for _ in range(share // 1000)]
    Random(f"deck/{seed}").shuffle(deck)
    for number in range(count - number_of_patients):
        yield deck[number % len(deck)](number)


class Volume:
    """Writes one resource after the other, and remembers the latest of each type for each patient."""

    def __init__(self, random: Random, patients: int, today: date) -> None:
        self._random = random
        self._people = [people.person(random) for _ in range(200)]
        self._patients = [
            {"reference": f"Patient/{_patient_id(n)}", "display": self._people[n % 200].full_name}
            for n in range(patients)
        ]
        self._days = [(today - timedelta(days=days)).isoformat() for days in range(DAYS_COVERED)]
        self._workers = [staff.practitioner(team, role) for team in range(1, TEAMS + 1) for role in staff.ROLES]
        self._latest: dict[tuple[str, int], Resource] = {}

    def patient(self, number: int) -> Resource:
        """The Patient `number`, counted from 0."""
        random, somebody = self._random, self._people[number % 200]
        return {
            "resourceType": "Patient",
            "id": _patient_id(number),
            "identifier": [{"system": f"{EXAMPLE}/mrn", "value": f"V{number:07}"}],
            "active": True,
            "name": [somebody.human_name],
            "telecom": [people.phone(random)],
            "gender": somebody.gender,
            "birthDate": f"{1945 + number * 7 % 62}-{1 + number % 12:02}-{1 + number % 28:02}",
            "address": [people.address(random)],
            "generalPractitioner": [random.choice(self._workers)],
            "managingOrganization": _AGENCY,
        }

    def observation(self, number: int) -> Resource:
        """An Observation of one of about thirty codes, some common and one very rare."""
        random = self._random
        measure = random.choices(MEASURES, cum_weights=_CUMULATIVE_WEIGHTS)[0]
        patient, moment = self._patient_number(), self._moment()
        note = f"{random.choice(_MOODS)} {random.choice(CONSEQUENCES)}. {random.choice(_WORK)} {random.choice(NEXT)}"
        observation = self._new("Observation", number, patient) | {
            "identifier": [{"system": f"{EXAMPLE}/observation", "value": f"obs-{number:09}"}],
            "status": "final",
            "category": measure.categories,
            "code": measure.code,
            "subject": self._patients[patient],
            "effectiveDateTime": moment,
            "issued": moment,
            "performer": [random.choice(self._workers)],
            "note": [{"text": note}],
        }
        _set_value(observation, measure, random)
        self._link(observation, "encounter", "Encounter", patient)
        return observation

    def encounter(self, number: int) -> Resource:
        """An Encounter of one of the kinds of contact."""
        kind = self._random.choice(KINDS)
        patient, day = self._patient_number(), self._random.choice(self._days)
        start = f"{day}T{kind.hour:02}:00:00-07:00"
        encounter = self._new("Encounter", number, patient) | {
            "identifier": [{"system": f"{EXAMPLE}/encounter", "value": f"enc-{number:09}"}],
            "status": "finished",
            "class": coding(canonical.ACT_CODE, *kind.encounter_class),
            "type": [_KIND_CONCEPTS[kind.code]],
            "subject": self._patients[patient],
            "participant": [{"individual": self._random.choice(self._workers), "period": {"start": start}}],
            "period": {"start": start, "end": f"{day}T{kind.hour + 1:02}:30:00-07:00"},
            "reasonCode": [concept(self._random.choice(_WORK))],
            "location": [{"location": self._random.choice(_LOCATIONS)}],
            "serviceProvider": _AGENCY,
        }
        self._link(encounter, "reasonReference", "Condition", patient, many=True)
        return encounter

    def condition(self, number: int) -> Resource:
        """A Condition on the problem list."""
        random, patient, moment = self._random, self._patient_number(), self._moment()
        worker = random.choice(self._workers)
        return self._new("Condition", number, patient) | {
            "identifier": [{"system": f"{EXAMPLE}/condition", "value": f"con-{number:09}"}],
            "clinicalStatus": _ACTIVE if random.random() < 0.8 else _RESOLVED,
            "verificationStatus": _CONFIRMED,
            "category": [_PROBLEM],
            "code": random.choice(_DIAGNOSES),
            "subject": self._patients[patient],
            "onsetDateTime": moment[:10],
            "recordedDate": moment,
            "recorder": worker,
            "asserter": worker,
        }

    def goal(self, number: int) -> Resource:
        """A Goal with a measurable target."""
        random, patient, moment = self._random, self._patient_number(), self._moment()
        aim = random.choice(AIMS)
        bound = {"comparator": aim.comparator} | quantity(aim.target, *aim.unit)
        goal = self._new("Goal", number, patient) | {
            "lifecycleStatus": "active",
            "achievementStatus": random.choice(_ACHIEVEMENTS),
            "category": [_BEHAVIORAL],
            "description": concept(aim.description),
            "subject": self._patients[patient],
            "startDate": moment[:10],
            "target": [{"measure": aim.measure, "detailQuantity": bound, "dueDate": random.choice(self._days)}],
            "statusDate": moment[:10],
            "expressedBy": self._patients[patient],
        }
        self._link(goal, "addresses", "Condition", patient, many=True)
        return goal

    def care_plan(self, number: int) -> Resource:
        """A CarePlan with two activities."""
        random, patient, moment = self._random, self._patient_number(), self._moment()
        care_plan = self._new("CarePlan", number, patient) | {
            "extension": [{"url": _NEXT_REVIEW, "valueDate": random.choice(self._days)}],
            "status": random.choice(("active", "active", "active", "completed", "revoked")),
            "intent": "plan",
            "category": [ASSESS_PLAN],
            "title": "Individual care plan",
            "description": f"{random.choice(_WORK)} {random.choice(NEXT)}",
            "subject": self._patients[patient],
            "period": {"start": moment[:10]},
            "created": moment,
            "author": random.choice(self._workers),
            "activity": [self._activity(), self._activity()],
        }
        self._link(care_plan, "goal", "Goal", patient, many=True)
        self._link(care_plan, "addresses", "Condition", patient, many=True)
        return care_plan

    def questionnaire_response(self, number: int) -> Resource:
        """A completed PHQ-9 or GAD-7."""
        random, patient, moment = self._random, self._patient_number(), self._moment()
        instrument = random.choice((PHQ_9, GAD_7))
        response = self._new("QuestionnaireResponse", number, patient) | {
            "questionnaire": instrument.canonical,
            "status": "completed",
            "subject": self._patients[patient],
            "authored": moment,
            "author": random.choice(self._workers),
            "source": self._patients[patient],
            "item": [random.choice(answers) for answers in _ITEMS[instrument.key]],
        }
        self._link(response, "encounter", "Encounter", patient)
        return response

    def consent(self, number: int) -> Resource:
        """A Consent to use and disclose the record for treatment."""
        random, patient, moment = self._random, self._patient_number(), self._moment()
        provision = {
            "type": "permit" if random.random() < 0.9 else "deny",
            "period": {"start": moment[:10]},
            "actor": [{"role": _RECIPIENT, "reference": random.choice(_ORGANIZATIONS)}],
            "purpose": _PURPOSES,
            "securityLabel": [coding(canonical.CONFIDENTIALITY, random.choice("NNR"))],
        }
        return self._new("Consent", number, patient) | {
            "status": "active" if random.random() < 0.85 else "inactive",
            "scope": _PRIVACY,
            "category": [_PATIENT_CONSENT],
            "patient": self._patients[patient],
            "dateTime": moment,
            "performer": [self._patients[patient]],
            "organization": [_AGENCY],
            "sourceAttachment": _FORM,
            "policy": [{"uri": f"{EXAMPLE}/policy/privacy"}],
            "provision": provision,
        }

    def _activity(self) -> Resource:
        words = self._random.choice(_WORK)
        performer = self._random.choice(self._workers)
        return {"detail": {"status": "in-progress", "performer": [performer], "description": words}}

    def _patient_number(self) -> int:
        # A few clients have long records and many have short ones.
        return int(len(self._patients) * self._random.random() ** 1.5)

    def _moment(self) -> str:
        minute = int(self._random.random() * 1440)
        return f"{self._random.choice(self._days)}T{minute // 60:02}:{minute % 60:02}:00-07:00"

    def _new(self, resource_type: str, number: int, patient: int) -> Resource:
        resource_id = f"volume-{resource_type.lower()}-{number:08}"
        if resource_type in _REFERRED_TO:
            self._latest[resource_type, patient] = {"reference": f"{resource_type}/{resource_id}"}
        return {"resourceType": resource_type, "id": resource_id}

    def _link(self, resource: Resource, name: str, target: str, patient: int, *, many: bool = False) -> None:
        latest = self._latest.get((target, patient))
        if latest:
            resource[name] = [latest] if many else latest


def _patient_id(number: int) -> str:
    return f"volume-patient-{number:07}"


def _set_value(observation: Resource, measure: Measure, random: Random) -> None:
    if measure.answers:
        observation["valueCodeableConcept"] = random.choice(measure.answers)
        return
    value = random.randrange(measure.low, measure.high + 1)
    observation["valueQuantity"] = {"value": value} | measure.unit
    if measure.instrument:
        observation["interpretation"] = [_BANDS[measure.instrument.band(value)]]
    elif measure.reference_range:
        observation["referenceRange"] = measure.reference_range


def _item_answers(instrument: Instrument) -> list[list[Resource]]:
    return [
        [
            {"linkId": f"/{item}", "text": label, "answer": [{"valueCoding": coding(canonical.LOINC, *answer)}]}
            for answer in instrument.answers(item)
        ]
        for item, label in instrument.items.items()
    ]


_REFERRED_TO: Final = frozenset({"Encounter", "Condition", "Goal"})
_CUMULATIVE_WEIGHTS: Final = [sum(measure.weight for measure in MEASURES[: n + 1]) for n in range(len(MEASURES))]
_WORK: Final = [words for pool in WORK.values() for words in pool]
_MOODS: Final = [f"Client {mood}" for mood in (*LIGHT, *MIDDLING, *HEAVY)]
_AGENCY: Final = staff.organization(staff.AGENCY)
_ORGANIZATIONS: Final = [staff.organization(name) for name in staff.ORGANIZATION_NAMES]
_LOCATIONS: Final = [staff.location(name) for name in staff.LOCATION_NAMES]
_DIAGNOSES: Final = [diagnosis.concept for presentation in PRESENTATIONS for diagnosis in presentation.diagnoses]
_KIND_CONCEPTS: Final = {kind.code: coded(f"{EXAMPLE}/CodeSystem/contact", kind.code, kind.title) for kind in KINDS}
_ITEMS: Final = {instrument.key: _item_answers(instrument) for instrument in (PHQ_9, GAD_7)}
_BANDS: Final = {code: coded(canonical.code_system("severity-band"), code, text) for code, text in BAND_TEXTS.items()}
_ACTIVE: Final = code_only(f"{HL7}/condition-clinical", "active")
_RESOLVED: Final = code_only(f"{HL7}/condition-clinical", "resolved")
_CONFIRMED: Final = code_only(f"{HL7}/condition-ver-status", "confirmed")
_PROBLEM: Final = coded(f"{HL7}/condition-category", "problem-list-item", "Problem List Item")
_ACHIEVEMENTS: Final = [
    code_only(f"{HL7}/goal-achievement", code) for code in ("improving", "no-change", "worsening", "achieved")
]
_BEHAVIORAL: Final = code_only(f"{HL7}/goal-category", "behavioral")
_NEXT_REVIEW: Final = canonical.structure_definition("careplan-next-review")
_RECIPIENT: Final = code_only(f"{HL7}/v3-ParticipationType", "IRCP")
_PURPOSES: Final = [coding(canonical.ACT_REASON, code) for code in ("TREAT", "HPAYMT", "HOPERAT")]
_PRIVACY: Final = code_only(f"{HL7}/consentscope", "patient-privacy")
_PATIENT_CONSENT: Final = coded(canonical.LOINC, "59284-0", "Patient Consent")
_FORM: Final = plain_text("I agree that my care team uses my record to treat me.", "Signed form")
