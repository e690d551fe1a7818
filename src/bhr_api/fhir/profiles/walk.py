"""Where in a resource the check is, and what its references lead to (FHIR R4, references.html, bundle.html#references)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bhr_api.fhir.contained import by_id
from bhr_api.fhir.definitions import Resource

_RESTFUL = re.compile(r"(.*/)?([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII)


class Entries:
    """The resources of a Bundle by fullUrl."""

    def __init__(self, bundle: Resource) -> None:
        filled = [entry for entry in bundle.get("entry", ()) if "fullUrl" in entry and "resource" in entry]
        self.by_full_url: dict[str, Resource] = {entry["fullUrl"]: entry["resource"] for entry in filled}
        self._full_urls: dict[int, str] = {id(entry["resource"]): entry["fullUrl"] for entry in filled}

    def full_url_of(self, resource: Resource) -> str:
        """The fullUrl of this very resource, "" if it has none."""
        return self._full_urls.get(id(resource), "")


class Standing:
    """A resource that stands alone, at the top or in an entry, with what its references can reach.

    `around` are the entries of the Bundle that it is in, `full_url` is its own among them.
    """

    def __init__(self, resource: Resource, around: Entries | None = None, full_url: str = "") -> None:
        self.resource = resource
        self.around = around
        self.full_url = full_url

    @cached_property
    def contained(self) -> Mapping[str, Resource]:
        """Its contained resources by id."""
        return by_id(self.resource)

    @cached_property
    def entries(self) -> Entries | None:
        """Its own entries if it is a Bundle, else those of the Bundle that it is in."""
        return Entries(self.resource) if self.resource.get("resourceType") == "Bundle" else self.around

    def resolve(self, reference: str) -> Resource | None:
        """The resource that a literal reference names, if it is contained or in the same Bundle."""
        if reference.startswith("#"):
            return self.contained.get(reference[1:]) if len(reference) > 1 else self.resource
        if self.entries is None:
            return None
        match = _RESTFUL.fullmatch(reference)
        if match is None:
            return self.entries.by_full_url.get(reference)
        # bundle.html#references: a relative reference is completed from the fullUrl of the entry it stands in.
        own = None if match[1] else _RESTFUL.fullmatch(self.full_url)
        base = match[1] or (own[1] if own else None)
        return self.entries.by_full_url.get(f"{base}{match[2]}") if base else None


@dataclass(slots=True)
class Run:
    """What all steps of one check share.

    `running` are the checks under way, (profile, identity of the value); `verdicts` say of resources that were referred
    to what is wrong with them, so that each is checked once however many references lead to it.
    """

    running: set[tuple[str, int]] = field(default_factory=set)
    verdicts: dict[tuple[str, int], str | None] = field(default_factory=dict)


class Walk:
    """The resource that the check is in: `root` stands alone, `resource` is the contained one in it, or None."""

    __slots__ = ("resource", "root", "run", "standing")

    def __init__(self, standing: Standing, resource: Resource | None = None, run: Run | None = None) -> None:
        self.standing = standing
        self.root = standing.resource
        self.resource = resource
        self.run = run or Run()

    @property
    def holder(self) -> Resource:
        """The resource that directly holds the element, contained or not."""
        return self.root if self.resource is None else self.resource

    def within_contained(self, resource: Resource) -> "Walk":
        """The walk in a contained resource."""
        return Walk(self.standing, resource, self.run)

    def within_entry(self, resource: Resource) -> "Walk":
        """The walk in the resource of an entry or a parameter, or of another entry of the same Bundle."""
        entries = self.standing.entries
        full_url = entries.full_url_of(resource) if entries else ""
        return Walk(Standing(resource, entries, full_url), None, self.run)

    def at_target(self, reference: str, target: Resource) -> "Walk":
        """The walk in the resource to which `reference` was resolved."""
        if reference == "#":
            return Walk(self.standing, None, self.run)
        return self.within_contained(target) if reference.startswith("#") else self.within_entry(target)

    def resolve(self, reference: str) -> Resource | None:
        """The resource that a literal reference names, if it is contained or in the same Bundle."""
        return self.standing.resolve(reference)


def walk_of(resource: Resource, around: Entries | None = None) -> Walk:
    """The walk that starts at a resource, itself one of the entries `around` it if there are any."""
    return Walk(Standing(resource, around, around.full_url_of(resource) if around else ""))
