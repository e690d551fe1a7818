"""Small value sets and code systems for the tests of the operations of terminology, and the reading of their answers."""

from typing import Any

import httpx

from bhr_api.fhir import json_text
from bhr_api.fhir.validation import validate

Resource = dict[str, Any]
MOODS = "http://example.org/CodeSystem/moods"
ALL_MOODS = "http://example.org/ValueSet/moods"
GENDER = "http://hl7.org/fhir/administrative-gender"
GENDERS = "http://hl7.org/fhir/ValueSet/administrative-gender"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
COLOURS = "http://example.org/colours"
USE = {"system": "http://example.org/uses", "code": "short"}


def code_system(id: str = "moods", **more: Any) -> Resource:
    """A hierarchy with a group that cannot be chosen, a code that is no longer used, and German names."""
    low: Resource = {"code": "low", "display": "Low mood", "definition": "Less than usual."}
    low["designation"] = [{"language": "de-CH", "value": "Gedrückt"}, {"use": USE, "value": "low"}]
    low["property"] = [{"code": "rank", "valueInteger": 2}]
    low["concept"] = [{"code": "empty", "display": "Emptiness"}]
    old = {"code": "spleen", "display": "Spleen", "property": [{"code": "inactive", "valueBoolean": True}]}
    group: Resource = {
        "code": "any",
        "display": "Any mood",
        "concept": [low, {"code": "high", "display": "High mood"}, old],
    }
    group["property"] = [{"code": "notSelectable", "valueBoolean": True}]
    declared = [
        {"code": "inactive", "type": "boolean"},
        {"code": "notSelectable", "type": "boolean"},
        {"code": "rank", "type": "integer"},
    ]
    return {
        "resourceType": "CodeSystem",
        "id": id,
        "url": MOODS,
        "version": "2",
        "name": "Moods",
        "status": "active",
        "caseSensitive": True,
        "hierarchyMeaning": "is-a",
        "content": "complete",
        "property": declared,
        "concept": [group],
        **more,
    }


def value_set(*include: Resource, id: str = "moods", url: str = ALL_MOODS, **more: Any) -> Resource:
    """A value set by its rules."""
    rules: Resource = {"resourceType": "ValueSet", "id": id, "url": url, "version": "1", "name": "Moods"}
    return {**rules, "status": "draft", "compose": {"include": list(include)}, **more}


def listed(*codes: str, system: str = COLOURS) -> Resource:
    """An include of codes."""
    return {"system": system, "concept": [{"code": code} for code in codes]}


def answer_of(response: httpx.Response) -> Resource:
    """The answer, which is valid R4."""
    assert response.status_code == 200, response.text
    answer: Resource = json_text.parse(response.content)
    assert [issue for issue in validate(answer) if issue.severity in ("error", "fatal")] == []
    return answer


def codes_of(response: httpx.Response) -> list[str]:
    """The codes of an expansion that nests none."""
    return [one["code"] for one in answer_of(response)["expansion"].get("contains", ())]


def values_of(response: httpx.Response) -> dict[str, Any]:
    """Name -> value of the parameters that are no groups."""
    return {
        one["name"]: next(value for name, value in one.items() if name.startswith("value"))
        for one in answer_of(response)["parameter"]
        if "part" not in one
    }


def groups_of(response: httpx.Response, name: str) -> list[dict[str, Any]]:
    """The parts of each parameter of this name, by their names."""
    return [
        {part["name"]: next(value for form, value in part.items() if form.startswith("value")) for part in one["part"]}
        for one in answer_of(response)["parameter"]
        if one["name"] == name
    ]


def refusal_of(response: httpx.Response) -> tuple[int, str, str]:
    """Status, issue code and sentence."""
    issue = response.json()["issue"][0]
    return response.status_code, issue["code"], issue["diagnostics"]
