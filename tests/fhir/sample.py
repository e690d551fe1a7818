"""The form of a hand-written sample, and the least R4 resources that samples start from."""

import json
import re
from dataclasses import dataclass
from typing import Any

Resource = dict[str, Any]
UCUM = "http://unitsofmeasure.org"
PATIENT = {"reference": "Patient/p1"}

_RESOURCE_TYPE = re.compile(r"\b(resource|contained(?:\[\d+\])?)\.ofType\(\w+\)")
_CHOICE = re.compile(r"\.(\w+)\.ofType\((\w)(\w*)\)")


@dataclass(frozen=True, slots=True)
class InvalidSample:
    """A body that breaks `rule`; an issue must carry one of `codes` at one of `expressions`.

    An empty expression stands for an issue without a location.
    """

    rule: str
    body: bytes
    codes: frozenset[str]
    expressions: frozenset[str]


def broken(rule: str, content: Resource | list[Any] | str | bytes, codes: str, *expressions: str) -> InvalidSample:
    """A sample of `content`; `codes` are the issue types (space-separated) between which the standard leaves room."""
    return InvalidSample(
        rule, body_of(content), frozenset(codes.split()), frozenset(normalised(text) for text in expressions)
    )


def body_of(content: Resource | list[Any] | str | bytes) -> bytes:
    """The bytes of a request body; text is taken as it is, so that its digits and escapes stay."""
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def normalised(expression: str) -> str:
    """One spelling for each location: `value.ofType(Quantity)` as `valueQuantity`, `_given` as `given`."""
    expression = _RESOURCE_TYPE.sub(r"\1", expression)
    expression = _CHOICE.sub(lambda found: f".{found[1]}{found[2].upper()}{found[3]}", expression)
    return expression.replace("._", ".").replace("[x]", "")


def related(one: str, other: str) -> bool:
    """Whether one location is the other, or is inside it."""
    return one == other or _inside(one, other) or _inside(other, one)


def _inside(inner: str, outer: str) -> bool:
    return inner.startswith((outer + ".", outer + "["))


def patient(**elements: Any) -> Resource:
    return {"resourceType": "Patient", **elements}


def observation(**elements: Any) -> Resource:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "PHQ-9 total"}, **elements}


def care_plan(**elements: Any) -> Resource:
    return {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": PATIENT, **elements}


def goal(**elements: Any) -> Resource:
    least = {"lifecycleStatus": "active", "description": {"text": "Sleep 7 hours"}, "subject": PATIENT}
    return {"resourceType": "Goal", **least, **elements}


def condition(**elements: Any) -> Resource:
    return {"resourceType": "Condition", "subject": PATIENT, **elements}


def encounter(**elements: Any) -> Resource:
    visit = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    return {"resourceType": "Encounter", "status": "finished", "class": visit, **elements}


def questionnaire(*items: Resource, **elements: Any) -> Resource:
    return {"resourceType": "Questionnaire", "status": "active", **({"item": list(items)} if items else {}), **elements}


def response(*items: Resource, **elements: Any) -> Resource:
    body = {"resourceType": "QuestionnaireResponse", "status": "completed", **elements}
    return {**body, **({"item": list(items)} if items else {})}


def consent(**elements: Any) -> Resource:
    least = {"scope": {"text": "privacy"}, "category": [{"text": "part 2"}], "policyRule": {"text": "42 CFR part 2"}}
    return {"resourceType": "Consent", "status": "active", "patient": PATIENT, **least, **elements}


def service_request(**elements: Any) -> Resource:
    return {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": PATIENT, **elements}


def repeating(**repeat: Any) -> Resource:
    """A service request on the schedule `repeat`."""
    return service_request(occurrenceTiming={"repeat": repeat})


def document_reference(**attachment: Any) -> Resource:
    return {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": attachment}]}


def risk_assessment(*predictions: Resource) -> Resource:
    body = {"resourceType": "RiskAssessment", "status": "final", "subject": PATIENT}
    return {**body, **({"prediction": list(predictions)} if predictions else {})}


def bundle(kind: str, *entries: Resource, **elements: Any) -> Resource:
    return {"resourceType": "Bundle", "type": kind, **({"entry": list(entries)} if entries else {}), **elements}


def extended(**value: Any) -> Resource:
    """A patient whose one extension holds `value`."""
    return patient(extension=[{"url": "http://example.org/sample", **value}])


def concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def narrative(div: str, status: str = "generated") -> Resource:
    return {"status": status, "div": div}


def xhtml(inner: str) -> str:
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'
