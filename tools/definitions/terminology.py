"""The table of HL7's own code systems and of R4's value sets (codesystem.html, valueset.html).

Every code system and value set is a text of its own within the table, so that a reader parses only what is asked for.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.definitions.bundles import Resource, read_bundle

SOURCES = ("v3-codesystems", "v2-tables", "valuesets")
VALUE_SET_ELEMENTS = ("version", "compose")
INCLUDE_ELEMENTS = ("system", "version", "concept", "filter", "valueSet")


def terminology_table(source: Path) -> dict[str, dict[str, str]]:
    """`code_systems` and `value_sets`: url -> the JSON text of its facts."""
    resources = sorted((one for name in SOURCES for one in read_bundle(source / f"{name}.json.gz")), key=by_url)
    return {
        "code_systems": {one["url"]: compact(code_system_entry(one)) for one in resources if is_code_system(one)},
        "value_sets": {one["url"]: compact(value_set_entry(one)) for one in resources if not is_code_system(one)},
    }


def by_url(resource: Resource) -> str:
    """The canonical, by which the table is in order."""
    return str(resource["url"])


def is_code_system(resource: Resource) -> bool:
    """Whether it is a CodeSystem; all others are ValueSets."""
    return bool(resource["resourceType"] == "CodeSystem")


def compact(entry: Mapping[str, Any]) -> str:
    """JSON without spaces."""
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


def code_system_entry(system: Resource) -> dict[str, Any]:
    """Version, content, case sensitivity, the meaning of the hierarchy, and one row for each concept.

    A row is [code, display, number of the parent's row, properties], cut short where the rest is empty.
    """
    entry = {
        name: system[name]
        for name in ("version", "name", "content", "caseSensitive", "hierarchyMeaning", "supplements")
        if name in system
    }
    return entry | {"concepts": list(concept_rows(system))}


def concept_rows(system: Resource) -> Iterator[list[Any]]:
    """Parents come before their children; the first row has the number 0."""
    waiting = [(concept, -1) for concept in reversed(system.get("concept", []))]
    number = 0
    while waiting:
        concept, parent = waiting.pop()
        row = [concept["code"], concept.get("display", ""), parent, concept_properties(concept)]
        yield shortened(row)
        waiting += [(child, number) for child in reversed(concept.get("concept", []))]
        number += 1


def concept_properties(concept: Resource) -> list[list[Any]]:
    """[code, value] of each property."""
    return [
        [one["code"], next(value for name, value in one.items() if name.startswith("value"))]
        for one in concept.get("property", [])
    ]


def shortened(row: list[Any]) -> list[Any]:
    """The row without the empty values at its end."""
    usual: list[Any] = [None, "", -1, []]
    while row[-1] == usual[len(row) - 1]:
        row = row[:-1]
    return row


def value_set_entry(value_set: Resource) -> dict[str, Any]:
    """The version and the rules."""
    entry = {name: value_set[name] for name in VALUE_SET_ELEMENTS if name in value_set}
    if "compose" in entry:
        entry["compose"] = compose_entry(entry["compose"])
    return entry


def compose_entry(compose: Resource) -> dict[str, Any]:
    """What is included and excluded, and whether inactive codes are."""
    entry: dict[str, Any] = {"inactive": compose["inactive"]} if "inactive" in compose else {}
    for name in ("include", "exclude"):
        if name in compose:
            entry[name] = [include_entry(one) for one in compose[name]]
    return entry


def include_entry(include: Resource) -> dict[str, Any]:
    """The criteria of one include or exclude."""
    entry = {name: include[name] for name in INCLUDE_ELEMENTS if name in include}
    if "concept" in entry:
        entry["concept"] = [
            {name: concept[name] for name in ("code", "display") if name in concept} for concept in entry["concept"]
        ]
    return entry
