"""HL7's own code systems and the value sets of R4, which every server knows (terminologies-systems.html).

The table holds each of them as a text; what is parsed is parsed when it is asked for. The whole is 2 MB.
"""

import gzip
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from bhr_api.fhir.definitions import Resource


@cache
def _table() -> Mapping[str, Mapping[str, str]]:
    packed = files("bhr_api.fhir").joinpath("tables", "code_systems.json.gz").read_bytes()
    table: dict[str, dict[str, str]] = json.loads(gzip.decompress(packed))
    return table


def code_system_urls() -> tuple[str, ...]:
    """The canonicals of all code systems that come with the program."""
    return tuple(_table()["code_systems"])


def value_set_urls() -> tuple[str, ...]:
    """The canonicals of all value sets that come with the program."""
    return tuple(_table()["value_sets"])


def value_set(url: str) -> Resource | None:
    """The ValueSet's version and rules, without its prose."""
    text = _table()["value_sets"].get(url)
    return None if text is None else {"resourceType": "ValueSet", "url": url, **json.loads(text)}


def code_system(url: str) -> Resource | None:
    """The CodeSystem without definitions, designations and prose."""
    text = _table()["code_systems"].get(url)
    if text is None:
        return None
    entry: Resource = json.loads(text)
    concepts = _concepts(entry.pop("concepts"))
    return {"resourceType": "CodeSystem", "url": url, **entry, "concept": concepts}


def _concepts(rows: list[list[Any]]) -> list[Resource]:
    """Concepts within their parents. A row is [code, display, number of the parent's row, properties], cut short."""
    roots: list[Resource] = []
    concepts: list[Resource] = []
    for row in rows:
        code, display, parent, properties = row + ["", -1, []][len(row) - 1 :]
        concept: Resource = {"code": code}
        if display:
            concept["display"] = display
        if properties:
            concept["property"] = [{"code": name, _value_name(value): value} for name, value in properties]
        concepts.append(concept)
        (roots if parent < 0 else concepts[parent].setdefault("concept", [])).append(concept)
    return roots


def _value_name(value: object) -> str:
    return "valueBoolean" if isinstance(value, bool) else "valueCode"
