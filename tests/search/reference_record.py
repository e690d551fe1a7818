"""A record as one caller sees it, and where its references lead (FHIR R4, references.html; SMART 2.2, scopes).

What the caller may not see is left out from the start, so that nothing here can find, follow or count it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.search.reference_paths import Parameter, Resource
from tests.search.reference_terminology import Terminology

# What belongs to no patient and is open to every patient (docs/authorization.md).
SHARED_TYPES = frozenset({
    "Practitioner", "PractitionerRole", "Organization", "Location", "HealthcareService", "Medication", "Endpoint",
    "Questionnaire", "PlanDefinition", "ActivityDefinition", "CodeSystem", "ValueSet", "ConceptMap",
})  # fmt: skip

_VERSION = re.compile(r"/_history/[^/]+$")
_LITERAL = re.compile(r"(?:.*/)?([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
_SCOPE = re.compile(r"(system|user|patient)/(\*|\w+)\.(c?r?u?d?s?)")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `scope` in SMART's words, and the patient to whom `patient/` scopes are bound; without one they are void."""

    scope: str = "system/*.rs"
    patient: str | None = None

    def contexts(self, resource_type: str, letter: str) -> set[str]:
        """In which contexts, `system`, `user` and `patient`, the letter is allowed on the type."""
        allowed = {
            context
            for context, name, letters in _parsed(self.scope)
            if name in ("*", resource_type) and letter in letters
        }
        return allowed if self.patient is not None else allowed - {"patient"}

    def may_search(self, resource_type: str) -> bool:
        return bool(self.contexts(resource_type, "s"))

    def sees(self, resource: Resource, base_url: str, letter: str) -> bool:
        """By a `system/` or `user/` scope everything of the type, by a `patient/` one what is the patient's or shared."""
        contexts = self.contexts(resource["resourceType"], letter)
        return bool(contexts - {"patient"}) or (
            "patient" in contexts
            and (resource["resourceType"] in SHARED_TYPES or patient_of(resource, base_url) == self.patient)
        )


@cache
def _parsed(scope: str) -> list[tuple[str, str, str]]:
    parsed = [_SCOPE.fullmatch(word) for word in scope.split()]
    return [(one[1], one[2], one[3]) for one in parsed if one]


def patient_of(resource: Resource, base_url: str) -> str | None:
    """The id of the patient in whose record the resource is: its own, or its subject's."""
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    kind, _, id = local(resource.get("subject", {}).get("reference", ""), base_url).partition("/")
    return id if kind == "Patient" else None


def local(url: str, base_url: str) -> str:
    """The reference without its version, and relative where it points into this server."""
    return _VERSION.sub("", url).removeprefix(base_url + "/")


class SeenRecord:
    """The resources that the caller may see, by type, by id and by canonical URL. `base_url` has no final slash.

    SMART 2.2, scopes: `s` lets a search find them, and go through them; `r` lets a reference bring them, as it lets them be
    read by their address. `letters` are those of which one is needed.
    """

    def __init__(self, resources: Sequence[Resource], caller: Caller, base_url: str, letters: str = "s") -> None:
        self._resources = resources
        self.base_url = base_url
        self.caller = caller
        self.of_type: dict[str, list[Resource]] = defaultdict(list)
        self._by_id: dict[str, Resource] = {}
        self._by_url: dict[str, list[Resource]] = defaultdict(list)
        seen = [one for one in resources if any(caller.sees(one, base_url, letter) for letter in letters)]
        for one in seen:
            self.of_type[one["resourceType"]].append(one)
            self._by_id[f"{one['resourceType']}/{one.get('id', '')}"] = one
            if "url" in one:
                self._by_url[one["url"]].append(one)
        self.terminology = Terminology(one for one in resources if caller.sees(one, base_url, "r"))

    def by(self, letters: str) -> "SeenRecord":
        """The same record, as one of the letters lets the caller see it."""
        return SeenRecord(self._resources, self.caller, self.base_url, letters)

    def local(self, url: str) -> str:
        """The reference without its version, and relative where it points into this server."""
        return local(url, self.base_url)

    def type_of(self, element: Any) -> str | None:
        """The type to which a Reference is, by its address or else by what it says."""
        if not isinstance(element, dict):
            return None
        found = _LITERAL.fullmatch(self.local(element.get("reference", "")))
        return found[1] if found else element.get("type")

    def elements(self, asked: Parameter, resource: Resource) -> list[Any]:
        """The elements at which the parameter looks."""
        found = asked.elements(resource)
        if asked.kind == "composite":
            return [one for one in found if all(part.elements(one) for part in asked.parts)]
        return [one for one in found if not asked.only or self.type_of(one) == asked.only]

    def referred(self, asked: Parameter, resource: Resource, *, as_named: bool = False) -> Iterator[Resource]:
        """The resources of this record to which the parameter's elements lead, of the types it may lead to.

        `as_named`: a version that is not in the record leads nowhere, instead of to the current one.
        """
        for element in self.elements(asked, resource):
            version = "" if isinstance(element, str) else _VERSION.search(element.get("reference", ""))
            if as_named and version and version[0] != "/_history/1":
                continue
            for one in self._led_to(element):
                if one["resourceType"] in asked.targets:
                    yield one

    def _led_to(self, element: Any) -> list[Resource]:
        if isinstance(element, str):
            url, _, version = element.partition("|")
            return [one for one in self._by_url.get(url, []) if not version or one.get("version", version) == version]
        found = self._by_id.get(self.local(element.get("reference", "")))
        return [found] if found else []

    def with_ancestors(self, held: str) -> list[str]:
        """The Type/id and, nearest first, what it is a part of, as far as the caller sees."""
        line: list[str] = []
        while held and held not in line:
            line.append(held)
            held = self.local(self._by_id.get(held, {}).get("partOf", {}).get("reference", ""))
        return line
