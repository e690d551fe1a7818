"""Where in a resource the check is, and what its references lead to (FHIR R4, references.html, bundle.html#references)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bhr_api.fhir.contained import by_id
from bhr_api.fhir.definitions import Resource

_RESTFUL = re.compile(r"(.*/)?([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII)


@dataclass(slots=True)
class Walk:
    """The resource that the check is in.

    `root` is the resource that stands alone, `resource` the contained one that the check is in, or None. `bundle` holds
    the resources of the surrounding Bundle by fullUrl, `full_url` is that of `root` in it. `running` are the checks under
    way, (profile, identity of the value), so that profiles which refer to one another come to an end.
    """

    root: Resource
    resource: Resource | None = None
    bundle: Mapping[str, Resource] = field(default_factory=dict)
    full_url: str = ""
    running: set[tuple[str, int]] = field(default_factory=set)

    @property
    def holder(self) -> Resource:
        """The resource that directly holds the element, contained or not."""
        return self.root if self.resource is None else self.resource

    def within_contained(self, resource: Resource) -> "Walk":
        """The walk in a contained resource."""
        return Walk(self.root, resource, self.bundle, self.full_url, self.running)

    def within_entry(self, resource: Resource) -> "Walk":
        """The walk in the resource of an entry or a parameter of `root`."""
        bundle = resources_by_full_url(self.root) or self.bundle
        full_url = next((url for url, one in bundle.items() if one is resource), "")
        return Walk(resource, None, bundle, full_url, self.running)

    def resolve(self, reference: str) -> Resource | None:
        """The resource that a literal reference names, if it is contained or an entry of the same Bundle."""
        if reference.startswith("#"):
            return by_id(self.root).get(reference[1:]) if len(reference) > 1 else self.root
        if not self.bundle and "entry" in self.root:
            return self.within_entry(self.root).resolve(reference)
        if not self.bundle:
            return None
        match = _RESTFUL.fullmatch(reference)
        if match is None or match[1]:
            return self.bundle.get(match[1] + match[2] if match else reference)
        # bundle.html#references: a relative reference is completed from the fullUrl of the entry it stands in.
        base = _RESTFUL.fullmatch(self.full_url)
        return self.bundle.get(f"{base[1]}{match[2]}") if base and base[1] else None


def resources_by_full_url(bundle: Resource) -> Mapping[str, Resource]:
    """The resources of a Bundle's entries that have a fullUrl; empty for what is no Bundle."""
    if bundle.get("resourceType") != "Bundle":
        return {}
    return {
        entry["fullUrl"]: entry["resource"]
        for entry in bundle.get("entry", ())
        if "fullUrl" in entry and "resource" in entry
    }
