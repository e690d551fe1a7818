"""The rules of a value set, read once (FHIR R4, valueset.html#compositions)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.errors import CannotExpandError

_UNCLOSED_URL = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed"


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one property; `op` is of filter-operator."""

    property: str
    op: str
    value: str


@dataclass(frozen=True)
class Criteria:
    """One include or exclude: all of its conditions must hold.

    `concepts` are the listed ones by code, None where the whole system or what the `filters` select is meant.
    """

    system: str | None
    version: str | None
    concepts: Mapping[str, Resource] | None
    filters: tuple[Filter, ...]
    value_sets: tuple[str, ...]

    @property
    def canonical(self) -> str:
        """`system|version` of criteria that name a system."""
        return f"{self.system}|{self.version}" if self.version else str(self.system)

    @cached_property
    def listed_in_any_case(self) -> Mapping[str, list[str]]:
        """The listed codes by their case-folded form."""
        folded: dict[str, list[str]] = {}
        for code in self.concepts or ():
            folded.setdefault(code.casefold(), []).append(code)
        return folded


@dataclass(frozen=True, slots=True)
class Composition:
    """What a value set includes and excludes.

    `inactive` is False where inactive codes are left out. A value set without rules that was stored as an expansion has
    its codes in `listed`; `is_partial` says that the expansion does not hold all of them.
    """

    name: str
    include: tuple[Criteria, ...] = ()
    exclude: tuple[Criteria, ...] = ()
    inactive: bool = True
    listed: Mapping[tuple[str, str], Resource] | None = None
    is_partial: bool = False

    @property
    def weight(self) -> int:
        """How many codes it lists, as a measure of its size."""
        return 10 + len(self.listed or ()) + sum(len(one.concepts or ()) for one in (*self.include, *self.exclude))


def composition(value_set: Resource) -> Composition:
    """The rules of the value set, or else its stored expansion. Raise `CannotExpandError` if it has neither."""
    name = str(value_set.get("url") or "of the request")
    if "compose" in value_set:
        compose = value_set["compose"]
        return Composition(
            name,
            include=tuple(_criteria(name, one) for one in compose.get("include", [])),
            exclude=tuple(_criteria(name, one) for one in compose.get("exclude", [])),
            inactive=compose.get("inactive", True),
        )
    if "expansion" in value_set:
        return _stored(name, value_set["expansion"])
    raise CannotExpandError(f"ValueSet {name} says neither by rules nor by an expansion which codes it has.")


def _criteria(name: str, include: Resource) -> Criteria:
    # vsd-1 and vsd-2: otherwise nothing would say which codes are meant, and every code would meet it.
    if "system" not in include and ("valueSet" not in include or "concept" in include or "filter" in include):
        raise CannotExpandError(f"ValueSet {name} includes or excludes codes without saying of which system.")
    concepts = include.get("concept")
    return Criteria(
        system=include.get("system"),
        version=include.get("version"),
        concepts=None if concepts is None else _by_code(name, concepts),
        filters=tuple(_filter(name, one) for one in include.get("filter", [])),
        value_sets=tuple(_stated(name, {"valueSet": one}, "valueSet") for one in include.get("valueSet", [])),
    )


def _filter(name: str, one: Resource) -> Filter:
    return Filter(_stated(name, one, "property"), _stated(name, one, "op"), _stated(name, one, "value"))


def _by_code(name: str, concepts: list[Resource]) -> Mapping[str, Resource]:
    listed: dict[str, Resource] = {}
    for concept in concepts:
        listed.setdefault(_stated(name, concept, "code"), concept)
    return listed


def _stated(name: str, element: Resource, property: str) -> str:
    """R4's elements 1..1 may be there by an extension alone (json.html#primitive), which says nothing here."""
    value = element.get(property)
    if not isinstance(value, str):
        raise CannotExpandError(f"ValueSet {name} has a rule whose {property} has no value.")
    return value


def _stored(name: str, expansion: Resource) -> Composition:
    listed = {(one["system"], one["code"]): one for one in _contained(expansion) if "code" in one and "system" in one}
    is_page = "offset" in expansion or expansion.get("total", len(listed)) > len(listed)
    is_unclosed = any(one.get("url") == _UNCLOSED_URL for one in expansion.get("extension", []))
    return Composition(name, listed=listed, is_partial=is_page or is_unclosed)


def _contained(expansion: Resource) -> Iterator[Resource]:
    waiting = list(reversed(expansion.get("contains", [])))
    while waiting:
        entry = waiting.pop()
        yield entry
        waiting += reversed(entry.get("contains", []))
