"""What the compilation of one profile's elements needs to know of the rest: names for sentences, other profiles."""

from dataclasses import dataclass
from typing import Protocol

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.profiles.conformance import Conformance
from bhr_api.fhir.profiles.findings import Findings
from bhr_api.fhir.profiles.snapshot import Element
from bhr_api.fhir.profiles.walk import Walk


class CompiledProfile(Protocol):
    """A profile that can be checked as part of another."""

    @property
    def key(self) -> str:
        """Its url and version."""

    @property
    def structure(self) -> Resource:
        """The StructureDefinition."""

    @property
    def root(self) -> Element:
        """The root of its snapshot."""

    def findings(self, value: object, companion: object, walk: Walk) -> Findings:
        """What is to be said of a value that should conform; paths start at the value."""


class Profiles(Protocol):
    """Compiled profiles by canonical."""

    @property
    def conformance(self) -> Conformance:
        """The loaded definitions."""

    def get(self, canonical: str) -> CompiledProfile | None:
        """The profile, None if it is not loaded."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The profile whose elements are being compiled: its name, its root element, and the others around it."""

    name: str
    root: Element
    profiles: Profiles

    def label(self, element: Element) -> str:
        """How sentences name the rule: the profile and the id of the element."""
        return f"({self.name}, {element.id})"
