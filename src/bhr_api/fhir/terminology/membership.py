"""Whether a code is in a value set, answered from the rules without expanding (FHIR R4, valueset.html#compositions)."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from bhr_api.fhir.terminology.code_systems import CodeSystem
from bhr_api.fhir.terminology.compositions import Composition, Criteria
from bhr_api.fhir.terminology.errors import CannotExpandError, not_loaded
from bhr_api.fhir.terminology.run import Run

MAX_IMPORT_DEPTH = 40

Condition = Callable[[], bool]
"""Raises `CannotExpandError` if it cannot be told."""


class Membership:
    """One question: is this code of this system in ...? Every value set on the way is answered once.

    Its methods raise `CannotExpandError` where that cannot be told, and `TooCostlyError` past the bound of the run.
    """

    def __init__(self, run: Run, system: str, code: str, *, allow_abstract: bool) -> None:
        self._run = run
        self._system = system
        self._code = code
        self._allow_abstract = allow_abstract
        self._known: dict[str, bool | CannotExpandError] = {}
        self._open: list[str] = []
        self._with_abstract = self if allow_abstract else Membership(run, system, code, allow_abstract=True)

    def of_canonical(self, canonical: str) -> bool:
        """Whether it is in the value set of this canonical."""
        answer = self._known.get(canonical)
        if answer is None:
            self._run.spend()
            answer = self._known[canonical] = self._followed(canonical)
        if isinstance(answer, CannotExpandError):
            raise answer
        return answer

    def _followed(self, canonical: str) -> bool | CannotExpandError:
        path = [*self._open, canonical]
        try:
            require_end(path)
            composition = self._run.library.value_set(canonical)
            if composition is None:
                return not_loaded("ValueSet", canonical)
            self._open.append(canonical)
            try:
                return self.of(composition)
            finally:
                self._open.pop()
        except CannotExpandError as error:
            return error

    def of(self, composition: Composition) -> bool:
        """Whether it is in this value set."""
        if composition.listed is not None:
            return self._is_listed(composition)
        if not _some(self._conditions(one, composition.inactive) for one in composition.include):
            return False
        return not self.is_excluded(composition)

    def is_excluded(self, composition: Composition) -> bool:
        """Whether an exclude takes it away, which takes abstract and inactive codes away like any others."""
        excludes = (self._with_abstract._conditions(one, inactive=True) for one in composition.exclude)
        return _some(excludes)

    def is_in_all(self, canonicals: Iterable[str]) -> bool:
        """Whether it is in all of these value sets."""
        return _every(partial(self.of_canonical, one) for one in canonicals)

    def _is_listed(self, composition: Composition) -> bool:
        entry = (composition.listed or {}).get((self._system, self._code))
        if entry is not None:
            return self._allow_abstract or not entry.get("abstract", False)
        if composition.is_partial:
            raise CannotExpandError(f"ValueSet {composition.name} holds only a part of its expansion, and no rules.")
        return False

    def _conditions(self, criteria: Criteria, inactive: bool) -> Iterator[Condition]:
        if criteria.system is not None:
            yield lambda: criteria.system == self._system and self._is_selected(criteria, inactive)
        for canonical in criteria.value_sets:
            yield partial(self.of_canonical, canonical)

    def _is_selected(self, criteria: Criteria, inactive: bool) -> bool:
        system = self._run.library.code_system(criteria.canonical)
        if criteria.concepts is not None:
            return self._is_among(criteria, system) and (inactive or not _is_inactive(system, self._code))
        if system is None:
            raise not_loaded("CodeSystem", criteria.canonical)
        if not criteria.filters and system.content == "not-present":
            return True  # Nobody can list the codes of such a system: the value set is matched by system.
        code = system.spelled(self._code)
        if code is None:
            return require_complete(system)
        if not is_usable(system, code, allow_abstract=self._allow_abstract, inactive=inactive):
            return False
        return all(self._run.test(system, one)(code) for one in criteria.filters) or require_complete(system)

    def _is_among(self, criteria: Criteria, system: CodeSystem | None) -> bool:
        if self._code in (criteria.concepts or ()):
            return True
        spelled = None if system is None else system.spelled(self._code)
        if system is None or spelled is None:
            return False
        return any(system.spelled(one) == spelled for one in criteria.listed_in_any_case.get(spelled.casefold(), ()))


def is_usable(system: CodeSystem, code: str, *, allow_abstract: bool, inactive: bool) -> bool:
    """Whether a rule that does not name the code itself may select it."""
    return (allow_abstract or not system.is_abstract(code)) and (inactive or not system.is_inactive(code))


def require_complete(system: CodeSystem) -> bool:
    """False; raises `CannotExpandError` where the system holds but some of its codes, so that it may be otherwise."""
    if not system.is_complete:
        raise CannotExpandError(
            f"CodeSystem {system.canonical} is here with content {system.content}, not complete. Load all of it."
        )
    return False


def require_end(path: list[str]) -> None:
    """Raise `CannotExpandError` if the last value set of the path of inclusions includes itself or is too deep in it."""
    if path[-1] in path[:-1]:
        circle = path[path.index(path[-1]) :]
        raise CannotExpandError(f"ValueSet {path[-1]} includes itself: {' > '.join(circle[:6])}.")
    if len(path) > MAX_IMPORT_DEPTH:
        raise CannotExpandError(f"ValueSet {path[0]} leads over more than {MAX_IMPORT_DEPTH} others.")


def _is_inactive(system: CodeSystem | None, code: str) -> bool:
    spelled = None if system is None else system.spelled(code)
    return system is not None and spelled is not None and system.is_inactive(spelled)


def _some(includes: Iterable[Iterable[Condition]]) -> bool:
    """Whether one include holds; what cannot be told of another matters only if none does."""
    doubt: CannotExpandError | None = None
    for conditions in includes:
        try:
            if _every(conditions):
                return True
        except CannotExpandError as error:
            doubt = doubt or error
    if doubt is not None:
        raise doubt
    return False


def _every(conditions: Iterable[Condition]) -> bool:
    """Whether all conditions hold; what cannot be told of one matters only if no other fails."""
    doubt: CannotExpandError | None = None
    for condition in conditions:
        try:
            if not condition():
                return False
        except CannotExpandError as error:
            doubt = doubt or error
    if doubt is not None:
        raise doubt
    return True
