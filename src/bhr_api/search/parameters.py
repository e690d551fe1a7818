"""The search parameters that are served: R4's own, and the project's additions (DOMAIN b.4; docs/search.md)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from zlib import crc32

from bhr_api.fhir.definitions import (
    RESOURCE_TYPE_NUMBERS,
    SEARCH_PARAMETERS,
    SearchParameter,
    elements_of,
    is_type,
)
from bhr_api.fhirpath.extraction import compile_extractor
from bhr_api.search.project_parameters import PROJECT_PARAMETERS

Extractor = Callable[..., list[tuple[str, Any]]]

# The date that clinicians sort a type by: it stands in the row itself, beside the patient.
MAIN_DATES: Mapping[str, str] = {
    "AdverseEvent": "date",
    "AllergyIntolerance": "date",
    "Appointment": "date",
    "AuditEvent": "date",
    "CarePlan": "date",
    "CareTeam": "date",
    "Claim": "created",
    "ClinicalImpression": "date",
    "Communication": "sent",
    "CommunicationRequest": "authored",
    "Composition": "date",
    "Condition": "recorded-date",
    "Consent": "date",
    "DetectedIssue": "identified",
    "DiagnosticReport": "date",
    "DocumentReference": "date",
    "Encounter": "date",
    "EpisodeOfCare": "date",
    "ExplanationOfBenefit": "created",
    "Flag": "date",
    "Goal": "start-date",
    "Immunization": "date",
    "List": "date",
    "MedicationAdministration": "effective-time",
    "MedicationDispense": "whenhandedover",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective",
    "Observation": "date",
    "Patient": "birthdate",
    "Procedure": "date",
    "Provenance": "recorded",
    "QuestionnaireResponse": "authored",
    "RiskAssessment": "date",
    "ServiceRequest": "authored",
    "Task": "authored-on",
}

# Lists of a whole population by one of these get posting rows.
ORDERED = frozenset(
    {
        ("Observation", "code"),
        ("Condition", "code"),
        ("Procedure", "code"),
        ("CarePlan", "category"),
        ("QuestionnaireResponse", "questionnaire"),
    }
)

# Types that may be about several patients at once: the row's patient column does not answer for their parameters.
_SEVERAL_PATIENTS = frozenset({"Account", "Appointment", "AuditEvent", "Contract", "Person", "Provenance"})
_PATIENT_CODES = frozenset({"patient", "subject", "beneficiary"})

# Answered from columns of the row, or not from the row at all: they leave no index values of their own.
ROW_PARAMETERS = frozenset({"_id", "_lastUpdated"})
# Refused by name until they are served (docs/search.md).
NOT_SERVED = frozenset({"_content", "_text", "_query", "_list", "_filter", "_has", "_type"})


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite: the parameter it stands for, and its values relative to an element."""

    code: str
    type: str
    extract: Extractor


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of one resource type, ready to use.

    `number` names it in the index tables. `is_patient`: its one value is the patient whose record the resource is in.
    `is_ordered`: its tokens get postings. `is_canonical`: its values can name their target by the target's url.
    `is_composite_of_resource`: the parts of the composite are elements of the resource itself.
    """

    code: str
    type: str
    resource_type: str
    url: str
    targets: tuple[str, ...]
    extract: Extractor
    is_main_date: bool
    is_ordered: bool
    is_patient: bool
    is_canonical: bool = False
    components: tuple[Component, ...] = ()
    is_composite_of_resource: bool = False

    @property
    def number(self) -> int:
        """The parameter's number in the index tables: fixed by its code, within PostgreSQL's integer."""
        return parameter_number(self.code)

    @property
    def resource_type_number(self) -> int:
        """The type's number in every table."""
        return RESOURCE_TYPE_NUMBERS[self.resource_type]


@cache
def parameter_number(code: str) -> int:
    """A number for a parameter code; a test holds that no two codes of one type share it."""
    return crc32(code.encode()) - (1 << 31)


@cache
def parameters_of(resource_type: str) -> Mapping[str, Parameter]:
    """All parameters that a search of `resource_type` may name, by code."""
    defined = {**SEARCH_PARAMETERS[resource_type], **PROJECT_PARAMETERS.get(resource_type, {})}
    return {
        code: _parameter(resource_type, definition, defined)
        for code, definition in defined.items()
        if code not in NOT_SERVED and definition.type != "special"
    }


def _parameter(resource_type: str, definition: SearchParameter, defined: Mapping[str, SearchParameter]) -> Parameter:
    code = definition.code
    return Parameter(
        code=code,
        type=definition.type,
        resource_type=resource_type,
        url=definition.url,
        targets=definition.targets,
        extract=compile_extractor(definition.expression, resource_type) if definition.expression else _nothing,
        is_main_date=MAIN_DATES.get(resource_type) == code,
        is_ordered=(resource_type, code) in ORDERED,
        is_patient=code in _PATIENT_CODES and resource_type not in _SEVERAL_PATIENTS,
        is_canonical=definition.type == "reference" and _has_canonicals(resource_type, definition.expression),
        components=_components(resource_type, definition, defined),
        is_composite_of_resource=definition.type == "composite" and definition.expression == resource_type,
    )


def _has_canonicals(resource_type: str, expression: str) -> bool:
    """Whether some alternative of the expression leads to elements of type canonical."""
    return any(_leads_to_canonical(resource_type, part.strip(" ()").split(".")[1:]) for part in expression.split("|"))


def _leads_to_canonical(type_name: str, names: list[str]) -> bool:
    element = elements_of(type_name).get(names[0].split(" ")[0]) if names else None
    if element is None:
        return False
    # What follows the last element is a filter or a cast: `where(...)`, `as(...)`.
    if len(names) == 1 or "(" in names[1]:
        return "canonical" in element.types
    return any(_leads_to_canonical(type_code, names[1:]) for type_code in element.types if is_type(type_code))


def _nothing(_resource: Any) -> list[tuple[str, Any]]:
    return []


def _components(
    resource_type: str, definition: SearchParameter, defined: Mapping[str, SearchParameter]
) -> tuple[Component, ...]:
    by_url = {parameter.url: parameter for parameter in defined.values()}
    element_type = _element_type(definition.expression, resource_type)
    return tuple(
        Component(by_url[url].code, by_url[url].type, compile_extractor(expression, element_type))
        for url, expression in definition.components
    )


def _element_type(expression: str, resource_type: str) -> str:
    """The type of the elements of a composite: the last alternative names the most specific path."""
    path = expression.split("|")[-1].strip()
    return "UsageContext" if path.endswith(".useContext") else path or resource_type
