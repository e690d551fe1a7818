"""The codes of a value set, one by one (FHIR R4, valueset.html#expansion, valueset-operation-expand.html)."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from bhr_api.errors import TooCostlyError
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.bounded_cache import BoundedCache
from bhr_api.fhir.terminology.code_systems import CodeSystem
from bhr_api.fhir.terminology.compositions import Composition, Criteria
from bhr_api.fhir.terminology.errors import CannotExpandError, not_loaded
from bhr_api.fhir.terminology.membership import Membership, is_usable, require_complete, require_end
from bhr_api.fhir.terminology.run import Run

MAX_CODES = 10_000

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One code of an expansion, as in ValueSet.expansion.contains. `version` is that of its code system."""

    system: str
    version: str | None
    code: str
    display: str | None
    is_abstract: bool
    is_inactive: bool
    designations: tuple[Resource, ...]


@dataclass(frozen=True, slots=True)
class Expansion:
    """A page of the codes of a value set, from `offset`; `total` counts all of them.

    `code_systems` are the `system|version` that the codes of the whole come from.
    """

    entries: tuple[Entry, ...]
    total: int
    offset: int
    code_systems: tuple[str, ...]


Entries = Mapping[tuple[str, str], Entry]
"""(system, code) -> entry, in the order of the rules."""

Choice = Callable[[Entry], bool]


class Expander:
    """Expands value sets within one run; those included are expanded once."""

    def __init__(self, run: Run, cache: BoundedCache[tuple[str, bool], Entries], *, allow_abstract: bool) -> None:
        self._run = run
        self._cache = cache
        self._allow_abstract = allow_abstract
        self._expanded: dict[str, Entries] = {}
        self._open: list[str] = []

    def of_canonical(self, canonical: str) -> Entries:
        """All codes of the value set. Raise `CannotExpandError` or `TooCostlyError`."""
        key = (canonical, self._allow_abstract)
        known = self._expanded[canonical] if canonical in self._expanded else self._cache.get(key)
        if known is None:
            require_end([*self._open, canonical])
            composition = self._run.library.value_set(canonical)
            if composition is None:
                raise not_loaded("ValueSet", canonical)
            self._open.append(canonical)
            known = self.of(composition)
            self._open.pop()
            self._cache.put(key, known, 10 + len(known))
        self._expanded[canonical] = known
        return known

    def of(self, composition: Composition, choice: Choice | None = None) -> Entries:
        """The codes of the value set that are of the choice. Raise `CannotExpandError` or `TooCostlyError`."""
        found: dict[tuple[str, str], Entry] = {}
        for entry in self._included(composition):
            self._run.spend()
            key = (entry.system, entry.code)
            if key in found or (choice is not None and not choice(entry)) or self._is_excluded(composition, entry):
                continue
            found[key] = entry
            if len(found) > MAX_CODES:
                raise TooCostlyError(
                    f"ValueSet {composition.name} has more than {MAX_CODES} codes. Ask for fewer, by text."
                )
        return found

    def _question(self, entry: Entry) -> Membership:
        return Membership(self._run, entry.system, entry.code, allow_abstract=self._allow_abstract)

    def _is_excluded(self, composition: Composition, entry: Entry) -> bool:
        return bool(composition.exclude) and self._question(entry).is_excluded(composition)

    def _included(self, composition: Composition) -> Iterator[Entry]:
        if composition.listed is not None:
            yield from self._stored(composition)
        for criteria in composition.include:
            entries, others = self._first_condition(criteria, composition.inactive)
            if not others:
                yield from entries
            else:
                yield from (entry for entry in entries if self._question(entry).is_in_all(others))

    def _first_condition(self, criteria: Criteria, inactive: bool) -> tuple[Iterable[Entry], tuple[str, ...]]:
        """The codes that meet one condition of an include, and the value sets that they must be in too."""
        if criteria.system is None:
            return self.of_canonical(criteria.value_sets[0]).values(), criteria.value_sets[1:]
        system = self._run.library.code_system(criteria.canonical)
        if criteria.concepts is not None:
            return self._listed(criteria, system, inactive), criteria.value_sets
        if system is None:
            raise not_loaded("CodeSystem", criteria.canonical)
        require_complete(system)
        return self._selected(criteria, system, inactive), criteria.value_sets

    def _listed(self, criteria: Criteria, system: CodeSystem | None, inactive: bool) -> Iterator[Entry]:
        for code, concept in (criteria.concepts or {}).items():
            entry = _entry(str(criteria.system), system, code, concept)
            if inactive or not entry.is_inactive:
                yield entry

    def _selected(self, criteria: Criteria, system: CodeSystem, inactive: bool) -> Iterator[Entry]:
        tests = [self._run.test(system, one) for one in criteria.filters]
        for code in system.concepts:
            self._run.spend()
            usable = is_usable(system, code, allow_abstract=self._allow_abstract, inactive=inactive)
            if usable and all(test(code) for test in tests):
                yield _entry(system.url, system, code, {})

    def _stored(self, composition: Composition) -> Iterator[Entry]:
        if composition.is_partial:
            raise CannotExpandError(f"ValueSet {composition.name} holds only a part of its expansion, and no rules.")
        for (system, code), entry in (composition.listed or {}).items():
            if self._allow_abstract or not entry.get("abstract", False):
                yield Entry(
                    system=system,
                    version=entry.get("version"),
                    code=code,
                    display=entry.get("display"),
                    is_abstract=entry.get("abstract", False),
                    is_inactive=entry.get("inactive", False),
                    designations=tuple(entry.get("designation", ())),
                )


def _entry(url: str, system: CodeSystem | None, code: str, concept: Resource) -> Entry:
    """`concept` is that of ValueSet.compose.include, whose display goes before the code system's."""
    spelled = None if system is None else system.spelled(code)
    if system is None or spelled is None:
        version = None if system is None else system.version
        return Entry(url, version, code, concept.get("display"), False, False, tuple(concept.get("designation", ())))
    return Entry(
        system=url,
        version=system.version,
        code=spelled,
        display=concept.get("display") or system.display(spelled),
        is_abstract=system.is_abstract(spelled),
        is_inactive=system.is_inactive(spelled),
        designations=(*concept.get("designation", ()), *system.concepts[spelled].get("designation", ())),
    )


def text_choice(text: str) -> Choice:
    """Entries whose display or code has, for each word of the text, a word that starts with it: `acut ast`."""
    wanted = _words(text)

    def is_chosen(entry: Entry) -> bool:
        words = _words(f"{entry.code} {entry.display or ''}")
        return all(any(word.startswith(one) for word in words) for one in wanted)

    return is_chosen


def _words(text: str) -> list[str]:
    """The words without case and accents."""
    if not text.isascii():
        text = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return _WORD.findall(text.casefold())
