"""Parts of resources: _summary and _elements, marked SUBSETTED (FHIR R4, search.html#summary and #elements)."""

from collections.abc import Collection
from typing import Any

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource, elements_of, json_names

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}

_ALWAYS = ("resourceType", "id", "meta")


def subset(body: bytes, *, summary: str, elements: Collection[str]) -> bytes:
    """The resource in `body` cut down to a `_summary` (true, text or data) or to the top-level `elements`.

    Mandatory and modifier elements stay, as search.html#elements asks.
    """
    resource: Resource = json_text.parse(body)
    kept = _kept(resource["resourceType"], summary, elements)
    cut = {name: value for name, value in resource.items() if name.removeprefix("_") in kept}
    if summary == "true":
        cut = _summarised(cut, resource["resourceType"])
    meta = dict(cut.get("meta") or {})
    meta["tag"] = [*meta.get("tag", ()), SUBSETTED]
    ordered = {"resourceType": resource["resourceType"], "id": resource.get("id"), "meta": meta}
    return json_text.dumps(
        {name: value for name, value in {**ordered, **cut, "meta": meta}.items() if value is not None}
    )


def _kept(resource_type: str, summary: str, elements: Collection[str]) -> set[str]:
    names = json_names(resource_type)
    mandatory = {name for name, (element, _) in names.items() if element.min > 0 or element.is_modifier}
    always = {*_ALWAYS, *mandatory}
    if elements:
        return always | {name for name, (element, _) in names.items() if {name, element.name} & set(elements)}
    match summary:
        case "text":
            # search.html#summary: "text": the text, id, meta, and top-level mandatory elements only.
            return {*always, "text"}
        case "data":
            return {*names, *_ALWAYS} - {"text"}
        case _:
            return always | {name for name, (element, _) in names.items() if element.is_summary}


def _summarised(node: Any, type_name: str) -> Any:
    """Leave out, inside what stays, the elements of backbones that are not in the summary."""
    names = json_names(type_name)
    found: dict[str, Any] = {}
    for name, value in node.items():
        element, type_code = names.get(name.removeprefix("_"), (None, ""))
        if element is not None and "." in type_code:
            value = [_inner(item, type_code) for item in value] if isinstance(value, list) else _inner(value, type_code)
        found[name] = value
    return found


def _inner(node: Any, type_code: str) -> Any:
    wanted = {name for name, (element, _) in json_names(type_code).items() if element.is_summary or element.min > 0}
    if not any(element.is_summary for element in elements_of(type_code).values()):
        return node
    return _summarised({name: value for name, value in node.items() if name.removeprefix("_") in wanted}, type_code)
