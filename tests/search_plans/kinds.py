"""Every kind of query, with the most rows and index entries that its plans may look at in the largest tenant.

There are 17,280 Observations in that tenant, 118 of them in the longest record that is asked for. A page is of 20.
"""

from dataclasses import dataclass
from typing import Literal

from bhr_api.fhir import canonical

PHQ9, GAD7, RARE = (f"{canonical.LOINC}|{code}" for code in ("44261-6", "70274-6", "93374-7"))
SURVEY = "http://terminology.hl7.org/CodeSystem/observation-category|survey"
PATIENT = "volume-patient-0000003"
MARCH = "date=ge2025-03-01&date=lt2025-04-01"
Caller = Literal["system", "patient"]

# What a kind may look at.
PAGE = 100
"""A page and what it passes over, in an index of the right order."""
RECORD = 300
"""The record of a patient."""
EACH_TYPE = 600
"""A page of each type that the tenant has."""
SHORT = 8_000
"""All that has a value which is not heavy: up to 2,000 resources, each found by an index or two and looked at."""
ALL = 18_000
"""Every Observation once: an accurate count of what no index is ordered by."""
# Dearer than they ought to be.
COMBINED = 36_000
"""A union of two parameters, of which a bitmap is made with all entries of the type."""
STEP_BY_STEP = 16_000
"""A hierarchy of which each step looks through all places."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A query by its path and parameters; `bound` is of all its statements together."""

    name: str
    path: str
    parameters: str
    bound: int
    caller: Caller = "system"


def _search(name: str, resource_type: str, parameters: str, bound: int, caller: Caller = "system") -> Kind:
    return Kind(name, resource_type, f"{parameters}&_count=20", bound, caller)


KINDS = (
    # A patient's record.
    _search("patient", "Observation", f"patient={PATIENT}", RECORD),
    _search("patient, newest first", "Observation", f"patient={PATIENT}&_sort=-date", PAGE),
    _search("patient and code", "Observation", f"patient={PATIENT}&code={PHQ9}&_sort=-date", RECORD),
    _search(
        "patient, category, month", "Observation", f"patient={PATIENT}&category={SURVEY}&{MARCH}&_sort=-date", RECORD
    ),
    _search("patient's own token", "Observation", f"code={PHQ9}", RECORD, "patient"),
    _search("compartment", f"Patient/{PATIENT}/Condition", "", RECORD),
    _search("compartment by several parameters", f"Patient/{PATIENT}/Observation", "", RECORD),
    _search("count of a compartment", f"Patient/{PATIENT}/Observation", "_summary=count", RECORD),
    # token
    _search("ordered code", "Observation", f"code={PHQ9}&_sort=-date", PAGE),
    _search("ordered code, newest created", "Observation", f"code={PHQ9}", PAGE),
    _search("ordered code, month", "Observation", f"code={PHQ9}&{MARCH}&_sort=-date", PAGE),
    _search("two ordered codes", "Observation", f"code={PHQ9},{GAD7}&_sort=-date", PAGE),
    _search("rare code", "Observation", f"code={RARE}", PAGE),
    _search("absent code", "Observation", "code=http://loinc.org|nothing", PAGE),
    _search("code without system", "Observation", "code=44261-6&_sort=-date", PAGE),
    _search("heavy category", "Observation", f"category={SURVEY}", PAGE),
    _search("heavy category and status", "Observation", f"category={SURVEY}&status=final", PAGE),
    _search("heavy and rare", "Observation", f"category={SURVEY}&code={RARE}", PAGE),
    _search("identifier", "Observation", "identifier=obs-000000123", PAGE),
    _search("not", "Observation", "code:not=44261-6", PAGE),
    _search("missing", "Observation", "encounter:missing=true", SHORT),
    _search("not missing", "Observation", "encounter:missing=false", PAGE),
    _search("token text", "Observation", f"patient={PATIENT}&code:text=PHQ", RECORD),
    _search("in a value set", "Encounter", "class:in=http://terminology.hl7.org/ValueSet/v3-ActEncounterCode", SHORT),
    _search(
        "below a code",
        "Encounter",
        "class:below=http://terminology.hl7.org/CodeSystem/v3-ActCode|_ActEncounterCode",
        SHORT,
    ),
    _search(
        "not in a value set", "Encounter", "class:not-in=http://terminology.hl7.org/ValueSet/v3-ActEncounterCode", SHORT
    ),
    _search(
        "identifier of a type",
        "Patient",
        "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|V0000003",
        PAGE,
    ),
    _search("profile", "Observation", "_profile=http://example.org/nothing", PAGE),
    _search("tag", "Observation", "_tag=nothing", PAGE),
    # string
    _search("name prefix", "Patient", "name=So", RECORD),
    _search("name exact", "Patient", "family:exact=Nobody", PAGE),
    _search("name contains", "Patient", "name:contains=ar", SHORT),
    _search("phonetic", "Patient", "phonetic=Smith", SHORT),
    # date
    _search("one day, everybody", "Observation", "date=2025-03-03", PAGE),
    _search("one month, everybody", "Observation", MARCH, PAGE),
    _search("another date", "Goal", "target-date=2025-03-03", PAGE),
    _search("changed since", "Observation", "_lastUpdated=gt2020-01-01", PAGE),
    _search("changed before", "Observation", "_lastUpdated=lt2020-01-01", PAGE),
    # number, quantity, composite
    _search("number", "RiskAssessment", "probability=gt0.8", PAGE),
    _search("quantity", "Observation", "value-quantity=ge25", SHORT),
    _search("quantity of a unit", "Observation", "value-quantity=ge25||{score}", SHORT),
    _search("quantity and code", "Observation", f"code={PHQ9}&value-quantity=ge25", SHORT),
    _search("composite", "Observation", f"code-value-quantity={PHQ9}$ge25", SHORT),
    _search("composite of components", "Observation", f"component-code-value-quantity={PHQ9}$ge25", PAGE),
    _search("combined composite", "Observation", f"combo-code-value-quantity={PHQ9}$ge25", COMBINED),
    # reference, uri
    _search("performer", "Observation", "performer=Practitioner/sample-team-03-clinician", SHORT),
    _search("encounter", "Observation", "encounter=Encounter/volume-encounter-00000100", PAGE),
    _search("reference by identifier", "Observation", "subject:identifier=nothing", PAGE),
    _search(
        "canonical", "QuestionnaireResponse", "questionnaire=https://bhr-api.github.io/fhir/Questionnaire/phq-9", PAGE
    ),
    _search("uri", "Questionnaire", "url=http://example.org/forms/2/Questionnaire/2", RECORD),
    _search("uri below", "Questionnaire", "url:below=http://example.org/forms/2", RECORD),
    _search("id", "Patient", f"_id={PATIENT}", PAGE),
    # chains
    _search("chain by name", "Observation", "subject:Patient.name=So", SHORT),
    _search("chain by identifier", "Observation", "patient.identifier=V0000003", SHORT),
    _search("chain and code", "Observation", f"code={PHQ9}&patient.name=So", SHORT),
    _search("chain over two", "Observation", "patient.general-practitioner:Practitioner.name=So", SHORT),
    _search("has a rare one", "Patient", f"_has:Observation:patient:code={RARE}", PAGE),
    _search("has a common one", "Patient", f"_has:Observation:patient:code={PHQ9}&gender=female", SHORT),
    _search("has in has", "Patient", f"_has:Encounter:patient:_has:Observation:encounter:code={RARE}", RECORD),
    _search("list", "Patient", "_list=list-3", PAGE),
    _search("hierarchy of places", "Encounter", "location:below=Location/sample-clinic", STEP_BY_STEP),
    _search("hierarchy of organizations", "Encounter", "service-provider:below=Organization/sample-agency", RECORD),
    _search("above a place", "Encounter", "location:above=Location/place-100", SHORT),
    # includes
    _search("include", "CarePlan", f"patient={PATIENT}&_include=CarePlan:goal", PAGE),
    _search("include of everybody", "Observation", f"code={PHQ9}&_include=Observation:subject", RECORD),
    _search("revinclude", "Patient", f"_id={PATIENT}&_revinclude=Condition:patient", RECORD),
    _search(
        "include on and on",
        "CarePlan",
        f"patient={PATIENT}&_include=CarePlan:goal&_include:iterate=Goal:addresses",
        RECORD,
    ),
    _search(
        "everything that refers",
        "Encounter",
        "_id=volume-encounter-00000100&_revinclude=Observation:*&_include=*",
        RECORD,
    ),
    # sorts and counts
    _search("everything", "Observation", "", PAGE),
    _search("everything, last changed", "Observation", "_sort=-_lastUpdated", PAGE),
    _search("everything by date", "Observation", "_sort=date", PAGE),
    _search("everything by id", "Observation", "_sort=_id", PAGE),
    _search("patients by name", "Patient", "_sort=family", SHORT),
    _search("record by status", "Observation", f"patient={PATIENT}&_sort=status", RECORD),
    _search("record by code and date", "Observation", f"patient={PATIENT}&_sort=code,-date", RECORD),
    _search("record by value", "Observation", f"patient={PATIENT}&_sort=-value-quantity", RECORD),
    _search("count of a code", "Observation", f"code={PHQ9}&_summary=count", SHORT),
    _search("count of a category", "Observation", f"category={SURVEY}&_summary=count", ALL),
    _search("count of a record", "Observation", f"patient={PATIENT}&_total=accurate", RECORD),
    _search("estimate", "Observation", f"category={SURVEY}&_total=estimate", ALL),
    # text, places
    _search("content of a record", "Observation", f"patient={PATIENT}&_content=sleep", RECORD),
    _search("narrative of a record", "Observation", f"patient={PATIENT}&_text=sleep", RECORD),
    _search("near", "Location", "near=35.1|-106.6|5|km", RECORD),
    # history
    Kind("history of a resource", f"Patient/{PATIENT}/_history", "", PAGE),
    Kind("history of a type", "Observation/_history", "_count=20", PAGE),
    Kind("history of all", "_history", "_count=20", EACH_TYPE),
    Kind("history since", "_history", "_since=2020-01-01&_count=20", EACH_TYPE),
    Kind("history at", "Observation/_history", "_at=2020&_count=20", SHORT),
    # audit
    _search("audit", "AuditEvent", "", PAGE),
    _search("audit of a day", "AuditEvent", "date=ge2020-01-01", PAGE),
    _search("audit of a patient", "AuditEvent", f"patient={PATIENT}", SHORT),
    _search("audit of a resource", "AuditEvent", f"entity=Patient/{PATIENT}", SHORT),
    _search("audit of updates", "AuditEvent", "action=U", PAGE),
)
