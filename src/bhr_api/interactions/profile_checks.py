"""Whether a resource obeys the profiles that it declares, and those that the operator requires (FHIR R4, profiling.html).

Profiles come from the loaded packages. What is compiled of them is kept as long as the packages stay.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from bhr_api.errors import InvalidResourceError, Issue
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.profiles.conformance import core_type
from bhr_api.fhir.profiles.conformance import mentions as profile_mentions
from bhr_api.fhir.profiles.profile import LoadedProfiles, Profile, check_profiles
from bhr_api.fhir.profiles.walk import Entries
from bhr_api.fhir.terminology.bounded_cache import BoundedCache
from bhr_api.fhir.terminology.mentions import mentions as terminology_mentions
from bhr_api.fhir.terminology.terminology import Terminology
from bhr_api.interactions.definitions import Definitions, DefinitionsRegistry

Mode = Literal["on", "warn", "off"]

# Sets of profiles that are asked for together; each keeps what is compiled of its profiles.
_SETS_KEPT = 64


def mentions(resource: Resource) -> frozenset[str]:
    """The canonicals that a definition refers to."""
    is_profile = resource.get("resourceType") == "StructureDefinition"
    return profile_mentions(resource) if is_profile else terminology_mentions(resource)


def required_profiles(pairs: Sequence[str]) -> dict[str, list[str]]:
    """The profiles of each type, from `Type=canonical`."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        resource_type, _, canonical = pair.partition("=")
        found.setdefault(resource_type, []).append(canonical)
    return found


class _Loaded:
    """What profiles refer to: definitions of packages, and the codes of their value sets."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._terminology = Terminology(definitions)

    def structure(self, canonical: str) -> Resource | None:
        """The StructureDefinition of a canonical."""
        return self._definitions.structure(canonical)

    def is_member(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether the code is in the value set, None if that cannot be told."""
        return self._terminology.is_member(value_set, system, code)


@dataclass(slots=True)
class ProfileChecks:
    """`mode` is how declared profiles are taken: on, warn only, or off; `required` are canonicals by resource type."""

    registry: DefinitionsRegistry
    mode: Mode = "on"
    required: Mapping[str, Collection[str]] = field(default_factory=dict)
    _kept: BoundedCache[tuple[str, frozenset[str]], LoadedProfiles] = field(
        default_factory=lambda: BoundedCache(_SETS_KEPT)
    )

    async def refresh(self) -> None:
        """Notice that packages came or went, before a transaction holds a connection."""
        await self.registry.generation()

    async def notes_on(self, resource: Resource, around: Entries | None = None) -> list[Issue]:
        """What the profiles note of a valid resource, entry of `around` or alone, that does not stand in its way.

        Raises InvalidResourceError where it breaks one.
        """
        if self.mode == "off":
            return []
        issues = await self.issues_of(resource, self._asked(resource), around)
        if self.mode == "warn":
            return [_as_warning(issue) for issue in issues]
        errors = [issue for issue in issues if issue.severity in ("error", "fatal")]
        if errors:
            raise InvalidResourceError(errors)
        return issues

    async def issues_of(
        self, resource: Resource, canonicals: Collection[str], around: Entries | None = None
    ) -> list[Issue]:
        """Everything that the profiles `canonicals` say of the resource; a profile that is not loaded is a warning."""
        wanted = [canonical for canonical in dict.fromkeys(canonicals) if not _is_its_type(canonical, resource)]
        if not wanted:
            return []
        loaded = await self._load(frozenset(wanted))
        found: list[Profile] = []
        issues: list[Issue] = []
        for canonical in wanted:
            profile = loaded.get(canonical)
            if profile is None:
                issues.append(_not_loaded(canonical, resource))
            else:
                found.append(profile)
        return [*issues, *check_profiles(resource, found, around)]

    def _asked(self, resource: Resource) -> list[str]:
        declared = resource.get("meta", {}).get("profile", ())
        return [*declared, *self.required.get(resource["resourceType"], ())]

    async def _load(self, canonicals: frozenset[str]) -> LoadedProfiles:
        generation = await self.registry.generation()
        kept = self._kept.get((generation, canonicals))
        if kept is None:
            definitions = await self.registry.load(canonicals, mentions)
            kept = LoadedProfiles(_Loaded(definitions))
            self._kept.put((definitions.generation, canonicals), kept, 1)
        return kept


def _is_its_type(canonical: str, resource: Resource) -> bool:
    """A resource may declare the type that it is of: that is what R4's own validation has checked."""
    return bool(core_type(canonical) == resource["resourceType"])


def _not_loaded(canonical: str, resource: Resource) -> Issue:
    return Issue(
        "warning",
        "not-found",
        f"The profile {canonical} is not loaded, so the resource was not held against it (bhr-api packages add).",
        f"{resource['resourceType']}.meta.profile",
    )


def _as_warning(issue: Issue) -> Issue:
    return replace(issue, severity="warning") if issue.severity in ("error", "fatal") else issue
