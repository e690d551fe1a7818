"""What brings a client into care: the diagnosis, its usual treatment, and the words of the daily record.

ICD-10-CM and SNOMED CT codes for Condition.code, RxNorm ingredient codes for the medicines.
"""

from dataclasses import dataclass
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples.datatypes import coding, concept


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A diagnosis in both code systems, as (code, display)."""

    icd_10_cm: tuple[str, str]
    snomed_ct: tuple[str, str]

    @property
    def concept(self) -> Resource:
        """The diagnosis as Condition.code."""
        return concept(
            self.icd_10_cm[1],
            coding(canonical.ICD_10_CM, *self.icd_10_cm),
            coding(canonical.SNOMED_CT, *self.snomed_ct),
        )


@dataclass(frozen=True, slots=True)
class Medicine:
    """An RxNorm ingredient and its usual dose by mouth, once a day."""

    rxnorm: tuple[str, str]
    milligrams: int
    hour: int

    @property
    def concept(self) -> Resource:
        """The medicine as medicationCodeableConcept."""
        return concept(f"{self.rxnorm[1]} {self.milligrams} mg", coding(canonical.RXNORM, *self.rxnorm))


@dataclass(frozen=True, slots=True)
class Presentation:
    """A reason for care; `part_2` marks treatment in a programme under 42 CFR part 2."""

    diagnoses: tuple[Diagnosis, ...]
    medicine: Medicine
    warning_sign: str
    behaviour: str
    antecedent: str
    youth: bool = False
    part_2: bool = False

    @property
    def behaviour_code(self) -> str:
        """The code of the behaviour that staff count."""
        return self.behaviour.lower().replace(" ", "-")


_DEPRESSIVE: Final = ("35489007", "Depressive disorder")
_ANXIETY: Final = Diagnosis(("F41.1", "Generalized anxiety disorder"), ("21897009", "Generalized anxiety disorder"))
_RECURRENT_DEPRESSION: Final = Diagnosis(("F33.1", "Major depressive disorder, recurrent, moderate"), _DEPRESSIVE)

PRESENTATIONS: Final = (
    Presentation(
        diagnoses=(_RECURRENT_DEPRESSION, _ANXIETY),
        medicine=Medicine(("36437", "sertraline"), 50, 8),
        warning_sign="staying in bed past noon two days in a row",
        behaviour="Withdrawal from shared activities",
        antecedent="a cancelled family visit",
    ),
    Presentation(
        diagnoses=(_ANXIETY,),
        medicine=Medicine(("321988", "escitalopram"), 10, 8),
        warning_sign="checking the door and the stove again and again",
        behaviour="Repeated reassurance seeking",
        antecedent="an unopened letter from the landlord",
    ),
    Presentation(
        diagnoses=(
            Diagnosis(
                ("F43.10", "Post-traumatic stress disorder, unspecified"), ("47505003", "Posttraumatic stress disorder")
            ),
        ),
        medicine=Medicine(("36437", "sertraline"), 100, 8),
        warning_sign="three nights of nightmares and skipped meals",
        behaviour="Startle and leaving the room",
        antecedent="loud voices in the corridor",
    ),
    Presentation(
        diagnoses=(Diagnosis(("F31.9", "Bipolar disorder, unspecified"), ("13746004", "Bipolar disorder")),),
        medicine=Medicine(("6448", "lithium"), 600, 20),
        warning_sign="sleeping under four hours and starting many projects",
        behaviour="Raised voice towards housemates",
        antecedent="a change of the evening plan",
    ),
    Presentation(
        diagnoses=(Diagnosis(("F20.9", "Schizophrenia, unspecified"), ("58214004", "Schizophrenia")),),
        medicine=Medicine(("35636", "risperidone"), 2, 20),
        warning_sign="covering the windows and talking about being watched",
        behaviour="Answering voices in public",
        antecedent="a crowded bus",
    ),
    Presentation(
        diagnoses=(
            Diagnosis(
                ("F90.2", "Attention-deficit hyperactivity disorder, combined type"),
                ("406506008", "Attention deficit hyperactivity disorder"),
            ),
            _ANXIETY,
        ),
        medicine=Medicine(("6901", "methylphenidate"), 18, 7),
        warning_sign="leaving class and not answering messages",
        behaviour="Leaving the task before it is done",
        antecedent="homework with several steps",
        youth=True,
    ),
    Presentation(
        diagnoses=(
            Diagnosis(("F10.20", "Alcohol dependence, uncomplicated"), ("66590003", "Alcohol dependence")),
            _RECURRENT_DEPRESSION,
        ),
        medicine=Medicine(("7243", "naltrexone"), 50, 8),
        warning_sign="missing a support meeting and avoiding calls",
        behaviour="Strong urge to drink",
        antecedent="payday and an empty evening",
        part_2=True,
    ),
    Presentation(
        diagnoses=(Diagnosis(("F32.1", "Major depressive disorder, single episode, moderate"), _DEPRESSIVE),),
        medicine=Medicine(("4493", "fluoxetine"), 20, 8),
        warning_sign="not answering the phone and skipping showers",
        behaviour="Tearfulness during tasks",
        antecedent="reminders of the lost job",
    ),
)
