"""Literal references: which resource a `Reference.reference` names (FHIR R4, references.html#literal)."""

import re
from typing import Literal, NamedTuple

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS

# What is promised of references (docs/references.md): nothing, that they lead somewhere when they are written, or always.
ReferentialIntegrity = Literal["off", "on-write", "strict"]

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?", re.ASCII)


class LocalReference(NamedTuple):
    """A reference to a resource of this server."""

    resource_type: str
    id: str
    version: str | None = None

    def __str__(self) -> str:
        return f"{self.resource_type}/{self.id}"


def parse_local(reference: str, base_url: str) -> LocalReference | None:
    """The local resource that `reference` names, relative or under `base_url`; None for any other reference.

    R4 references.html: a versioned reference is about the same resource, and an absolute URL under the server's own
    base means the same as the relative form.
    """
    if reference.startswith(base_url) and reference[len(base_url) : len(base_url) + 1] == "/":
        reference = reference[len(base_url) + 1 :]
    match = _LOCAL.fullmatch(reference)
    if match is None or match[1] not in RESOURCE_TYPE_NUMBERS:
        return None
    return LocalReference(match[1], match[2], match[3])
