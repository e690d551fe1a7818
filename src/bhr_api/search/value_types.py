"""What each type of search parameter is made of (FHIR R4, search.html#ptypes), as far as the index can hold it."""

from collections.abc import Mapping
from functools import lru_cache

from bhr_api.fhir.definitions import is_subtype

VALUE_TYPES: Mapping[str, tuple[str, ...]] = {
    "token": ("CodeableConcept", "Coding", "Identifier", "ContactPoint", "code", "boolean", "string", "uri", "id"),
    "reference": ("Reference", "canonical", "uri"),
    "string": ("string", "markdown", "HumanName", "Address"),
    "date": ("date", "dateTime", "instant", "Period", "Timing"),
    "number": ("integer", "positiveInt", "unsignedInt", "decimal", "Range"),
    "quantity": ("Quantity", "Money", "Range"),
    "uri": ("uri", "url", "canonical", "oid", "uuid"),
}


@lru_cache(maxsize=4096)
def is_made_of(kind: str, type_code: str) -> bool:
    """Whether values of `type_code` are values of a parameter of type `kind`."""
    return any(is_subtype(type_code, one) for one in VALUE_TYPES.get(kind, ()))
