"""Resources against profiles: a StructureDefinition with a snapshot is compiled once and then checks any number of resources.

FHIR R4, profiling.html and validation.html. The resources are valid R4 already (`validation.validate`); what R4 itself
demands is not told again. What is checked, and as what it is told: docs/profiles.md.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from bhr_api.errors import Issue
from bhr_api.fhir.definitions import Resource, is_subtype
from bhr_api.fhir.profiles.conformance import SIMPLE_QUANTITY, Conformance
from bhr_api.fhir.profiles.elements import Content
from bhr_api.fhir.profiles.extensions import extension_findings
from bhr_api.fhir.profiles.findings import NOTHING, Finding, Findings, issues
from bhr_api.fhir.profiles.scope import Profiles, Scope
from bhr_api.fhir.profiles.snapshot import Element, tree_of
from bhr_api.fhir.profiles.walk import Entries, Walk, walk_of


class Profile:
    """A compiled StructureDefinition; its elements are compiled as resources have them."""

    def __init__(self, structure: Resource, profiles: Profiles) -> None:
        """Raises ValueError if the structure has no snapshot."""
        if not structure.get("snapshot", {}).get("element"):
            raise ValueError(f"{structure.get('url')} has no snapshot; only profiles with a snapshot can be checked.")
        self.structure = structure
        self.profiles = profiles
        self.name = str(structure.get("title") or structure.get("name") or structure["url"])
        self.key = f"{structure['url']}|{structure.get('version', '')}"

    @cached_property
    def root(self) -> Element:
        """The root of the snapshot."""
        return tree_of(self.structure)

    @cached_property
    def _content(self) -> Content:
        return Content(self.root, None, Scope(self.name, self.root, self.profiles), None)

    def check(self, resource: Resource) -> list[Issue]:
        """Errors, warnings and remarks on a resource that is valid R4; empty if there is nothing to say.

        Each names the rule: the profile with the id of its element, or the key of the invariant.
        """
        return check_profiles(resource, [self])

    def findings(self, value: Any, companion: Any, walk: Walk) -> Findings:
        """What is to be said of a resource or an element that should conform, extensions apart; paths start at it.

        Of a value that is being checked against this profile already, further out, nothing is said again.
        """
        type_name: str = self.structure["type"]
        actual = value.get("resourceType", type_name) if isinstance(value, dict) else type_name
        if not is_subtype(actual, type_name):
            return [Finding("error", "structure", f"This is of type {actual}, but {self.name} is for {type_name}.")]
        run = (self.key, id(companion if value is None else value))
        if run in walk.run.running:
            return NOTHING
        walk.run.running.add(run)
        try:
            return self._content.inner(value, companion, actual, walk)
        finally:
            walk.run.running.discard(run)


# The one profile of R4 that R4's own elements are typed with. MoneyQuantity, the other, is Quantity by another name.
_BUILT_IN: Mapping[str, Resource] = {
    SIMPLE_QUANTITY: {
        "url": SIMPLE_QUANTITY,
        "title": "SimpleQuantity",
        "type": "Quantity",
        "snapshot": {
            "element": [
                {"id": "Quantity", "path": "Quantity"},
                {"id": "Quantity.comparator", "path": "Quantity.comparator", "min": 0, "max": "0"},
            ]
        },
    }
}


class LoadedProfiles:
    """The profiles of a `Conformance`, each compiled once, when it is first asked for.

    After other definitions are loaded, begin with a new one.
    """

    def __init__(self, conformance: Conformance) -> None:
        self.conformance = conformance
        self._compiled: dict[str, Profile | None] = {}

    def get(self, canonical: str) -> Profile | None:
        """The profile of a `url` or `url|version`; None if it is not loaded or has no snapshot."""
        if canonical not in self._compiled:
            structure = self.conformance.structure(canonical)
            has_snapshot = bool(structure and structure.get("snapshot", {}).get("element"))
            structure = structure if has_snapshot else _BUILT_IN.get(canonical.partition("|")[0])
            self._compiled[canonical] = Profile(structure, self) if structure else None
        return self._compiled[canonical]


def compile_profile(structure: Resource, conformance: Conformance) -> Profile:
    """The profile, ready to check. Raises ValueError if it has no snapshot.

    To compile several of the same definitions, ask one `LoadedProfiles` for them, so that what they share is compiled once.
    """
    return Profile(structure, LoadedProfiles(conformance))


def check_profiles(resource: Resource, profiles: Iterable[Profile], around: Entries | None = None) -> list[Issue]:
    """What the profiles together say of a resource that is valid R4, each issue once.

    For the resource of an entry, `around` are the entries of its Bundle, so that its references are followed to them.
    """
    walk = walk_of(resource, around)
    found: list[Finding] = []
    library: Profiles | None = None
    for profile in profiles:
        found += profile.findings(resource, None, walk)
        library = library or profile.profiles
    if library is not None:
        found += extension_findings(resource, library, walk)
    return issues(found, resource) if found else []


def check_extensions(resource: Resource, profiles: Profiles) -> list[Issue]:
    """What is to be said of the extensions of a resource for which no profile is asked."""
    return issues(extension_findings(resource, profiles, walk_of(resource)), resource)
