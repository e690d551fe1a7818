"""The code systems and value sets at hand: those of R4 itself, and those of packages and of the store.

Canonicals may carry a version (references.html#canonical). What R4 defines under http://hl7.org/fhir is fixed by the
release and asked for first; everything else, HL7's terminology.hl7.org included, may come in a newer version.
"""

import re
from typing import Protocol

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology import hl7
from bhr_api.fhir.terminology.bounded_cache import BoundedCache
from bhr_api.fhir.terminology.code_systems import CodeSystem
from bhr_api.fhir.terminology.compositions import Composition, composition

# A parsed concept takes 200 bytes and more beside its JSON; docs/terminology.md says what was measured.
CONCEPTS_KEPT = 150_000
LISTED_CODES_KEPT = 100_000

_OF_R4 = re.compile(r"http://hl7\.org/fhir/((CodeSystem|ValueSet)/)?[^/]+")

# What is not there is remembered too, so that a binding that nobody can check costs no question to the source each time.
_ABSENT = CodeSystem({"resourceType": "CodeSystem", "url": ""})
_NO_RULES = Composition("")


class TerminologySource(Protocol):
    """Where the resources of loaded packages and of the store come from."""

    def value_set(self, canonical: str) -> Resource | None:
        """The ValueSet of this `url` or `url|version`, without version the newest; None if there is none."""

    def code_system(self, canonical: str) -> Resource | None:
        """The CodeSystem of this `url` or `url|version`, without version the newest; None if there is none."""


class NothingLoaded:
    """The source of a server without packages."""

    def value_set(self, canonical: str) -> Resource | None:  # noqa: ARG002
        """None."""
        return None

    def code_system(self, canonical: str) -> Resource | None:  # noqa: ARG002
        """None."""
        return None


class Library:
    """Resources by canonical, parsed once and held within bounds."""

    def __init__(self, source: TerminologySource) -> None:
        self._source = source
        self._code_systems: BoundedCache[str, CodeSystem] = BoundedCache(CONCEPTS_KEPT)
        self._value_sets: BoundedCache[str, Composition] = BoundedCache(LISTED_CODES_KEPT)

    def code_system(self, canonical: str) -> CodeSystem | None:
        """The code system, None if it is not at hand; a supplement is none (codesystem.html#supplements)."""
        canonical = canonical.removesuffix("|*")
        held = self._code_systems.get(canonical)
        if held is None:
            resource = self._code_system(canonical)
            held = _ABSENT if resource is None else CodeSystem(resource)
            self._code_systems.put(canonical, held, 100 + len(held.concepts))
        return None if held is _ABSENT else held

    def _code_system(self, canonical: str) -> Resource | None:
        url, _, version = canonical.partition("|")
        own = _of_version(hl7.code_system(url), version)
        if own is not None and _OF_R4.fullmatch(url):
            return own
        loaded = self._source.code_system(canonical)
        if loaded is None or loaded.get("content") == "supplement":
            return own
        # Packages may bring a stub of a system that is here in full.
        is_stub = loaded.get("content") in ("not-present", "example")
        return own if is_stub and own is not None and own["content"] == "complete" else loaded

    def value_set(self, canonical: str) -> Composition | None:
        """The rules of the value set; None if it is not at hand. Raise `CannotExpandError` if it has no rules."""
        held = self._value_sets.get(canonical)
        if held is None:
            resource = self.value_set_resource(canonical)
            held = _NO_RULES if resource is None else composition(resource)
            self._value_sets.put(canonical, held, held.weight)
        return None if held is _NO_RULES else held

    def value_set_resource(self, canonical: str) -> Resource | None:
        """The ValueSet of the canonical; None if it is not at hand."""
        url, _, version = canonical.partition("|")
        own = _of_version(hl7.value_set(url), version)
        if own is not None and _OF_R4.fullmatch(url):
            return own
        return self._source.value_set(canonical) or own


def _of_version(resource: Resource | None, version: str) -> Resource | None:
    return resource if resource is not None and version in ("", resource.get("version")) else None
