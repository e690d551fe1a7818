"""Code systems with a hierarchy and value sets by enumeration (FHIR R4, codesystem.html and valueset.html)."""

from collections.abc import Iterable, Iterator
from typing import Any

from tests.search.reference_paths import Resource


class Terminology:
    """What the CodeSystems and ValueSets among some resources say."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._ancestors: dict[tuple[str, str], frozenset[str]] = {}
        self._includes: dict[str, list[Resource]] = {}
        for one in resources:
            if one["resourceType"] == "CodeSystem":
                self._ancestors |= {(one["url"], code): over for code, over in _codes(one["concept"], ())}
            if one["resourceType"] == "ValueSet":
                include = one["compose"]["include"]
                self._includes |= {one["url"]: include, f"ValueSet/{one['id']}": include}

    def has_code(self, system: str, code: str) -> bool:
        return (system, code) in self._ancestors

    def has_value_set(self, name: str) -> bool:
        """Whether the value set is known by its URL or as ValueSet/id."""
        return name in self._includes

    def subsumes(self, system: str, over: str, code: str) -> bool:
        """Whether `over` is the code or an ancestor of it; a code of an unknown system is under itself alone."""
        return over == code or over in self._ancestors.get((system, code), ())

    def contains(self, value_set: str, system: str | None, code: str | None) -> bool:
        """Whether the value set, by its URL or as ValueSet/id, has the code. KeyError for one that is unknown."""
        return any(
            system == part["system"]
            and ("concept" not in part or any(concept["code"] == code for concept in part["concept"]))
            for part in self._includes[value_set]
        )


def _codes(concepts: list[Any], over: tuple[str, ...]) -> Iterator[tuple[str, frozenset[str]]]:
    for concept in concepts:
        yield concept["code"], frozenset(over)
        yield from _codes(concept.get("concept", []), (*over, concept["code"]))
