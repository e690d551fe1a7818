"""JSON Schemas of R4's types, made from the definitions (FHIR R4, json.html; OpenAPI 3.1, §4.8.24).

They hold what JSON Schema can say: properties, cardinalities, choices, forms and small required value sets. Invariants,
reference targets and contained rules are the server's own checks (docs/validation.md).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from bhr_api.fhir.definitions import (
    PRIMITIVE_TYPES,
    ElementDefinition,
    elements_of,
    is_resource_type,
    json_names,
    value_set_codes,
)
from bhr_api.openapi.primitive_schemas import Schema, primitive_schemas

# Up to this many codes an enum helps who writes a client; longer ones only lengthen the document.
LARGEST_ENUM = 64
# Any resource, as it stands in `contained` or comes with an include.
ANY_RESOURCE = "AnyResource"
# The id and extensions of a primitive, in the property with an underscore (json.html#primitive).
PRIMITIVE_EXTENSION = "PrimitiveExtension"


def ref(name: str) -> Schema:
    """A reference to the schema `name` of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def schema_name(type_code: str) -> str:
    """The component that stands for a type: `ObservationComponent` for the backbone `Observation.component`."""
    if type_code in ("Resource", "DomainResource"):
        return ANY_RESOURCE
    head, *rest = type_code.split(".")
    return head + "".join(part[0].upper() + part[1:] for part in rest)


def type_schemas(resource_types: Iterable[str]) -> dict[str, Schema]:
    """The schemas of `resource_types` and of every type that they are made of, by component name."""
    schemas = primitive_schemas() | {ANY_RESOURCE: _any_resource(), PRIMITIVE_EXTENSION: _primitive_extension()}
    waiting = [*resource_types, "Extension"]
    while waiting:
        code = waiting.pop()
        name = schema_name(code)
        if name in schemas:
            continue
        schemas[name] = _type_schema(code)
        waiting += [inner for element in elements_of(code).values() for inner in element.types]
    return dict(sorted(schemas.items()))


def _any_resource() -> Schema:
    return {
        "type": "object",
        "description": "A resource of any type.",
        "properties": {"resourceType": {"type": "string"}, "id": ref("id"), "meta": ref("Meta")},
        "required": ["resourceType"],
        "additionalProperties": True,
    }


def _primitive_extension() -> Schema:
    return {
        "type": "object",
        "description": "The id and extensions of the primitive whose property has the same name without `_`.",
        "properties": {"id": ref("string"), "extension": _array(ref("Extension"))},
        "minProperties": 1,
        "additionalProperties": False,
    }


def _type_schema(code: str) -> Schema:
    properties: dict[str, Schema] = {}
    if is_resource_type(code):
        properties["resourceType"] = {"type": "string", "const": code}
    for name, (element, element_type) in json_names(code).items():
        properties[name] = _property(element, element_type)
        if element_type in PRIMITIVE_TYPES and name != "id":
            properties[f"_{name}"] = _extension_property(element)
    schema: Schema = {"type": "object", "properties": properties}
    if required := _required(code):
        schema["required"] = required
    schema |= _required_choices(code)
    schema["additionalProperties"] = False
    return schema


def _array(items: Schema) -> Schema:
    # json.html: an array is never empty; a property without a value is left out.
    return {"type": "array", "items": items, "minItems": 1}


def _property(element: ElementDefinition, code: str) -> Schema:
    schema = ref(schema_name(code))
    if element.targets:
        schema["description"] = " | ".join(element.targets)
    if code == "code" and element.binding:
        codes = sorted({code for _, code in value_set_codes(element.binding) or ()})
        if 0 < len(codes) <= LARGEST_ENUM:
            schema = {"type": "string", "enum": codes}
    if element.max == 1:
        return schema
    return _array(schema) | ({} if element.max is None else {"maxItems": element.max})


def _extension_property(element: ElementDefinition) -> Schema:
    if element.max == 1:
        return ref(PRIMITIVE_EXTENSION)
    # json.html#primitive: null keeps the places of both arrays aligned.
    return _array({"anyOf": [ref(PRIMITIVE_EXTENSION), {"type": "null"}]})


def _required(code: str) -> list[str]:
    own = ["resourceType"] if is_resource_type(code) else []
    return own + [element.name for element in elements_of(code).values() if element.min and not element.is_choice]


def _required_choices(code: str) -> Mapping[str, Any]:
    """formats.html#choice: of a required choice exactly one property is given."""
    groups = [
        [{"required": [name]} for name, (of, _) in json_names(code).items() if of is element]
        for element in elements_of(code).values()
        if element.is_choice and element.min
    ]
    if not groups:
        return {}
    return {"oneOf": groups[0]} if len(groups) == 1 else {"allOf": [{"oneOf": group} for group in groups]}
