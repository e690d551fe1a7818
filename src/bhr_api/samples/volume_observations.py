"""What the Observations of a large store are about, and how often: scores, answers, vital signs, daily living."""

from dataclasses import dataclass
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples.datatypes import HL7, coded, coding, concept, sample_code
from bhr_api.samples.instruments import GAD_7, PHQ_9, Instrument
from bhr_api.samples.measurement import SURVEY

VITAL_SIGNS: Final = coded(f"{HL7}/observation-category", "vital-signs", "Vital Signs")
ACTIVITY: Final = coded(f"{HL7}/observation-category", "activity", "Activity")


@dataclass(frozen=True, slots=True)
class Measure:
    """A kind of Observation: `weight` of all, and either coded `answers` or whole numbers from `low` to `high`."""

    weight: float
    categories: list[Resource]
    code: Resource
    unit: Resource
    low: int = 0
    high: int = 0
    answers: tuple[Resource, ...] = ()
    instrument: Instrument | None = None
    reference_range: list[Resource] | None = None


def _unit(unit: str, code: str) -> Resource:
    return {"unit": unit, "system": canonical.UCUM, "code": code}


def _score(instrument: Instrument, weight: float) -> Measure:
    code = coded(canonical.LOINC, *instrument.total)
    return Measure(weight, [SURVEY], code, _unit("{score}", "{score}"), 0, instrument.maximum, instrument=instrument)


def _answer(instrument: Instrument, item: str) -> Measure:
    answers = tuple(coded(canonical.LOINC, *answer) for answer in instrument.answers(item))
    return Measure(1.5, [SURVEY], coded(canonical.LOINC, item, instrument.items[item]), {}, answers=answers)


def _vital_sign(code: str, display: str, unit: tuple[str, str], low: int, high: int) -> Measure:
    normal = {"low": {"value": low} | _unit(*unit), "high": {"value": high} | _unit(*unit), "text": "Usual range"}
    words = coded(canonical.LOINC, code, display)
    return Measure(3, [VITAL_SIGNS], words, _unit(*unit), low - 5, high + 20, reference_range=[normal])


def _daily_living(code: str, text: str, weight: float, high: int) -> Measure:
    return Measure(weight, [ACTIVITY], sample_code("measure", code, text), _unit("times", "{times}"), 0, high)


_RISK_LEVELS: Final = (("LA9194-7", "Low"), ("LA6751-7", "Moderate"), ("LA9193-9", "High"))

MEASURES: Final = (
    _score(PHQ_9, 11),
    _score(GAD_7, 9),
    *(_answer(PHQ_9, item) for item in PHQ_9.items),
    *(_answer(GAD_7, item) for item in GAD_7.items),
    _vital_sign("8867-4", "Heart rate", ("beats/minute", "/min"), 60, 100),
    _vital_sign("9279-1", "Respiratory rate", ("breaths/minute", "/min"), 12, 20),
    _vital_sign("29463-7", "Body weight", ("kg", "kg"), 50, 100),
    _daily_living("independent-routines", "Daily routines done without help", 12, 6),
    _daily_living("coping-skill-uses", "Coping skills used in a week", 10, 14),
    _daily_living("meals-eaten", "Meals eaten", 9, 4),
    _daily_living("sleep-hours", "Hours slept", 8, 12),
    _daily_living("behaviour-episodes", "Episodes of the agreed behaviour", 7, 9),
    # One in ten thousand: what a search by a rare code has to find.
    Measure(
        0.01,
        [SURVEY],
        concept("Suicide risk level", coding(canonical.LOINC, "93374-7")),
        {},
        answers=tuple(coded(canonical.LOINC, *level) for level in _RISK_LEVELS),
    ),
)
