"""The search parameters that are served: R4's own, and the project's additions (DOMAIN b.4; docs/search.md)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from zlib import crc32

from bhr_api.fhir.definitions import (
    RESOURCE_TYPE_NUMBERS,
    SEARCH_PARAMETERS,
    ElementDefinition,
    SearchParameter,
    elements_of,
    is_type,
    value_set_codes,
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

# Observation's combo parameters are over the resource and its components together: the union of two others.
_MADE_OF: Mapping[str, tuple[str, ...]] = {
    f"combo-{code}": (code, f"component-{code}")
    for code in (
        "code",
        "data-absent-reason",
        "value-concept",
        "value-quantity",
        "code-value-concept",
        "code-value-quantity",
    )
}

# Types that may be about several patients at once: the row's patient column does not answer for their parameters.
_SEVERAL_PATIENTS = frozenset({"Account", "Appointment", "AuditEvent", "Contract", "Person", "Provenance"})
_PATIENT_CODES = frozenset({"patient", "subject", "beneficiary"})

# Answered from columns of the row, or not from the row at all: they leave no index values of their own.
ROW_PARAMETERS = frozenset({"_id", "_lastUpdated"})
# Parameters of R4 that are refused, and why (docs/search.md).
NOT_SERVED: Mapping[str, str] = {
    "_query": "named queries are not defined here",
    "_type": "it belongs to a search of the whole server, GET [base]?_type=...",
    "_has": "it is _has:Type:reference:parameter=value",
    "_contained": "resources are found as they are stored; search the one that contains",
    "_containedType": "resources are found as they are stored; search the one that contains",
}
_MEDIA_TYPES = "http://hl7.org/fhir/ValueSet/mimetypes"
# Served, but not by values that the index holds.
_OF_THE_WHOLE = frozenset({"_content", "_filter", "_list", "_text"})


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite: the parameter it stands for, and its values relative to an element."""

    code: str
    type: str
    extract: Extractor


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of one resource type, ready to use.

    `number` names it in the index tables; `expression` is what `extract` was made from.
    `is_patient`: its one value is the patient whose record the resource is in.
    `is_ordered`: its tokens get postings. `is_canonical`: its values can name their target by the target's url.
    `is_mandatory`: every valid resource has a value. `made_of`: it is the union of other parameters, and leaves nothing of
    its own. `is_composite_of_resource`: the parts of the composite are elements of the resource itself.
    """

    code: str
    type: str
    resource_type: str
    url: str
    targets: tuple[str, ...]
    expression: str
    extract: Extractor
    is_main_date: bool = False
    is_ordered: bool = False
    is_patient: bool = False
    is_canonical: bool = False
    is_mandatory: bool = False
    made_of: tuple[str, ...] = ()
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
    """The parameters of R4 and of the project that a search of `resource_type` may name, by code."""
    defined = {**SEARCH_PARAMETERS[resource_type], **PROJECT_PARAMETERS.get(resource_type, {})}
    return {
        code: _parameter(resource_type, definition, defined)
        for code, definition in defined.items()
        if code not in NOT_SERVED and code not in _OF_THE_WHOLE and definition.type != "special"
    }


def is_special(resource_type: str, code: str) -> bool:
    """Whether a search of the type may name `code`, which has no values in the index."""
    definition = SEARCH_PARAMETERS[resource_type].get(code)
    is_of_no_type = definition is not None and definition.type == "special"
    return code in _OF_THE_WHOLE or (is_of_no_type and code not in NOT_SERVED)


def special_parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """Those that a search may name besides: of the whole resource, and of no type of R4's (`Location?near`)."""
    return {
        code: definition
        for code, definition in SEARCH_PARAMETERS[resource_type].items()
        if is_special(resource_type, code)
    }


def _parameter(resource_type: str, definition: SearchParameter, defined: Mapping[str, SearchParameter]) -> Parameter:
    code = definition.code
    is_patient = code in _PATIENT_CODES and resource_type not in _SEVERAL_PATIENTS
    return Parameter(
        code=code,
        type=definition.type,
        resource_type=resource_type,
        url=definition.url,
        targets=definition.targets,
        expression=definition.expression,
        extract=compile_extractor(definition.expression, resource_type) if definition.expression else _nothing,
        is_main_date=MAIN_DATES.get(resource_type) == code,
        is_ordered=(resource_type, code) in ORDERED,
        is_patient=is_patient,
        is_canonical=definition.type == "reference" and _has_canonicals(resource_type, definition.expression),
        is_mandatory=_is_mandatory(resource_type, definition.expression),
        made_of=_made_of(resource_type, code, is_patient=is_patient, defined=defined),
        components=_components(resource_type, definition, defined),
        is_composite_of_resource=definition.type == "composite" and definition.expression == resource_type,
    )


def _made_of(
    resource_type: str, code: str, *, is_patient: bool, defined: Mapping[str, SearchParameter]
) -> tuple[str, ...]:
    if resource_type == "Observation" and code in _MADE_OF:
        return _MADE_OF[code]
    # `patient` is `subject`, where that is a patient; the row's patient column tells these apart.
    return ("subject",) if code == "patient" and is_patient and "subject" in defined else ()


def _is_mandatory(resource_type: str, expression: str) -> bool:
    names = expression.split(".")
    element = elements_of(resource_type).get(names[1]) if len(names) == 2 and names[0] == resource_type else None
    return element is not None and element.min > 0


def _has_canonicals(resource_type: str, expression: str) -> bool:
    """Whether some alternative of the expression leads to elements of type canonical."""
    return any("canonical" in element.types for element in _elements(resource_type, expression))


def implied_systems(parameter: Parameter) -> frozenset[str]:
    """The systems that the codes of a parameter over `code` elements come from (search.html#token).

    Such an element holds no system, so `system|code` asks for the code, if the system is one of these.
    """
    return _implied_systems(parameter.resource_type, parameter.expression)


@lru_cache(maxsize=4096)
def _implied_systems(resource_type: str, expression: str) -> frozenset[str]:
    elements = _elements(resource_type, expression)
    bindings = [element.binding for element in elements if element.types == ("code",)]
    codes = [value_set_codes(binding) or () for binding in bindings if binding is not None]
    return frozenset(system for found in codes for system, _ in found)


def is_of_media_types(parameter: Parameter) -> bool:
    """Whether the values of a parameter are media types (search.html#mimetype)."""
    elements = _elements(parameter.resource_type, parameter.expression)
    return any(element.binding == _MEDIA_TYPES for element in elements)


def _elements(resource_type: str, expression: str) -> list[ElementDefinition]:
    """The elements that the alternatives of a simple expression lead to."""
    parts = (part.strip(" ()").split(".")[1:] for part in expression.split("|"))
    return [element for names in parts for element in _reached(resource_type, names)]


def _reached(type_name: str, names: list[str]) -> list[ElementDefinition]:
    element = elements_of(type_name).get(names[0].split(" ")[0]) if names else None
    if element is None:
        return []
    # What follows the last element is a filter or a cast: `where(...)`, `as(...)`.
    if len(names) == 1 or "(" in names[1]:
        return [element]
    return [found for code in element.types if is_type(code) for found in _reached(code, names[1:])]


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
