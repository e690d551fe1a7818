"""Examples of US Core with one thing made wrong, and the one issue that this must give.

A row is (example, change, issue code, expression). A change is `-place` to take something away, or `place=JSON` to put it
there; a place one past the end of a list appends. The profiles are those that the example declares.
"""

from collections.abc import Iterator
from typing import NamedTuple


class Mutation(NamedTuple):
    version: str
    example: str
    change: str
    code: str
    expression: str

    @property
    def id(self) -> str:
        return f"{self.version}-{self.example}-{self.change[:120]}"


VITALS = '{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}'
EXAM = '{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"exam"}]}'
OTHER = '{"coding":[{"system":"http://example.org/codes","code":"other"}]}'
RACE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
BIRTH_SEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
UNKNOWN_MODIFIER = '[{"url":"http://example.org/negated","valueBoolean":true}]'
MOTHERS_NAME = '[{"url":"http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName","valueString":"Bone"}]'

_ROWS_OF_8 = (
    # Cardinality of elements.
    ("AllergyIntolerance-example", "-code", "required", "AllergyIntolerance.code"),
    ("CareTeam-example", "-subject", "required", "CareTeam.subject"),
    ("CareTeam-example", "-participant", "required", "CareTeam.participant"),
    ("CareTeam-example", "-participant[0].role", "required", "CareTeam.participant[0].role"),
    ("CareTeam-example", "-participant[2].member", "required", "CareTeam.participant[2].member"),
    ("Condition-condition-SDOH-example", "-category", "required", "Condition.category"),
    ("Condition-condition-SDOH-example", "-code", "required", "Condition.code"),
    ("Condition-encounter-diagnosis-example1", "-code", "required", "Condition.code"),
    ("Coverage-coverage-example", "-relationship", "required", "Coverage.relationship"),
    ("Device-udi-1", "-type", "required", "Device.type"),
    ("Device-udi-1", "-patient", "required", "Device.patient"),
    ("Device-udi-1", "-udiCarrier[0].deviceIdentifier", "required", "Device.udiCarrier[0].deviceIdentifier"),
    ("DiagnosticReport-cbc", "-subject", "required", "DiagnosticReport.subject"),
    ("DiagnosticReport-bone-density-report", "-category", "required", "DiagnosticReport.category"),
    ("DocumentReference-discharge-summary", "-type", "required", "DocumentReference.type"),
    ("DocumentReference-discharge-summary", "-subject", "required", "DocumentReference.subject"),
    ("DocumentReference-adi-dnr", "-category", "required", "DocumentReference.category"),
    ("Encounter-1036", "-type", "required", "Encounter.type"),
    ("Encounter-1036", "-subject", "required", "Encounter.subject"),
    ("Location-hl7east", "-name", "required", "Location.name"),
    ("Location-hl7east", "-type[0].coding[0].system", "required", "Location.type[0].coding[0].system"),
    ("Medication-uscore-med1", "-code", "required", "Medication.code"),
    ("MedicationDispense-medicationdispense-example", "-subject", "required", "MedicationDispense.subject"),
    ("Observation-10-minute-apgar-color", "-subject", "required", "Observation.subject"),
    ("Observation-ADI-example", "-subject", "required", "Observation.subject"),
    ("Observation-blood-pressure", "-effectiveDateTime", "required", "Observation.effective"),
    ("Observation-blood-pressure", "-category", "required", "Observation.category"),
    (
        "Observation-blood-pressure",
        "-component[0].valueQuantity.unit",
        "required",
        "Observation.component[0].value.ofType(Quantity).unit",
    ),
    ("Observation-heart-rate", "-valueQuantity.value", "required", "Observation.value.ofType(Quantity).value"),
    ("Observation-heart-rate", "-valueQuantity.code", "required", "Observation.value.ofType(Quantity).code"),
    ("Observation-pregnancy-intent", "-effectiveDateTime", "required", "Observation.effective"),
    ("Observation-pregnancy-status", "-valueCodeableConcept", "required", "Observation.value"),
    ("Observation-some-day-smoker", "-effectivePeriod", "required", "Observation.effective"),
    ("Observation-treatment-intervention-preference", "-subject", "required", "Observation.subject"),
    ("Organization-acme-lab", "-active", "required", "Organization.active"),
    ("Organization-acme-lab", "-name", "required", "Organization.name"),
    ("Patient-child-example", "-identifier", "required", "Patient.identifier"),
    ("Patient-child-example", "-identifier[0].system", "required", "Patient.identifier[0].system"),
    ("Patient-child-example", "-identifier[0].value", "required", "Patient.identifier[0].value"),
    ("Patient-child-example", "-name", "required", "Patient.name"),
    ("Patient-child-example", "-telecom[0].value", "required", "Patient.telecom[0].value"),
    ("Practitioner-practitioner-1", "-name", "required", "Practitioner.name"),
    ("Practitioner-practitioner-1", "-name[0].family", "required", "Practitioner.name[0].family"),
    ("Practitioner-practitioner-1", "-identifier[1].system", "required", "Practitioner.identifier[1].system"),
    ("Procedure-defib-implant", "-code", "required", "Procedure.code"),
    ("QuestionnaireResponse-AUDIT-C", "-questionnaire", "required", "QuestionnaireResponse.questionnaire"),
    ("QuestionnaireResponse-AUDIT-C", "-authored", "required", "QuestionnaireResponse.authored"),
    ("RelatedPerson-shaw-niece", "-active", "required", "RelatedPerson.active"),
    ("ServiceRequest-bmp", "-code", "required", "ServiceRequest.code"),
    ("Specimen-example-serum-lipemic", "-type", "required", "Specimen.type"),
    # Cardinality of slices.
    ("DiagnosticReport-cbc", "-category[0].coding[0].system", "required", "DiagnosticReport.category"),
    ("DiagnosticReport-cbc", f"category[0]={OTHER}", "required", "DiagnosticReport.category"),
    ("Observation-weight", "-category[0].coding[0].code", "required", "Observation.category"),
    ("Observation-weight", f"category[0]={EXAM}", "required", "Observation.category"),
    ("Observation-weight", f"category[1]={VITALS}", "structure", "Observation.category[1]"),
    ("Observation-temperature", f"category[0]={OTHER}", "required", "Observation.category"),
    ("Observation-10-minute-apgar-color", f"category[0]={EXAM}", "required", "Observation.category"),
    ("Observation-blood-pressure", f"component[0].code={OTHER}", "required", "Observation.component"),
    ("Observation-average-blood-pressure", "-component[0]", "required", "Observation.component"),
    ("Observation-average-blood-pressure", f"component[1].code={OTHER}", "required", "Observation.component"),
    ("Observation-oxygen-saturation", "-code.coding[1].code", "required", "Observation.code.coding"),
    ("Observation-oxygen-saturation", 'code.coding[1].code="59407-5"', "required", "Observation.code.coding"),
    ("Patient-child-example", "-extension[0].extension[1]", "required", "Patient.extension[0].extension"),
    (
        "Patient-child-example",
        f'extension[9]={{"url":"{RACE}","extension":[{{"url":"text","valueString":"again"}}]}}',
        "structure",
        "Patient.extension[3]",
    ),
    (
        "Patient-child-example",
        'extension[0].extension[2]={"url":"text","valueString":"again"}',
        "structure",
        "Patient.extension[0].extension[2]",
    ),
    (
        "MedicationRequest-medicationrequest-coded-oral-axid",
        "-extension[0].extension[1]",
        "required",
        "MedicationRequest.extension[0].extension",
    ),
    # Fixed values and patterns.
    ("Observation-weight", 'code.coding[0].code="29463-8"', "value", "Observation.code"),
    ("Observation-weight", "-code.coding[0].system", "value", "Observation.code"),
    ("Observation-height", f"code={OTHER}", "value", "Observation.code"),
    ("Observation-bmi", 'code={"text":"BMI"}', "value", "Observation.code"),
    ("Observation-heart-rate", 'code.coding[0].system="http://loinc.com"', "value", "Observation.code"),
    ("Observation-temperature", 'code.coding[0].code="8310-6"', "value", "Observation.code"),
    ("Observation-blood-pressure", f"code={OTHER}", "value", "Observation.code"),
    ("Observation-pregnancy-status", f"code={OTHER}", "value", "Observation.code"),
    ("Observation-pregnancy-intent", 'code.coding[0].code="86645-0"', "value", "Observation.code"),
    ("Observation-treatment-intervention-preference", f"code={OTHER}", "value", "Observation.code"),
    ("Observation-care-experience-preference", f"code={OTHER}", "value", "Observation.code"),
    ("Observation-heart-rate", 'valueQuantity.code="{beats}/min"', "value", "Observation.value.ofType(Quantity).code"),
    (
        "Observation-heart-rate",
        'valueQuantity.system="http://example.org/units"',
        "value",
        "Observation.value.ofType(Quantity).system",
    ),
    (
        "Observation-average-blood-pressure",
        'component[1].valueQuantity.code="kPa"',
        "value",
        "Observation.component[1].value.ofType(Quantity).code",
    ),
    (
        "Observation-blood-pressure",
        'component[0].valueQuantity.system="http://example.org/units"',
        "value",
        "Observation.component[0].value.ofType(Quantity).system",
    ),
    # Types of choices.
    (
        "Observation-heart-rate",
        'effectiveTiming={"event":["2024-01-01"]}',
        "structure",
        "Observation.effective.ofType(Timing)",
    ),
    (
        "Observation-some-day-smoker",
        'effectiveInstant="2024-01-01T00:00:00Z"',
        "structure",
        "Observation.effective.ofType(instant)",
    ),
    ("Observation-pregnancy-status", 'valueString="pregnant"', "structure", "Observation.value.ofType(string)"),
    ("Observation-pregnancy-intent", "valueBoolean=true", "structure", "Observation.value.ofType(boolean)"),
    ("Observation-observation-occupation", 'valueString="clerk"', "structure", "Observation.value.ofType(string)"),
    (
        "Patient-child-example",
        "extension[2].valueBoolean=true",
        "structure",
        "Patient.extension[2].value.ofType(boolean)",
    ),
    (
        "Patient-child-example",
        'extension[0].extension[1].valueCode="white"',
        "structure",
        "Patient.extension[0].extension[1].value.ofType(code)",
    ),
    # Prohibited elements.
    # Required bindings.
    ("Observation-some-day-smoker", 'status="registered"', "code-invalid", "Observation.status"),
    ("DocumentReference-discharge-summary", 'type={"text":"a summary"}', "code-invalid", "DocumentReference.type"),
    (
        "Patient-child-example",
        "-extension[0].extension[0].valueCoding.code",
        "code-invalid",
        "Patient.extension[0].extension[0].value.ofType(Coding)",
    ),
    ("Observation-pack-years-example", "-valueQuantity.code", "code-invalid", "Observation.value.ofType(Quantity)"),
    # Targets of references.
    ("Observation-weight", 'subject={"reference":"Device/scale"}', "value", "Observation.subject"),
    ("Observation-blood-pressure", 'subject={"reference":"Group/family"}', "value", "Observation.subject"),
    # Invariants.
    ("DiagnosticReport-cbc", "-effectiveDateTime", "invariant", "DiagnosticReport"),
    ("DiagnosticReport-cbc", "-issued", "invariant", "DiagnosticReport"),
    ("DiagnosticReport-bone-density-report", "-effectiveDateTime", "invariant", "DiagnosticReport"),
    (
        "DocumentReference-discharge-summary",
        "-content[0].attachment.data",
        "invariant",
        "DocumentReference.content[0].attachment",
    ),
    ("MedicationDispense-medicationdispense-example", "-whenHandedOver", "invariant", "MedicationDispense"),
    ("MedicationRequest-medicationrequest-coded-oral-axid", "-requester", "invariant", "MedicationRequest"),
    ("Observation-10-minute-apgar-color", "-valueCodeableConcept", "invariant", "Observation"),
    ("Observation-weight", "-valueQuantity", "invariant", "Observation"),
    ("Observation-blood-pressure", "-component[1].valueQuantity", "invariant", "Observation.component[1]"),
    ("Observation-average-blood-pressure", "-component[2].valueQuantity", "invariant", "Observation.component[2]"),
    ("Observation-weight", 'effectiveDateTime="2024"', "invariant", "Observation.effective.ofType(dateTime)"),
    (
        "Observation-cbc-hemoglobin",
        'effectiveDateTime="2024-05"',
        "invariant",
        "Observation.effective.ofType(dateTime)",
    ),
    (
        "Observation-cbc-hemoglobin",
        'valueQuantity.system="http://example.org"',
        "invariant",
        "Observation.value.ofType(Quantity)",
    ),
    (
        "Observation-some-day-smoker",
        'valueQuantity={"value":1,"system":"http://unitsofmeasure.org","code":"{PackYears}"}',
        "invariant",
        "Observation",
    ),
    ("Organization-acme-lab", "-identifier[1].value", "invariant", "Organization.identifier[1]"),
    ("Organization-acme-lab", 'identifier[1].value="12"', "invariant", "Organization.identifier[1]"),
    ("Practitioner-practitioner-1", 'identifier[0].value="9941339101"', "invariant", "Practitioner.identifier[0]"),
    ("Procedure-defib-implant", "-performedPeriod", "invariant", "Procedure"),
    # Extensions.
    ("Patient-child-example", f"modifierExtension={UNKNOWN_MODIFIER}", "extension", "Patient.modifierExtension[0]"),
    ("Observation-weight", f"modifierExtension={UNKNOWN_MODIFIER}", "extension", "Observation.modifierExtension[0]"),
    (
        "Observation-blood-pressure",
        f"component[0].modifierExtension={UNKNOWN_MODIFIER}",
        "extension",
        "Observation.component[0].modifierExtension[0]",
    ),
    (
        "Patient-child-example",
        f'contact=[{{"modifierExtension":{UNKNOWN_MODIFIER},"name":{{"text":"x"}}}}]',
        "extension",
        "Patient.contact[0].modifierExtension[0]",
    ),
    ("Observation-weight", f"extension={MOTHERS_NAME}", "extension", "Observation.extension[0]"),
    ("Patient-child-example", f"name[0].extension={MOTHERS_NAME}", "extension", "Patient.name[0].extension[0]"),
    (
        "Patient-child-example",
        f'_birthDate={{"extension":{MOTHERS_NAME}}}',
        "extension",
        "Patient.birthDate.extension[0]",
    ),
    ("Patient-child-example", f"modifierExtension={MOTHERS_NAME}", "extension", "Patient.modifierExtension[0]"),
    (
        "Observation-weight",
        f'extension=[{{"url":"{BIRTH_SEX}","valueCode":"F"}}]',
        "extension",
        "Observation.extension[0]",
    ),
    (
        "Patient-child-example",
        '_birthDate={"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime","valueString":"noon"}]}',
        "structure",
        "Patient.birthDate.extension[0].value.ofType(string)",
    ),
)

_ROWS_OF_6 = (
    ("Encounter-1036", 'subject={"reference":"Group/family"}', "value", "Encounter.subject"),
    ("CareTeam-example", 'subject={"reference":"Group/family"}', "value", "CareTeam.subject"),
    ("CarePlan-colonoscopy", 'subject={"reference":"http://example.org/fhir/Group/1"}', "value", "CarePlan.subject"),
    ("Goal-goal-1", 'subject={"reference":"Organization/1"}', "value", "Goal.subject"),
    ("Condition-condition-SDOH-example", 'subject={"reference":"Group/1"}', "value", "Condition.subject"),
    ("ServiceRequest-rehab", 'subject={"type":"Device","identifier":{"value":"1"}}', "value", "ServiceRequest.subject"),
    ("Procedure-defib-implant", 'subject={"reference":"Group/1"}', "value", "Procedure.subject"),
    (
        "QuestionnaireResponse-phq-9-example",
        'subject={"reference":"Device/1"}',
        "value",
        "QuestionnaireResponse.subject",
    ),
    ("DocumentReference-discharge-summary", 'subject={"reference":"Group/1"}', "value", "DocumentReference.subject"),
    ("Patient-example", "-gender", "required", "Patient.gender"),
    ("Observation-blood-pressure", "-subject", "required", "Observation.subject"),
    ("CarePlan-colonoscopy", 'text.status="extensions"', "code-invalid", "CarePlan.text.status"),
    ("Practitioner-practitioner-1", "-identifier", "required", "Practitioner.identifier"),
    ("Encounter-example-1", "-type", "required", "Encounter.type"),
    ("Observation-heart-rate", 'valueQuantity.code="1/min"', "value", "Observation.value.ofType(Quantity).code"),
)

_ROWS_OF_7 = (
    ("Observation-blood-pressure", f"component[1].code={OTHER}", "required", "Observation.component"),
    ("Observation-weight", f"category[0]={EXAM}", "required", "Observation.category"),
    ("Coverage-coverage-example", "-relationship", "required", "Coverage.relationship"),
    ("Specimen-specimen-example-serum", "-type", "required", "Specimen.type"),
    ("RelatedPerson-shaw-niece", "-active", "required", "RelatedPerson.active"),
)


def _of(version: str, rows: tuple[tuple[str, str, str, str], ...]) -> Iterator[Mutation]:
    return (Mutation(version, *row) for row in rows)


MUTATIONS = (*_of("8.0.0", _ROWS_OF_8), *_of("6.1.0", _ROWS_OF_6), *_of("7.0.0", _ROWS_OF_7))
