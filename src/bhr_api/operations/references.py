"""What the stored text of a resource refers to (FHIR R4, references.html; DocumentReference.content.attachment.url).

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


def named_in(body: bytes, base_url: str) -> Iterator[LocalReference | Canonical]:
    """Every resource of this server that `body` names: by a reference, as an attachment's Binary, or as its questionnaire."""
    if b"\\u" in body:
        # A name may be spelled by escapes.
        body = json_text.dumps(json_text.parse(body))
    for name, quoted in _MEMBER.findall(body):
        literal = json.loads(quoted)
        local = parse_local(literal, base_url)
        if local is not None:
            # An extension's url is no reference; an attachment's is one to a Binary.
            if name != b"url" or local.resource_type == "Binary":
                yield local
        elif name == b"questionnaire":
            url, _, version = literal.partition("|")
            yield Canonical(url, version)
