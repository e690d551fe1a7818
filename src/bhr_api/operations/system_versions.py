"""Which versions of code systems an expansion shall be of (FHIR R4, valueset-operation-expand.html).

`system-version` is for where the value set names none, `check-system-version` is that and refuses another, and
`force-system-version` goes before what the value set names. The rules of the value set itself are rewritten. Those that it
includes are not: where they lead to another version, the expansion is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bhr_api.errors import InvalidParameterError
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.packages import split_canonical
from bhr_api.fhir.terminology.errors import CannotExpandError
from bhr_api.operations.terminology_questions import Question

NAMES = ("system-version", "check-system-version", "force-system-version")


@dataclass(frozen=True, slots=True)
class SystemVersions:
    """System -> version, by the parameter that names it."""

    default: Mapping[str, str] = field(default_factory=dict)
    checked: Mapping[str, str] = field(default_factory=dict)
    forced: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, question: Question) -> "SystemVersions":
        """Those of the question. Raises InvalidParameterError for a canonical without version, and for two of a system."""
        return cls(*(_by_system(name, question.all(name)) for name in NAMES))

    @property
    def canonicals(self) -> set[str]:
        """`system|version` of all."""
        return {f"{system}|{version}" for one in self._all for system, version in one.items()}

    @property
    def _all(self) -> tuple[Mapping[str, str], ...]:
        return self.forced, self.checked, self.default

    def applied(self, definition: Resource) -> Resource:
        """The value set whose own rules name these versions. Raises CannotExpandError for one that fails the check."""
        compose = definition.get("compose")
        if compose is None or not any(self._all):
            return definition
        parts = {
            name: [self._part(part) for part in compose[name]] for name in ("include", "exclude") if name in compose
        }
        return {**definition, "compose": {**compose, **parts}}

    def _part(self, part: Resource) -> Resource:
        system, named = part.get("system", ""), part.get("version")
        if system in self.forced:
            return {**part, "version": self.forced[system]}
        wanted = self.checked.get(system)
        if named is not None and wanted is not None and named != wanted:
            raise _differs(f"{system}|{named}", wanted)
        version = named or wanted or self.default.get(system)
        return part if version is None else {**part, "version": version}

    def require(self, used: Iterable[str], definition: Resource) -> None:
        """Raises CannotExpandError if `used`, the `system|version` of the expansion of `definition`, are others."""
        named = {
            f"{part.get('system')}|{part['version']}"
            for part in definition.get("compose", {}).get("include", ())
            if "version" in part
        }
        for canonical in used:
            system, version = split_canonical(canonical)
            firm = self.forced.get(system) or self.checked.get(system)
            wanted = firm or self.default.get(system)
            may_differ = firm is None and canonical in named
            if version is not None and wanted is not None and version != wanted and not may_differ:
                raise _differs(canonical, wanted)


def _by_system(name: str, canonicals: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for canonical in canonicals:
        system, version = split_canonical(canonical)
        if version is None:
            raise InvalidParameterError(name, canonical, "it is system|version")
        if found.setdefault(system, version) != version:
            raise InvalidParameterError(name, canonical, "another version of this system is named too")
    return found


def _differs(used: str, wanted: str) -> CannotExpandError:
    return CannotExpandError(f"The value set leads to {used}, where version {wanted} was asked for.")
