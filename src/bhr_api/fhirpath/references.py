"""What a Reference says about its target without fetching it (FHIR R4, references.html#literal, #type).

Search expressions such as `subject.where(resolve() is Patient)` are decided by this alone.
"""

import re
from collections.abc import Mapping
from typing import Any

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource

# R4 references.html: the literal of a RESTful reference ends in Type/id, perhaps with a version and a fragment.
_LITERAL = re.compile(
    r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?", re.ASCII
)


def type_of_reference(reference: Mapping[str, Any], root: Resource | None) -> str | None:
    """The resource type that a Reference names, None if it does not say.

    From the literal if it is RESTful, else from the contained resource of `root` that it names, else from `type`.
    """
    literal = reference.get("reference")
    if isinstance(literal, str):
        match = _LITERAL.fullmatch(literal)
        if match is not None and match[1] in RESOURCE_TYPE_NUMBERS:
            return match[1]
        if literal[:1] == "#" and root is not None:
            return _type_of_contained(literal[1:], root)
    declared = reference.get("type")
    return declared if declared in RESOURCE_TYPE_NUMBERS else None


def _type_of_contained(resource_id: str, root: Resource) -> str | None:
    if not resource_id:
        return root.get("resourceType")
    for resource in root.get("contained", ()):
        if resource.get("id") == resource_id:
            found: str | None = resource.get("resourceType")
            return found
    return None
