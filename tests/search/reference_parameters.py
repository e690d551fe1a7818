"""Where a hand-picked set of R4 search parameters look, as small path functions (FHIR R4, searchparameter-registry)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Resource = dict[str, Any]
Kind = Literal["token", "string", "date", "number", "quantity", "uri", "reference", "composite"]
Form = Literal["concept", "coding", "identifier", "contact", "plain"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter: its kind and the function that gives the elements it looks at.

    `form` is the datatype of a token's elements, `system` the implicit code system of a `code`, `parts` the
    components of a composite, read from each element that `elements` gives. `only` is the one type of which a
    reference must be (`where(resolve() is Patient)`).
    """

    kind: Kind
    elements: Callable[[Resource], list[Any]]
    form: Form = "plain"
    system: str | None = None
    parts: tuple["Parameter", ...] = field(default=())
    only: str | None = None


def at(path: str) -> Callable[[Resource], list[Any]]:
    """The elements at a dotted path, through lists."""
    names = path.split(".")
    return lambda resource: list(_walk(resource, names))


def _walk(value: Any, names: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, names)
    elif value is not None and not names:
        yield value
    elif isinstance(value, dict):
        yield from _walk(value.get(names[0]), names[1:])


def either(*paths: str) -> Callable[[Resource], list[Any]]:
    """The elements at any of several paths."""
    getters = [at(path) for path in paths]
    return lambda resource: [element for get in getters for element in get(resource)]


def _telecom(system: str) -> Callable[[Resource], list[Any]]:
    return lambda patient: [point for point in patient.get("telecom", []) if point.get("system") == system]


def _deceased(patient: Resource) -> list[Any]:
    # The expression is a condition, so that it has a value, false, for a patient of whom nothing is said.
    return ["deceasedDateTime" in patient or patient.get("deceasedBoolean") is True]


def _token(path: str, form: Form) -> Parameter:
    return Parameter("token", at(path), form)


def _code(path: str, system: str) -> Parameter:
    return Parameter("token", at(path), "plain", f"http://hl7.org/fhir/{system}")


def _reference(path: str, only: str | None = None) -> Parameter:
    return Parameter("reference", at(path), only=only)


def _date(*paths: str) -> Parameter:
    return Parameter("date", either(*paths))


def _string(*paths: str) -> Parameter:
    return Parameter("string", either(*paths))


def _quantity(*paths: str) -> Parameter:
    return Parameter("quantity", either(*paths))


def _uri(path: str) -> Parameter:
    return Parameter("uri", at(path))


def _pair(second: Parameter, *bases: str) -> Parameter:
    """A composite of `code` and a value, on the resource itself ("") or on each of its components."""
    return Parameter(
        "composite",
        lambda resource: [
            element for base in bases for element in ([resource] if not base else at(base)(resource))
        ],
        parts=(_token("code", "concept"), second),
    )  # fmt: skip


_CODES = _token("valueCodeableConcept", "concept")
_AMOUNT = _quantity("valueQuantity")
_IDENTIFIER = _token("identifier", "identifier")

OF_EVERY_TYPE: dict[str, Parameter] = {
    "_id": _token("id", "plain"),
    "_lastUpdated": _date("meta.lastUpdated"),
    "_tag": _token("meta.tag", "coding"),
    "_security": _token("meta.security", "coding"),
    "_profile": _uri("meta.profile"),
    "_source": _uri("meta.source"),
}

PARAMETERS: dict[str, dict[str, Parameter]] = {
    "Patient": {
        "active": _token("active", "plain"),
        "address": _string("address"),
        "address-city": _string("address.city"),
        "address-postalcode": _string("address.postalCode"),
        "address-use": _code("address.use", "address-use"),
        "birthdate": _date("birthDate"),
        "death-date": _date("deceasedDateTime"),
        "deceased": Parameter("token", _deceased),
        "email": Parameter("token", _telecom("email"), "contact"),
        "family": _string("name.family"),
        "gender": _code("gender", "administrative-gender"),
        "general-practitioner": _reference("generalPractitioner"),
        "given": _string("name.given"),
        "identifier": _IDENTIFIER,
        "language": _token("communication.language", "concept"),
        "name": _string("name"),
        "organization": _reference("managingOrganization"),
        "phone": Parameter("token", _telecom("phone"), "contact"),
        "telecom": _token("telecom", "contact"),
    },
    "Observation": {
        "category": _token("category", "concept"),
        "code": _token("code", "concept"),
        "code-value-concept": _pair(_CODES, ""),
        "code-value-quantity": _pair(_AMOUNT, ""),
        "combo-code": Parameter("token", either("code", "component.code"), "concept"),
        "combo-code-value-quantity": _pair(_AMOUNT, "", "component"),
        "combo-value-quantity": _quantity("valueQuantity", "component.valueQuantity"),
        "component-code": _token("component.code", "concept"),
        "component-code-value-concept": _pair(_CODES, "component"),
        "component-code-value-quantity": _pair(_AMOUNT, "component"),
        "component-value-quantity": _quantity("component.valueQuantity"),
        "data-absent-reason": _token("dataAbsentReason", "concept"),
        "date": _date("effectiveDateTime", "effectiveInstant", "effectivePeriod", "effectiveTiming"),
        "derived-from": _reference("derivedFrom"),
        "encounter": _reference("encounter"),
        "identifier": _IDENTIFIER,
        "patient": _reference("subject", "Patient"),
        "performer": _reference("performer"),
        "status": _code("status", "observation-status"),
        "subject": _reference("subject"),
        "value-concept": _token("valueCodeableConcept", "concept"),
        "value-date": _date("valueDateTime", "valuePeriod"),
        "value-quantity": _AMOUNT,
        "value-string": _string("valueString", "valueCodeableConcept.text"),
    },
    "Condition": {
        "abatement-date": _date("abatementDateTime", "abatementPeriod"),
        "category": _token("category", "concept"),
        "clinical-status": _token("clinicalStatus", "concept"),
        "code": _token("code", "concept"),
        "encounter": _reference("encounter"),
        "identifier": _IDENTIFIER,
        "onset-age": _quantity("onsetAge"),
        "onset-date": _date("onsetDateTime", "onsetPeriod"),
        "onset-info": _string("onsetString"),
        "patient": _reference("subject", "Patient"),
        "recorded-date": _date("recordedDate"),
        "severity": _token("severity", "concept"),
        "subject": _reference("subject"),
        "verification-status": _token("verificationStatus", "concept"),
    },
    "CarePlan": {
        "activity-code": _token("activity.detail.code", "concept"),
        "activity-date": _date("activity.detail.scheduledTiming", "activity.detail.scheduledPeriod"),
        "category": _token("category", "concept"),
        "condition": _reference("addresses"),
        "date": _date("period"),
        "encounter": _reference("encounter"),
        "goal": _reference("goal"),
        "identifier": _IDENTIFIER,
        "instantiates-uri": _uri("instantiatesUri"),
        "intent": _code("intent", "request-intent"),
        "patient": _reference("subject", "Patient"),
        "status": _code("status", "request-status"),
        "subject": _reference("subject"),
    },
    "Goal": {
        "achievement-status": _token("achievementStatus", "concept"),
        "category": _token("category", "concept"),
        "identifier": _IDENTIFIER,
        "lifecycle-status": _code("lifecycleStatus", "goal-status"),
        "patient": _reference("subject", "Patient"),
        "start-date": _date("startDate"),
        "subject": _reference("subject"),
        "target-date": _date("target.dueDate"),
    },
    "Encounter": {
        "class": _token("class", "coding"),
        "date": _date("period"),
        "identifier": _IDENTIFIER,
        "length": _quantity("length"),
        "location-period": _date("location.period"),
        "participant": _reference("participant.individual"),
        "patient": _reference("subject", "Patient"),
        "practitioner": _reference("participant.individual", "Practitioner"),
        "reason-code": _token("reasonCode", "concept"),
        "status": _code("status", "encounter-status"),
        "subject": _reference("subject"),
        "type": _token("type", "concept"),
    },
    "QuestionnaireResponse": {
        "author": _reference("author"),
        "authored": _date("authored"),
        "encounter": _reference("encounter"),
        "identifier": _IDENTIFIER,
        "patient": _reference("subject", "Patient"),
        "questionnaire": _reference("questionnaire"),
        "status": _code("status", "questionnaire-answers-status"),
        "subject": _reference("subject"),
    },
    "Questionnaire": {
        "date": _date("date"),
        "description": _string("description"),
        "effective": _date("effectivePeriod"),
        "identifier": _IDENTIFIER,
        "name": _string("name"),
        "status": _code("status", "publication-status"),
        "title": _string("title"),
        "url": _uri("url"),
        "version": _token("version", "plain"),
    },
    "RiskAssessment": {
        "date": _date("occurrenceDateTime"),
        "identifier": _IDENTIFIER,
        "method": _token("method", "concept"),
        "patient": _reference("subject", "Patient"),
        "probability": Parameter("number", at("prediction.probabilityDecimal")),
        "risk": _token("prediction.qualitativeRisk", "concept"),
        "subject": _reference("subject"),
    },
    "ChargeItem": {
        "code": _token("code", "concept"),
        "entered-date": _date("enteredDate"),
        "factor-override": Parameter("number", at("factorOverride")),
        "identifier": _IDENTIFIER,
        "occurrence": _date("occurrenceDateTime", "occurrencePeriod", "occurrenceTiming"),
        "patient": _reference("subject", "Patient"),
        "price-override": _quantity("priceOverride"),
        "quantity": _quantity("quantity"),
        "subject": _reference("subject"),
    },
}


def parameter(resource_type: str, code: str) -> Parameter:
    """The parameter `code` of the type; KeyError for one that is not in the hand-picked set."""
    return OF_EVERY_TYPE.get(code) or PARAMETERS[resource_type][code]
