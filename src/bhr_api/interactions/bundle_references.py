"""References inside a transaction: to entries by fullUrl, and conditional ones (FHIR R4, http.html#trules).

The resources of a bundle refer to one another by the fullUrl of their entries, which is often a urn:uuid; those links
become the identities that the resources get.
"""

import re
from collections.abc import Iterator, Mapping

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource
from bhr_api.fhir.links import references_in, replace_links
from bhr_api.interactions.bundle_entries import Entry

_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?\S+", re.ASCII)
_ROOT_AND_LOCAL = re.compile(r"(https?://.+)/[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/\S+)?", re.ASCII)


class Identities:
    """What the references of a transaction's resources become: `Type/id` by fullUrl, temporary or conditional reference."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._versions: dict[str, int] = {}

    def __contains__(self, literal: str) -> bool:
        return literal in self._known

    def add(self, entry: Entry, resource_type: str, id: str, version: int | None = None) -> None:
        """Learn the resource that an entry is about, and the version that it comes to where that is known."""
        if entry.full_url:
            self._known[entry.full_url] = f"{resource_type}/{id}"
        if version is not None:
            self._versions[f"{resource_type}/{id}"] = version

    def learn_versions(self, versions: Mapping[str, int]) -> None:
        """Learn the versions that resources come to, by `Type/id`."""
        self._versions.update(versions)

    def learn(self, literal: str, reference: str) -> None:
        """Learn what a conditional reference meets."""
        self._known[literal] = reference

    def of(self, literal: str, full_url: str | None) -> str:
        """What `literal` in the entry `full_url` becomes; itself, if it is about nothing in the bundle.

        Where it names a version, it becomes the version that the entry's resource comes to.
        """
        found = self._found(literal, full_url)
        if found is None and "/_history/" in literal:
            found = self.versioned(literal, full_url)
            version = self._versions.get(found) if found else None
            return literal if version is None else f"{found}/_history/{version}"
        return found or literal

    def versioned(self, literal: str, full_url: str | None) -> str | None:
        """The resource in the bundle that `literal` names a version of; None where it names none."""
        plain, separator, _ = literal.partition("/_history/")
        return self._found(plain, full_url) if separator else None

    def _found(self, literal: str, full_url: str | None) -> str | None:
        # bundle.html#references: a relative reference in an entry is relative to the base of the entry's fullUrl.
        found = self._known.get(literal)
        if found is None and full_url and literal.count("/") == 1:
            base = _ROOT_AND_LOCAL.fullmatch(full_url)
            found = self._known.get(f"{base[1]}/{literal}") if base else None
        return found


def conditional_references(resource: Resource) -> Iterator[str]:
    """The conditional references in `resource`, such as `Patient?identifier=system|value`."""
    for literal in references_in(resource):
        match = _CONDITIONAL.fullmatch(literal) if "?" in literal else None
        if match and match[1] in RESOURCE_TYPE_NUMBERS:
            yield literal


def rewrite(resource: Resource, identities: Identities, full_url: str | None) -> None:
    """Replace what `resource` refers to in the bundle, in place: references, links in uris and links of the narrative."""
    replace_links(resource, lambda literal: identities.of(literal, full_url))
