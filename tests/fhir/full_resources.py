"""Resources made from the definitions, with every element that R4 allows: shape-valid, though invariants may break."""

from decimal import Decimal
from typing import Any

from bhr_api.fhir.definitions import (
    PRIMITIVE_TYPES,
    ElementDefinition,
    Resource,
    elements_of,
    is_resource_type,
    value_set_codes,
)

SAMPLES: dict[str, Any] = {
    "base64Binary": "aGVsbG8=",
    "boolean": True,
    "canonical": "http://example.org/a|1.0",
    "code": "a-code",
    "date": "2026-02-28",
    "dateTime": "2024-02-29T23:59:60.5+14:00",
    "decimal": Decimal("1.50"),
    "id": "a-1.b",
    "instant": "2026-03-01T09:30:00.000Z",
    "integer": -2,
    "markdown": "*one*\n\ttwo",
    "oid": "urn:oid:1.2.840",
    "positiveInt": 1,
    "string": " text\u00a0and \U0001f600",
    "time": "14:35:00",
    "unsignedInt": 0,
    "uri": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "url": "https://example.org/",
    "uuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml"><p>text</p></div>',
}
_FORMS = {
    "all-languages": "de-CH",
    "mimetypes": "text/plain",
    "bcp13.txt": "text/cql",
    "currencies": "EUR",
}


def full_resource(resource_type: str, choice: int = 0, depth: int = 3) -> Resource:
    """A resource with every element down to `depth`, taking the type number `choice` of each choice."""
    content: Resource = _full(resource_type, choice, depth, ())
    return {"resourceType": resource_type, **content}


def _full(type_name: str, choice: int, depth: int, above: tuple[str, ...]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for element in elements_of(type_name).values():
        code = element.types[choice % len(element.types)]
        if not element.min and (depth == 0 or code in above or element.name in ("contained", "modifierExtension")):
            continue
        if element.name == "extension" and (type_name == "Extension" or depth < 3):
            continue
        name = element.name + (code[0].upper() + code[1:] if element.is_choice else "")
        one = _value(type_name, element, code, choice, depth - 1, (*above, type_name))
        value[name] = one if element.max == 1 else [one, one][: element.max]
    return value


def _value(
    type_name: str, element: ElementDefinition, code: str, choice: int, depth: int, above: tuple[str, ...]
) -> Any:
    if is_resource_type(code):
        other = "OperationOutcome" if code == "OperationOutcome" else "Basic"
        return {"resourceType": other, **_full(other, choice, 0, above)}
    if element.binding:
        return _coded(element, code)
    if element.name == "id":
        return "a-1"  # The id of an element is a string, but has no spaces.
    if code in PRIMITIVE_TYPES:
        return SAMPLES[code]
    if code == "Reference":
        return {"reference": f"{next(iter(element.targets), 'Patient')}/a1", "display": "a"}
    if code == "Extension":
        return {"url": "http://example.org/extension", "valueString": "a"}
    return _full(code, choice, max(depth, 0), above)


def _coded(element: ElementDefinition, code: str) -> Any:
    url = element.binding or ""
    codes = sorted(value_set_codes(url) or [("http://example.org/", _FORMS.get(url.rpartition("/")[2], "a"))])
    system, one = codes[0]
    coding = {"system": system, "code": one}
    return {"CodeableConcept": {"coding": [coding]}, "Coding": coding}.get(code, one)
