"""The project's canonical base and the code system URIs that FHIR R4 prints (terminologies-systems.html)."""

from typing import Final

CANONICAL_BASE: Final = "https://bhr-api.github.io/fhir"

LOINC: Final = "http://loinc.org"
SNOMED_CT: Final = "http://snomed.info/sct"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD_10_CM: Final = "http://hl7.org/fhir/sid/icd-10-cm"
UCUM: Final = "http://unitsofmeasure.org"
ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACT_REASON: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def questionnaire(key: str) -> str:
    """The canonical of the shipped Questionnaire of an instrument, such as `phq-9`."""
    return f"{CANONICAL_BASE}/Questionnaire/{key}"


def code_system(name: str) -> str:
    """The canonical of a shipped CodeSystem, such as `severity-band`."""
    return f"{CANONICAL_BASE}/CodeSystem/{name}"


def structure_definition(name: str) -> str:
    """The canonical of a shipped extension, such as `careplan-next-review`."""
    return f"{CANONICAL_BASE}/StructureDefinition/{name}"


def identifier_system(name: str) -> str:
    """The system of identifiers that the server itself gives out, such as `score`."""
    return f"{CANONICAL_BASE}/identifier/{name}"
