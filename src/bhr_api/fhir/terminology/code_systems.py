"""A code system ready for questions: codes, the hierarchy above and below, properties (FHIR R4, codesystem.html)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.errors import CannotExpandError, UnknownCodeError

Subsumption = Literal["equivalent", "subsumes", "subsumed-by", "not-subsumed"]

_PARENT_PROPERTIES = frozenset({"parent", "subsumedBy"})
_CHILD_PROPERTIES = frozenset({"child"})
_ABSTRACT_PROPERTIES = frozenset({"notSelectable", "abstract"})
# HL7's Version 3 systems say by their property `status` what R4's property `inactive` says; deprecated is not inactive.
_INACTIVE_STATUSES = frozenset({"retired", "inactive"})


@dataclass(frozen=True, slots=True)
class Concept:
    """All that is known of one code, as CodeSystem/$lookup tells it (codesystem-operation-lookup.html).

    `designations` are as in CodeSystem.concept.designation; `properties` are (code, value), where the value is a Coding,
    str, bool, int or decimal. `parents` and `children` are codes of the same system.
    """

    system: str
    system_name: str
    version: str | None
    code: str
    display: str | None
    definition: str | None
    designations: tuple[Resource, ...]
    properties: tuple[tuple[str, Any], ...]
    parents: tuple[str, ...]
    children: tuple[str, ...]
    is_abstract: bool
    is_inactive: bool


@dataclass(frozen=True, slots=True)
class _Hierarchy:
    """Parents and children of the codes that have some, by nesting and by property; not checked for circles."""

    parents: Mapping[str, tuple[str, ...]]
    children: Mapping[str, tuple[str, ...]]


@dataclass(eq=False)
class CodeSystem:
    """One version of a code system. `concepts` are the resource's own, by code; their nesting is in `nested`."""

    resource: Resource
    concepts: dict[str, Resource] = field(init=False, default_factory=dict)
    nested: dict[str, tuple[str, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        # Siblings share the tuple of their parent, which halves the memory of a large system.
        waiting: list[tuple[Resource, tuple[str, ...]]] = [
            (one, ()) for one in reversed(self.resource.get("concept", []))
        ]
        repeated: dict[str, list[str]] = {}
        while waiting:
            concept, parents = waiting.pop()
            code = concept.get("code")
            if code is None:  # json.html#primitive: it may be there by an extension alone.
                raise CannotExpandError(f"CodeSystem {self.canonical} has a concept whose code has no value.")
            self.concepts.setdefault(code, concept)
            if parents and self.nested.setdefault(code, parents) is not parents:
                repeated.setdefault(code, []).extend(parents)  # csd-1 forbids it; both parents hold.
            if children := concept.get("concept"):
                here = (code,)
                waiting += [(child, here) for child in reversed(children)]
        self.nested.update({code: (*self.nested[code], *more) for code, more in repeated.items()})

    @property
    def url(self) -> str:
        """The system of its codings."""
        return str(self.resource["url"])

    @property
    def version(self) -> str | None:
        """The business version, if it has one."""
        return self.resource.get("version")

    @property
    def canonical(self) -> str:
        """`url|version`, for the parameters of an expansion and for messages."""
        return f"{self.url}|{self.version}" if self.version else self.url

    @property
    def content(self) -> str:
        """complete, fragment, example, not-present (codesystem-content-mode.html)."""
        return str(self.resource.get("content", "not-present"))

    @property
    def is_complete(self) -> bool:
        """Whether a code that is not here does not exist."""
        return self.content == "complete"

    def spelled(self, code: str) -> str | None:
        """The code as the system writes it; None if it has none such.

        CodeSystem.caseSensitive: if it is not said that case matters, codes are accepted in any case.
        """
        if code in self.concepts:
            return code
        return None if self.resource.get("caseSensitive") is True else self._folded.get(code.casefold())

    @cached_property
    def _folded(self) -> Mapping[str, str | None]:
        folded: dict[str, str | None] = {}
        for code in self.concepts:
            # Two codes that differ by case alone are two codes: then case matters after all.
            folded[code.casefold()] = None if code.casefold() in folded else code
        return folded

    def written(self, code: str) -> str:
        """The code as the system writes it; raises `UnknownCodeError`."""
        spelled = self.spelled(code)
        if spelled is None:
            part = "" if self.is_complete else f" Of this system the content here is {self.content}: load the rest."
            raise UnknownCodeError(f"{self.canonical} has no code {code!r} here.{part}")
        return spelled

    def display(self, code: str) -> str | None:
        """The preferred display of a code that the system has."""
        return self.concepts[code].get("display")

    def properties(self, code: str) -> Iterator[tuple[str, Any]]:
        """(code, value) of each property of a code that the system has."""
        for one in self.concepts[code].get("property", []):
            for name, value in one.items():
                if name.startswith("value") and "code" in one:
                    yield one["code"], value

    @cached_property
    def property_names(self) -> frozenset[str]:
        """The properties that the system declares or gives to some concept."""
        declared = (one["code"] for one in self.resource.get("property", []) if "code" in one)
        return frozenset((*declared, *(name for code in self.concepts for name, _ in self.properties(code))))

    @cached_property
    def _meanings(self) -> Mapping[str, str]:
        """Property codes that mean one of R4's concept properties by their uri, whatever they are called."""
        start = "http://hl7.org/fhir/concept-properties#"
        return {
            one["code"]: one["uri"].removeprefix(start)
            for one in self.resource.get("property", [])
            if one.get("uri", "").startswith(start) and "code" in one
        }

    def meaning(self, property_code: str) -> str:
        """The name in R4's concept properties that the system's own property stands for, or its own."""
        return self._meanings.get(property_code, property_code)

    def is_abstract(self, code: str) -> bool:
        """Whether the code only groups others and may not be chosen (property notSelectable)."""
        return any(
            value is True and self.meaning(name) in _ABSTRACT_PROPERTIES for name, value in self.properties(code)
        )

    def is_inactive(self, code: str) -> bool:
        """Whether the code is no longer to be used."""
        return any(
            value is True if self.meaning(name) == "inactive" else name == "status" and str(value) in _INACTIVE_STATUSES
            for name, value in self.properties(code)
        )

    @cached_property
    def _hierarchy(self) -> _Hierarchy:
        by_property: dict[str, list[str]] = {}
        for code in self.concepts:
            for name, value in self.properties(code):
                meaning = self.meaning(name)
                if not isinstance(value, str):  # R4 has these as codes; who gives a Coding says nothing of this system.
                    continue
                if meaning in _PARENT_PROPERTIES and value in self.concepts:
                    by_property.setdefault(code, []).append(value)
                elif meaning in _CHILD_PROPERTIES and value in self.concepts:
                    by_property.setdefault(value, []).append(code)
        if not by_property:
            return _with_children(self.nested)
        both = {code: tuple(dict.fromkeys((*self.nested.get(code, ()), *more))) for code, more in by_property.items()}
        return _with_children({**self.nested, **both})

    def parents(self, code: str) -> tuple[str, ...]:
        """The codes directly above a code that the system has."""
        return self._hierarchy.parents.get(code, ())

    def children(self, code: str) -> tuple[str, ...]:
        """The codes directly below a code that the system has."""
        return self._hierarchy.children.get(code, ())

    @cached_property
    def _objection(self) -> str | None:
        """Why the hierarchy says nothing of subsumption; None if it does."""
        meaning = self.resource.get("hierarchyMeaning", "is-a")
        if meaning != "is-a" and self.nested:
            # codesystem-hierarchy-meaning.html: only is-a says that the narrower concept is a kind of the wider.
            return f"The hierarchy of {self.canonical} is {meaning}, not is-a: no code of it is a kind of another."
        try:
            TopologicalSorter(self._hierarchy.parents).prepare()
        except CycleError as error:
            return f"The hierarchy of {self.canonical} runs in a circle: {' < '.join(error.args[1][:5])}."
        return None

    def _is_a(self) -> _Hierarchy:
        if self._objection is not None:
            raise CannotExpandError(self._objection)
        return self._hierarchy

    def descendants(self, code: str) -> frozenset[str]:
        """The code itself and all below it. Raise `UnknownCodeError`, `CannotExpandError`."""
        return _closure(self.written(code), self._is_a().children)

    def ancestors(self, code: str) -> frozenset[str]:
        """The code itself and all above it. Raise `UnknownCodeError`, `CannotExpandError`."""
        return _closure(self.written(code), self._is_a().parents)

    def subsumption(self, a: str, b: str) -> Subsumption:
        """How code `a` stands to code `b` (codesystem-operation-subsumes.html)."""
        a, b = self.written(a), self.written(b)
        if a == b:
            return "equivalent"
        if a in self.ancestors(b):
            return "subsumes"
        return "subsumed-by" if b in self.ancestors(a) else "not-subsumed"

    def concept(self, code: str) -> Concept:
        """All that is known of the code. Raise `UnknownCodeError`."""
        code = self.written(code)
        known = self.concepts[code]
        return Concept(
            system=self.url,
            system_name=str(self.resource.get("name") or self.url),
            version=self.version,
            code=code,
            display=known.get("display"),
            definition=known.get("definition"),
            designations=tuple(known.get("designation", ())),
            properties=tuple(self.properties(code)),
            parents=self.parents(code),
            children=self.children(code),
            is_abstract=self.is_abstract(code),
            is_inactive=self.is_inactive(code),
        )


def _with_children(parents: Mapping[str, tuple[str, ...]]) -> _Hierarchy:
    children: dict[str, list[str]] = {}
    for code, above in parents.items():
        for parent in above:
            children.setdefault(parent, []).append(code)
    return _Hierarchy(parents, {code: tuple(below) for code, below in children.items()})


def _closure(start: str, following: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    found = {start}
    waiting = [start]
    while waiting:
        new = [code for code in following.get(waiting.pop(), ()) if code not in found]
        found.update(new)
        waiting += new
    return frozenset(found)
