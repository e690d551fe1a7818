"""References inside a transaction: to entries by fullUrl, and conditional ones (FHIR R4, http.html#trules).

"If any resource identities (including resolved identities from conditional update/delete) overlap, or references to entries
by their temporary identity occur, the server replaces them with the identities that the resources got."
"""

import re
from collections.abc import Iterator
from typing import Any

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource
from bhr_api.interactions.bundle_entries import Entry

_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?\S+", re.ASCII)
_ROOT_AND_LOCAL = re.compile(r"(https?://.+)/[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/\S+)?", re.ASCII)


class Identities:
    """What the references of a transaction's resources become: `Type/id` by fullUrl, temporary or conditional reference."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __contains__(self, literal: str) -> bool:
        return literal in self._known

    def add(self, entry: Entry, resource_type: str, id: str) -> None:
        """Learn the resource that an entry is about."""
        if entry.full_url:
            self._known[entry.full_url] = f"{resource_type}/{id}"

    def learn(self, literal: str, reference: str) -> None:
        """Learn what a conditional reference meets."""
        self._known[literal] = reference

    def of(self, literal: str, full_url: str | None) -> str:
        """What `literal` in the entry `full_url` becomes; itself, if it is about nothing in the bundle.

        bundle.html#references: a relative reference in an entry is relative to the base of the entry's fullUrl.
        """
        found = self._known.get(literal)
        if found is None and full_url and literal.count("/") == 1:
            base = _ROOT_AND_LOCAL.fullmatch(full_url)
            found = self._known.get(f"{base[1]}/{literal}") if base else None
        return found or literal


def conditional_references(resource: Resource) -> Iterator[str]:
    """The conditional references in `resource`, such as `Patient?identifier=system|value`."""
    for node in _references(resource):
        match = _CONDITIONAL.fullmatch(node["reference"])
        if match and match[1] in RESOURCE_TYPE_NUMBERS:
            yield node["reference"]


def rewrite(resource: Resource, identities: Identities, full_url: str | None) -> None:
    """Replace the references in `resource`, in place; also temporary identities in uris, canonicals and narrative links."""
    for node in _references(resource):
        node["reference"] = identities.of(node["reference"], full_url)
    _rewrite_uris(resource, identities)


def _references(node: Any) -> Iterator[dict[str, Any]]:
    """Every Reference with a literal reference, at any depth."""
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node
        for value in node.values():
            if isinstance(value, dict | list):
                yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            if isinstance(item, dict | list):
                yield from _references(item)


def _rewrite_uris(node: Any, identities: Identities) -> None:
    """http.html#trules: urn:uuid identities are replaced wherever a uri, url or canonical holds one."""
    if isinstance(node, dict):
        for name, value in node.items():
            if isinstance(value, str):
                if (
                    value.startswith(("urn:uuid:", "urn:oid:"))
                    and value in identities
                    and name not in ("value", "system")
                ):
                    node[name] = identities.of(value, None)
            else:
                _rewrite_uris(value, identities)
    elif isinstance(node, list):
        for position, item in enumerate(node):
            if isinstance(item, str):
                if item.startswith(("urn:uuid:", "urn:oid:")) and item in identities:
                    node[position] = identities.of(item, None)
            else:
                _rewrite_uris(item, identities)
