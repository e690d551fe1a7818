"""The table of the value sets that elements must take their codes from (valueset.html)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tools.definitions.bundles import Resource, read_bundle


def required_value_sets(elements: Mapping[str, Any]) -> list[str]:
    """Value sets that some element must take its codes from."""
    return sorted(
        {
            element["binding"]
            for entry in elements.values()
            for element in entry["elements"].values()
            if "binding" in element
        }
    )


def value_set_table(source: Path, urls: Iterable[str]) -> dict[str, Any]:
    """url -> system -> codes, for those value sets that HL7's own code systems settle completely."""
    resources = [
        resource
        for name in ("v3-codesystems", "v2-tables", "valuesets")
        for resource in read_bundle(source / f"{name}.json.gz")
    ]
    terminology = Terminology(resources)
    expansions = {url: terminology.expand(url) for url in urls}
    return {
        url: {system: sorted(codes) for system, codes in sorted(expansion.items())}
        for url, expansion in expansions.items()
        if expansion is not None
    }


Expansion = dict[str, set[str]]


class Terminology:
    """HL7's code systems and value sets, by url."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.code_systems: dict[str, Resource] = {}
        self.value_sets: dict[str, Resource] = {}
        for resource in resources:
            kept = self.code_systems if resource["resourceType"] == "CodeSystem" else self.value_sets
            kept[resource["url"]] = resource

    def expand(self, url: str) -> Expansion | None:
        """System -> codes; None if it cannot be told completely from what is here."""
        value_set = self.value_sets.get(url.partition("|")[0])
        if value_set is None or "compose" not in value_set:
            return None
        included = self._union(value_set["compose"]["include"])
        excluded = self._union(value_set["compose"].get("exclude", []))
        if included is None or excluded is None:
            return None
        return {system: codes - excluded.get(system, set()) for system, codes in included.items()}

    def _union(self, includes: Iterable[Resource]) -> Expansion | None:
        union: Expansion = {}
        for include in includes:
            part = self._include(include)
            if part is None:
                return None
            for system, codes in part.items():
                union.setdefault(system, set()).update(codes)
        return union

    def _include(self, include: Resource) -> Expansion | None:
        """valueset.html#compositions: what one include names lies in its system and in all its value sets."""
        parts = [self.expand(url) for url in include.get("valueSet", [])]
        if "system" in include:
            codes = self._codes(include)
            parts.append(None if codes is None else {include["system"]: codes})
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        first, *others = known
        return {
            system: codes.intersection(*(other.get(system, set()) for other in others))
            for system, codes in first.items()
        }

    def _codes(self, include: Resource) -> set[str] | None:
        if "concept" in include:
            return {concept["code"] for concept in include["concept"]}
        system = self.code_systems.get(include["system"])
        if system is None or system["content"] != "complete":
            return None
        codes = set(hierarchy(system)) - abstract_codes(system)
        for condition in include.get("filter", []):
            if (condition["property"], condition["op"]) not in {("concept", "is-a"), ("concept", "descendent-of")}:
                return None
            codes &= descendants(system, condition["value"])
            if condition["op"] == "is-a":
                codes |= {condition["value"]} - abstract_codes(system)
        return codes


def hierarchy(system: Resource) -> dict[str, set[str]]:
    """Code -> its parents, which a code system gives by nesting or by the property subsumedBy."""
    parents: dict[str, set[str]] = {}

    def visit(concepts: Iterable[Resource], parent: str | None) -> None:
        for concept in concepts:
            known = parents.setdefault(concept["code"], set())
            if parent is not None:
                known.add(parent)
            known.update(
                one.get("valueCode", "")
                for one in concept.get("property", [])
                if one["code"] in ("subsumedBy", "parent")
            )
            visit(concept.get("concept", []), concept["code"])

    visit(system.get("concept", []), None)
    return parents


def abstract_codes(system: Resource) -> set[str]:
    """Codes that only group others and may not be used themselves (codesystem.html#4.8.10, property notSelectable)."""
    found: set[str] = set()
    waiting = list(system.get("concept", []))
    while waiting:
        concept = waiting.pop()
        waiting += concept.get("concept", [])
        if any(one["code"] == "notSelectable" and one.get("valueBoolean") for one in concept.get("property", [])):
            found.add(concept["code"])
    return found


def descendants(system: Resource, ancestor: str) -> set[str]:
    """The codes below `ancestor`, itself not included."""
    parents = hierarchy(system)
    found = {ancestor}
    while grown := {code for code, above in parents.items() if above & found} - found:
        found |= grown
    return found - {ancestor}
