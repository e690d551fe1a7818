"""FHIR's types as FHIRPath sees them: the children of each type, and what `is`, `as` and `ofType` accept.

FHIR R4 fhirpath.html (choice elements, primitives with children) and FHIRPath N1, http://hl7.org/fhirpath/N1/#types.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from bhr_api.fhir.definitions import (
    PRIMITIVE_TYPES,
    is_subtype,
    is_type,
    json_names,
)
from bhr_api.fhirpath.syntax import TypeName

# FHIR R4 fhirpath.html#types: the System type that each primitive converts to without being asked.
SYSTEM_TYPE_OF_PRIMITIVE = MappingProxyType(
    {
        "boolean": "Boolean",
        **dict.fromkeys(("integer", "unsignedInt", "positiveInt"), "Integer"),
        "decimal": "Decimal",
        "date": "Date",
        **dict.fromkeys(("dateTime", "instant"), "DateTime"),
        "time": "Time",
    }
)
SYSTEM_TYPES = frozenset({"Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity"})

TYPE_INFO = "System.TypeInfo"
"""The type of what `type()` gives (N1 #reflection)."""


@dataclass(frozen=True, slots=True)
class Property:
    """One JSON property of a type: its `key`, the type code of its values, whether it is an array."""

    key: str
    type: str
    is_array: bool
    is_primitive: bool


@cache
def children_of(type_name: str) -> Mapping[str, tuple[Property, ...]]:
    """The JSON properties behind each FHIRPath name of a type; a choice element has one for each of its types.

    Empty for System types. A primitive has `id` and `extension`, which JSON keeps in the `_name` companion.
    """
    if type_name == TYPE_INFO:
        return MappingProxyType({key: (Property(key, "System.String", False, True),) for key in ("namespace", "name")})
    if not is_type(type_name):
        return MappingProxyType({})
    found: dict[str, list[Property]] = {}
    for key, (element, code) in json_names(type_name).items():
        if type_name in PRIMITIVE_TYPES and element.name not in ("id", "extension"):
            continue
        found.setdefault(element.name, []).append(Property(key, code, element.max != 1, code in PRIMITIVE_TYPES))
    return MappingProxyType({name: tuple(properties) for name, properties in found.items()})


@cache
def is_of_type(actual: str, wanted: TypeName) -> bool:
    """Whether a value of type `actual` (`Patient`, `code`, `System.String`) is of the type that the specifier names.

    R4's own expressions write `Boolean` and `DateTime` for FHIR primitives (que-7, clinical-date), so that a name
    without namespace stands for the primitive too; `System.Boolean` does not.
    """
    if actual.startswith("System."):
        return wanted.namespace in (None, "System") and actual == f"System.{wanted.name}"
    if wanted.namespace == "System":
        return False
    if is_subtype(actual, wanted.name):
        return True
    if wanted.namespace is None and wanted.name in SYSTEM_TYPES:
        return actual in PRIMITIVE_TYPES and SYSTEM_TYPE_OF_PRIMITIVE.get(actual, "String") == wanted.name
    return False


def is_known_type(wanted: TypeName) -> bool:
    """Whether the specifier names a type of FHIR R4 or of System."""
    if wanted.namespace == "System":
        return wanted.name in SYSTEM_TYPES
    return is_type(wanted.name) or (wanted.namespace is None and wanted.name in SYSTEM_TYPES)
