"""What the stored text of resources refers to (FHIR R4, references.html; DocumentReference.content.attachment.url).

Read from the bytes as they lie, at a few microseconds each: a record has thousands of them.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from bhr_api.fhir import json_text
from bhr_api.fhir.references import LocalReference, parse_local

# In JSON a quote within a string is escaped, so a quoted name before a colon can only be the name of a member.
_MEMBER = re.compile(rb'"(reference|url|questionnaire)"\s*:\s*("(?:[^"\\]|\\.)*")')


class Canonical(NamedTuple):
    """A questionnaire named by its url, of any version when that is empty."""

    url: str
    version: str


class ReferenceReader:
    """Reads body after body, and tells what none before has named."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._told: set[tuple[bytes, bytes]] = set()

    def named_in(self, body: bytes) -> Iterator[LocalReference | Canonical]:
        """Resources of this server that `body` names: by a reference, as an attachment's Binary, or as its questionnaire."""
        if b"\\u" in body:
            # A name may be spelled by escapes.
            body = json_text.dumps(json_text.parse(body))
        fresh = set(_MEMBER.findall(body)) - self._told
        self._told |= fresh
        for name, quoted in fresh:
            target = self._target(name, json.loads(quoted))
            if target is not None:
                yield target

    def _target(self, name: bytes, literal: str) -> LocalReference | Canonical | None:
        local = parse_local(literal, self._base_url)
        if local is not None:
            # An extension's url is no reference; an attachment's is one to a Binary.
            return local if name != b"url" or local.resource_type == "Binary" else None
        if name != b"questionnaire":
            return None
        url, _, version = literal.partition("|")
        return Canonical(url, version)
