"""The US Core packages and R4's own definitions as a `Conformance`, with value sets expanded as far as they list codes."""

import gzip
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.json_text import parse

SHARED = Path(__file__).parents[3] / "../shared/fhir"
VERSIONS = ("6.1.0", "7.0.0", "8.0.0")
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"

Codes = frozenset[tuple[str, str]]


class Definitions:
    """A `Conformance` over some resources; of two with one url, the later one is the newest."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.structures: dict[str, Resource] = {}
        self.value_sets: dict[str, Resource] = {}
        self.code_systems: dict[str, Resource] = {}
        self._expanded: dict[str, tuple[Codes, bool]] = {}
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        kinds = {
            "StructureDefinition": self.structures,
            "ValueSet": self.value_sets,
            "CodeSystem": self.code_systems,
        }
        if (kind := kinds.get(resource["resourceType"])) is not None:
            kind[resource["url"]] = kind[f"{resource['url']}|{resource.get('version')}"] = resource

    def structure(self, canonical: str) -> Resource | None:
        return self.structures.get(canonical)

    def is_member(self, value_set: str, system: str | None, code: str) -> bool | None:
        if value_set not in self._expanded:
            self._expanded[value_set] = self._expansion(value_set)
        codes, is_whole = self._expanded[value_set]
        if (system, code) in codes if system is not None else any(code == one for _, one in codes):
            return True
        return False if is_whole else None

    def _expansion(self, url: str) -> tuple[Codes, bool]:
        """The codes that are known to be in the value set, and whether they are all."""
        found = self.value_sets.get(url) or self.value_sets.get(url.partition("|")[0])
        if found is None:
            return frozenset(), False
        if "expansion" in found and "compose" not in found:
            return frozenset(_contained(found["expansion"].get("contains", ()))), True
        parts = [self._included(one) for one in found.get("compose", {}).get("include", ())]
        excluded = [self._included(one) for one in found.get("compose", {}).get("exclude", ())]
        codes = frozenset(pair for part, _ in parts for pair in part)
        taken = frozenset(pair for part, _ in excluded for pair in part)
        return codes - taken, all(is_whole for _, is_whole in parts)

    def _included(self, include: Resource) -> tuple[Codes, bool]:
        if "valueSet" in include:
            parts = [self._expansion(url) for url in include["valueSet"]]
            return frozenset.intersection(*(codes for codes, _ in parts)), all(is_whole for _, is_whole in parts)
        if "concept" in include:
            return frozenset((include["system"], concept["code"]) for concept in include["concept"]), True
        system = self.code_systems.get(include["system"])
        if system is None or system.get("content") != "complete":
            return frozenset(), False
        if "filter" in include:
            return self._filtered(system, include)
        return frozenset((include["system"], code) for code in _codes_of(system.get("concept", ()))), True

    def _filtered(self, system: Resource, include: Resource) -> tuple[Codes, bool]:
        found: set[tuple[str, str]] = set()
        for one in include["filter"]:
            if one["op"] != "is-a":
                return frozenset(), False
            inside = [concept for concept in _concepts(system.get("concept", ())) if concept["code"] == one["value"]]
            found |= {(include["system"], code) for code in _codes_of(inside)}
        return frozenset(found), True


def _concepts(concepts: Iterable[Resource]) -> Iterator[Resource]:
    for concept in concepts:
        yield concept
        yield from _concepts(concept.get("concept", ()))


def _codes_of(concepts: Iterable[Resource]) -> Iterator[str]:
    return (concept["code"] for concept in _concepts(concepts))


def _contained(contains: Iterable[Resource]) -> Iterator[tuple[str, str]]:
    for one in contains:
        if "code" in one:
            yield one["system"], one["code"]
        yield from _contained(one.get("contains", ()))


def shared(path: str) -> Path:
    """A file of the shared definitions; the test is skipped where they are absent."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"{path} is not beside the project: ../shared/fhir holds HL7's definitions")
    return found


@cache
def r4_resources(name: str) -> tuple[Resource, ...]:
    bundle = parse(gzip.decompress(shared(f"r4/{name}.json.gz").read_bytes()))
    return tuple(entry["resource"] for entry in bundle["entry"])


@cache
def package(version: str) -> Mapping[str, Any]:
    """Path -> resource of a US Core package."""
    with tarfile.open(shared(f"us-core/hl7.fhir.us.core-{version}.tgz")) as archive:
        return {
            member.name: parse(file.read())
            for member in archive
            if member.name.endswith(".json") and (file := archive.extractfile(member)) and _is_resource(member.name)
        }


def _is_resource(path: str) -> bool:
    kinds = ("package/StructureDefinition-", "package/ValueSet-", "package/CodeSystem-", "package/example/")
    return path.startswith(kinds) and not path.rpartition("/")[2].startswith(".")


@cache
def us_core(version: str) -> Definitions:
    """US Core of this version over R4's extensions, types, value sets and code systems."""
    names = ("valuesets", "v3-codesystems", "v2-tables", "profiles-types", "profiles-others", "extension-definitions")
    base = (resource for name in names for resource in r4_resources(name))
    return Definitions((*base, *definitions_of(version)))


def definitions_of(version: str) -> Iterator[Resource]:
    return (resource for path, resource in package(version).items() if "/example/" not in path)


def examples_of(version: str) -> Mapping[str, Resource]:
    """Name -> example, of those that declare a profile."""
    found = {path.rpartition("/")[2]: one for path, one in package(version).items() if "/example/" in path}
    return {name.removesuffix(".json"): one for name, one in sorted(found.items()) if "profile" in one.get("meta", {})}


def example(version: str, name: str) -> Resource:
    found: Resource = package(version)[f"package/example/{name}.json"]
    return found
