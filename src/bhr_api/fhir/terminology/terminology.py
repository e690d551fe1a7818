"""Questions of terminology: expand, validate, look up, subsume (FHIR R4, terminology-service.html).

A `Terminology` sees its source as it was when a question was first asked: make a new one when the source has changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bhr_api.errors import TooCostlyError
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.bounded_cache import BoundedCache
from bhr_api.fhir.terminology.code_systems import CodeSystem, Concept, Subsumption
from bhr_api.fhir.terminology.compositions import Composition, composition
from bhr_api.fhir.terminology.errors import (
    CannotExpandError,
    UnknownCodeSystemError,
    UnknownValueSetError,
    not_loaded,
)
from bhr_api.fhir.terminology.expansions import Choice, Entries, Entry, Expander, Expansion, text_choice
from bhr_api.fhir.terminology.library import Library, NothingLoaded, TerminologySource
from bhr_api.fhir.terminology.membership import Membership
from bhr_api.fhir.terminology.run import Run

EXPANDED_CODES_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class Validation:
    """The answer of $validate-code: `message` says what is wrong, `display` is a right one if one is known."""

    result: bool
    message: str | None
    display: str | None


class Terminology:
    """Answers from HL7's own code systems, R4's value sets and the resources of `source`."""

    def __init__(self, source: TerminologySource | None = None) -> None:
        self._library = Library(source or NothingLoaded())
        self._expansions: BoundedCache[tuple[str, bool], Entries] = BoundedCache(EXPANDED_CODES_KEPT)

    def value_set(self, canonical: str) -> Resource:
        """The ValueSet as it is loaded, not to be changed. Raise `UnknownValueSetError`."""
        found = self._library.value_set_resource(canonical)
        if found is None:
            raise UnknownValueSetError(canonical)
        return found

    def code_system(self, url: str, version: str | None = None) -> CodeSystem:
        """The code system. Raise `UnknownCodeSystemError`."""
        return self._code_system(url, version)

    def expand(
        self,
        value_set: Resource | str,
        *,
        text: str = "",
        offset: int = 0,
        count: int | None = None,
        active_only: bool = False,
        include_designations: bool = False,
        allow_abstract: bool = False,
    ) -> Expansion:
        """The codes of a ValueSet or of the one with this canonical, `count` of them from `offset` on.

        `text` keeps those with a word that starts so, for each word of it. Codes that only group others are left out
        unless the value set lists them, or `allow_abstract`. Raise `UnknownValueSetError`, `CannotExpandError` that
        names what is not loaded, `TooCostlyError` beyond 10,000 codes.
        """
        expander = Expander(Run(self._library, many=True), self._expansions, allow_abstract=allow_abstract)
        choice = _choice(text, active_only)
        if isinstance(value_set, str) and choice is None:
            self._composition(value_set)
            entries = expander.of_canonical(value_set)
        else:
            entries = expander.of(self._composition(value_set), choice)
        systems = {f"{one.system}|{one.version}" if one.version else one.system: None for one in entries.values()}
        page = list(entries.values())[offset : None if count is None else offset + count]
        if not include_designations:
            page = [replace(one, designations=()) if one.designations else one for one in page]
        return Expansion(tuple(page), len(entries), offset, tuple(systems))

    def is_member(
        self, value_set: Resource | str, system: str | None, code: str, *, allow_abstract: bool = False
    ) -> bool | None:
        """Whether the code is in the value set, without expanding it; None if that cannot be told.

        Without `system`, as for an element of type code, whether it is one of any system there.
        """
        try:
            return self._is_member(value_set, system, code, allow_abstract=allow_abstract)
        except (CannotExpandError, TooCostlyError, UnknownValueSetError):
            return None

    def _is_member(self, value_set: Resource | str, system: str | None, code: str, *, allow_abstract: bool) -> bool:
        rules = self._composition(value_set)
        run = Run(self._library, many=False)
        if system is not None:
            return Membership(run, system, code, allow_abstract=allow_abstract).of(rules)
        doubt: CannotExpandError | None = None
        for one in self._systems(rules, run):
            known = self._library.code_system(one)
            try:
                if Membership(run, one, code, allow_abstract=allow_abstract).of(rules):
                    if known is None or known.content != "not-present":
                        return True
                    doubt = not_loaded("CodeSystem", one)
            except CannotExpandError as error:
                doubt = doubt or error
        if doubt is not None:
            raise doubt
        return False

    def _systems(self, rules: Composition, run: Run) -> Iterator[str]:
        """The systems that the value set and those it includes take codes from, each once."""
        systems: set[str] = set()
        seen: set[str] = set()
        waiting = [rules]
        while waiting:
            one = waiting.pop()
            new = {system for system, _ in one.listed or ()} | {part.system for part in one.include if part.system}
            yield from sorted(new - systems)
            systems |= new
            for canonical in (canonical for part in one.include for canonical in part.value_sets):
                if canonical not in seen:
                    seen.add(canonical)
                    run.spend()
                    included = self._library.value_set(canonical)
                    if included is None:
                        raise not_loaded("ValueSet", canonical)
                    waiting.append(included)

    def validate_code(
        self,
        code: str,
        *,
        system: str | None = None,
        value_set: Resource | str | None = None,
        display: str | None = None,
        version: str | None = None,
        allow_abstract: bool = False,
    ) -> Validation:
        """Whether the code is in the value set, or without one in the code system, and the display is one of its own.

        `version` is that of the system. Raise what `expand` raises where it cannot be told.
        """
        if value_set is None:
            return self._validate_in_system(code, system, display, version, allow_abstract)
        if not self._is_member(value_set, system, code, allow_abstract=allow_abstract):
            name = self._composition(value_set).name
            where = f" of {system}" if system else ""
            return Validation(False, f"The code {code!r}{where} is not in the value set {name}.", None)
        return _with_display(self._names(value_set, system, code, version), display)

    def _validate_in_system(
        self, code: str, system: str | None, display: str | None, version: str | None, allow_abstract: bool
    ) -> Validation:
        if system is None:
            raise UnknownCodeSystemError("without a name")
        known = self._code_system(system, version)
        spelled = known.spelled(code)
        if spelled is None and not known.is_complete:
            raise CannotExpandError(f"CodeSystem {known.canonical} has not all its codes here ({known.content}).")
        if spelled is None:
            return Validation(False, f"{known.canonical} has no code {code!r}.", None)
        if known.is_abstract(spelled) and not allow_abstract:
            return Validation(False, f"The code {code!r} of {known.canonical} is abstract.", known.display(spelled))
        return _with_display(_names_of(known, spelled), display)

    def _names(self, value_set: Resource | str, system: str | None, code: str, version: str | None) -> list[str]:
        """Displays of a member, those of the value set first."""
        names = [
            name
            for one in self._composition(value_set).include
            if one.concepts is not None and code in one.concepts and system in (None, one.system)
            for name in _names_in(one.concepts[code])
        ]
        known = None if system is None else self._library.code_system(_canonical(system, version))
        spelled = None if known is None else known.spelled(code)
        return names + (_names_of(known, spelled) if known is not None and spelled is not None else [])

    def lookup(self, system: str, code: str, version: str | None = None) -> Concept:
        """All that is known of the code. Raise `UnknownCodeSystemError` or `UnknownCodeError`."""
        return self._code_system(system, version).concept(code)

    def subsumes(self, system: str, a: str, b: str, version: str | None = None) -> Subsumption:
        """How `a` stands to `b`. Raise `UnknownCodeSystemError`, `UnknownCodeError`, `CannotExpandError`."""
        return self._code_system(system, version).subsumption(a, b)

    def whole_systems(self, value_set: str) -> tuple[str, ...] | None:
        """The systems that the value set consists of where it takes each whole, whatever their codes; else None."""
        rules = self._composition(value_set)
        whole = all(
            part.system and part.concepts is None and not part.filters and not part.value_sets for part in rules.include
        )
        if not whole or rules.exclude or rules.listed is not None or not rules.inactive:
            return None
        return tuple(dict.fromkeys(str(part.system) for part in rules.include))

    def descendants(self, system: str, code: str) -> frozenset[str]:
        """The code and all codes below it, for the modifier :below (search.html#token).

        Raise `CannotExpandError` if the system is not loaded, has not this code, or only a part of its codes is here.
        """
        return self._for_search(system, code).descendants(code)

    def ancestors(self, system: str, code: str) -> frozenset[str]:
        """The code and all codes above it, for the modifier :above. Raise as `descendants` does."""
        return self._for_search(system, code).ancestors(code)

    def _for_search(self, system: str, code: str) -> CodeSystem:
        known = self._library.code_system(system)
        if known is None:
            raise not_loaded("CodeSystem", system)
        if not known.is_complete:
            raise CannotExpandError(f"CodeSystem {known.canonical} has not all its codes here ({known.content}).")
        if known.spelled(code) is None:
            raise CannotExpandError(f"{known.canonical} has no code {code!r}.")
        return known

    def _code_system(self, url: str, version: str | None) -> CodeSystem:
        canonical = _canonical(url, version)
        known = self._library.code_system(canonical)
        if known is None:
            raise UnknownCodeSystemError(canonical)
        return known

    def _composition(self, value_set: Resource | str) -> Composition:
        if not isinstance(value_set, str):
            return composition(value_set)
        known = self._library.value_set(value_set)
        if known is None:
            raise UnknownValueSetError(value_set)
        return known


def _canonical(url: str, version: str | None) -> str:
    return f"{url}|{version}" if version else url


def _choice(text: str, active_only: bool) -> Choice | None:
    choices: list[Choice] = []
    if active_only:
        choices.append(_is_active)
    if text.strip():
        choices.append(text_choice(text))
    return (lambda entry: all(choice(entry) for choice in choices)) if choices else None


def _is_active(entry: Entry) -> bool:
    return not entry.is_inactive


def _names_of(system: CodeSystem, code: str) -> list[str]:
    return _names_in(system.concepts[code])


def _names_in(concept: Resource) -> list[str]:
    designations = [one["value"] for one in concept.get("designation", ()) if "value" in one]
    return [*([concept["display"]] if "display" in concept else []), *designations]


def _with_display(names: list[str], display: str | None) -> Validation:
    """Right unless a display was given that is none of the names; how they are spaced and their case are left alone."""
    right = names[0] if names else None
    if display is None or not names or _plain(display) in {_plain(name) for name in names}:
        return Validation(True, None, right)
    return Validation(False, f"The display is not one of this code's; {right!r} is.", right)


def _plain(display: str) -> str:
    return " ".join(display.split()).casefold()


BUILT_IN = Terminology()
"""What is known where nothing is loaded, shared so that HL7's own systems are read once."""
