"""The data types that sample resources are made of (FHIR R4, datatypes.html)."""

from base64 import b64encode
from datetime import date, datetime, time, timedelta, timezone
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource

EXAMPLE: Final = "http://example.org/bhr-samples"
HL7: Final = "http://terminology.hl7.org/CodeSystem"

# The sample towns lie in Arizona, which keeps UTC-7 all year: no clock change moves a visit.
LOCAL_TIME: Final = timezone(timedelta(hours=-7))


def coding(system: str, code: str, display: str | None = None) -> Resource:
    """A Coding."""
    return {"system": system, "code": code} | ({"display": display} if display else {})


def concept(text: str, *codings: Resource) -> Resource:
    """A CodeableConcept with its words, and its codings where there are any."""
    return ({"coding": list(codings)} if codings else {}) | {"text": text}


def coded(system: str, code: str, display: str) -> Resource:
    """A CodeableConcept of one coding, whose display is also its text."""
    return concept(display, coding(system, code, display))


def code_only(system: str, code: str) -> Resource:
    """A CodeableConcept of one coding without words, for codes that FHIR itself defines."""
    return {"coding": [coding(system, code)]}


def sample_code(system: str, code: str, text: str) -> Resource:
    """A CodeableConcept in a code system of the samples, for ideas that no standard system codes reliably."""
    return coded(f"{EXAMPLE}/CodeSystem/{system}", code, text)


def reference(resource_type: str, resource_id: str, display: str | None = None) -> Resource:
    """A literal, relative Reference."""
    return {"reference": f"{resource_type}/{resource_id}"} | ({"display": display} if display else {})


def quantity(value: int, unit: str, code: str | None = None) -> Resource:
    """A Quantity in a UCUM unit; `code` where it is written otherwise than the unit."""
    return {"value": value, "unit": unit, "system": canonical.UCUM, "code": code or unit}


def identifier(system: str, value: str) -> Resource:
    """An Identifier of the sample organisation."""
    return {"system": f"{EXAMPLE}/{system}", "value": value}


def moment(day: date, hour: int, minute: int = 0) -> str:
    """The dateTime, and instant, of a local time on `day`; hours from 24 on fall on the next day."""
    midnight = datetime.combine(day, time(0), tzinfo=LOCAL_TIME)
    return (midnight + timedelta(hours=hour, minutes=minute)).isoformat()


def period(start: date, end: date | None = None) -> Resource:
    """A Period of whole days, open when `end` is None."""
    return {"start": start.isoformat()} | ({"end": end.isoformat()} if end else {})


def plain_text(text: str, title: str) -> Resource:
    """An Attachment that carries `text` itself."""
    return {"contentType": "text/plain; charset=utf-8", "data": b64encode(text.encode()).decode(), "title": title}
