"""PHQ-9 and GAD-7 as the samples use them: items, answers, bands, and their Questionnaires.

Codes: LOINC panels 44249-1 and 69737-5 with their answer lists LL358-3 and LL359-1. Bands: Kroenke 2001, J Gen Intern
Med 16:606 (PHQ-9); Spitzer 2006, Arch Intern Med 166:1092 (GAD-7). Both instruments may be reproduced, translated,
displayed and distributed without permission (Pfizer). Items carry short labels, not the printed wording.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples.datatypes import coding

ORDINAL_VALUE: Final = "http://hl7.org/fhir/StructureDefinition/ordinalValue"

FREQUENCY: Final = (
    ("LA6568-5", "Not at all"),
    ("LA6569-3", "Several days"),
    ("LA6570-1", "More than half the days"),
    ("LA6571-9", "Nearly every day"),
)
# LOINC words the third answer of GAD-7 item 2 in its own way, under its own code.
WORRY_FREQUENCY: Final = (*FREQUENCY[:2], ("LA18938-3", "More days than not"), FREQUENCY[3])
DIFFICULTY: Final = (
    ("LA6572-7", "Not difficult at all"),
    ("LA6573-5", "Somewhat difficult"),
    ("LA6575-0", "Very difficult"),
    ("LA6574-3", "Extremely difficult"),
)
DIFFICULTY_ITEM: Final = "69722-7"
SUICIDE_ITEM: Final = "44260-8"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A scored questionnaire: `items` maps LOINC codes to labels, `bands` lowest scores to band codes, downwards."""

    key: str
    title: str
    panel: tuple[str, str]
    total: tuple[str, str]
    maximum: int
    items: Mapping[str, str]
    bands: Sequence[tuple[int, str]]
    asks_difficulty: bool

    def band(self, score: int) -> str:
        """The severity band code of a total `score`."""
        return next(code for lowest, code in self.bands if score >= lowest)

    def answers(self, item: str) -> Sequence[tuple[str, str]]:
        """The answer codes of `item`, in the order of their scores 0 to 3."""
        return WORRY_FREQUENCY if item == "68509-9" else FREQUENCY

    @property
    def canonical(self) -> str:
        """The canonical of the Questionnaire."""
        return canonical.questionnaire(self.key)


PHQ_9: Final = Instrument(
    key="phq-9",
    title="PHQ-9 depression questionnaire",
    panel=("44249-1", "PHQ-9 quick depression assessment panel [Reported.PHQ]"),
    total=("44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]"),
    maximum=27,
    items={
        "44250-9": "Little interest or pleasure",
        "44255-8": "Down, depressed or hopeless",
        "44259-0": "Trouble with sleep",
        "44254-1": "Tired or little energy",
        "44251-7": "Appetite",
        "44258-2": "Feeling bad about self",
        "44252-5": "Trouble concentrating",
        "44253-3": "Slow or restless",
        SUICIDE_ITEM: "Thoughts of being better off dead or of self-harm",
    },
    bands=((20, "severe"), (15, "moderately-severe"), (10, "moderate"), (5, "mild"), (0, "minimal")),
    asks_difficulty=True,
)

GAD_7: Final = Instrument(
    key="gad-7",
    title="GAD-7 anxiety questionnaire",
    panel=("69737-5", "Generalized anxiety disorder 7 item (GAD-7)"),
    total=("70274-6", "Generalized anxiety disorder 7 item (GAD-7) total score [Reported.PHQ]"),
    maximum=21,
    items={
        "69725-0": "Nervous or on edge",
        "68509-9": "Not able to stop worrying",
        "69733-4": "Worrying too much",
        "69734-2": "Trouble relaxing",
        "69735-9": "Restless",
        "69689-8": "Easily annoyed or irritable",
        "69736-7": "Afraid",
    },
    bands=((15, "severe"), (10, "moderate"), (5, "mild"), (0, "minimal")),
    asks_difficulty=False,
)

BAND_TEXTS: Final = {
    "minimal": "Minimal",
    "mild": "Mild",
    "moderate": "Moderate",
    "moderately-severe": "Moderately severe",
    "severe": "Severe",
}


def questionnaire(instrument: Instrument) -> Resource:
    """The coded Questionnaire of `instrument`, with the score of every answer."""
    return {
        "resourceType": "Questionnaire",
        "id": instrument.key,
        "url": instrument.canonical,
        "version": "1.0.0",
        "name": instrument.key.upper().replace("-", ""),
        "title": instrument.title,
        "status": "active",
        "experimental": False,
        "subjectType": ["Patient"],
        "date": "2026-01-01",
        "publisher": "bhr_api",
        "copyright": (
            "PHQ-9 and GAD-7: no permission required to reproduce, translate, display or distribute. Codes: LOINC, "
            "copyright Regenstrief Institute, Inc. and the LOINC Committee, free under https://loinc.org/license."
        ),
        "code": [coding(canonical.LOINC, *instrument.panel)],
        "item": list(_items(instrument)),
    }


def _items(instrument: Instrument) -> Iterator[Resource]:
    for code, label in instrument.items.items():
        yield _choice(code, label, instrument.answers(code), required=True)
    if instrument.asks_difficulty:
        item = _choice(DIFFICULTY_ITEM, "How difficult the problems make daily life", DIFFICULTY, required=False)
        yield item


def _choice(code: str, label: str, answers: Sequence[tuple[str, str]], *, required: bool) -> Resource:
    return {
        "linkId": f"/{code}",
        "code": [coding(canonical.LOINC, code)],
        "text": label,
        "type": "choice",
        "required": required,
        "answerOption": [_option(answer, score if required else None) for score, answer in enumerate(answers)],
    }


def _option(answer: tuple[str, str], score: int | None) -> Resource:
    value = coding(canonical.LOINC, *answer)
    if score is None:
        return {"valueCoding": value}
    return {"extension": [{"url": ORDINAL_VALUE, "valueDecimal": score}], "valueCoding": value}
