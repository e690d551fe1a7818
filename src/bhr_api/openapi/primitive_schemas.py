"""JSON Schemas of the primitive types (FHIR R4, datatypes.html#primitive and json.html#primitive).

Patterns are those of JSON Schema: anchored, and within what both ECMA 262 and Python understand.
"""

from typing import Any

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, primitive_regex
from bhr_api.fhir.primitives import MAX_STRING_LENGTH

Schema = dict[str, Any]

_MOST = 2**31 - 1
# No control characters but tab, line feed and carriage return.
_TEXT: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_STRING_LENGTH,
    "pattern": r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f]+$",
}
# White space is spelled out, because \s is wider in ECMA 262 than in R4's own expressions.
_NO_SPACE: Schema = {"type": "string", "minLength": 1, "pattern": r"^[^ \t\n\r\f\v\u0000]+$"}
_CODE: Schema = {"type": "string", "minLength": 1, "pattern": r"^[^\u0000-\u0020]+([ \t\n\r\f\v][^\u0000-\u0020]+)*$"}

# Where the type says more than R4's regular expression does, or JSON has a type of its own for it.
_OWN: dict[str, Schema] = {
    # R4's expression for base64 takes exponential time on some texts.
    "base64Binary": {"type": "string", "contentEncoding": "base64", "pattern": r"^[0-9a-zA-Z+/=\s]+$"},
    "boolean": {"type": "boolean"},
    "canonical": _NO_SPACE,
    "code": _CODE,
    "decimal": {"type": "number"},
    "instant": {"format": "date-time"},
    "integer": {"type": "integer", "format": "int32", "minimum": -_MOST - 1, "maximum": _MOST},
    "markdown": _TEXT,
    "positiveInt": {"type": "integer", "format": "int32", "minimum": 1, "maximum": _MOST},
    "string": _TEXT,
    "unsignedInt": {"type": "integer", "format": "int32", "minimum": 0, "maximum": _MOST},
    "uri": _NO_SPACE,
    "url": _NO_SPACE,
    "xhtml": _TEXT,
}

_DESCRIPTIONS = {
    "canonical": "A canonical URL, with `|version` if need be.",
    "code": "A code, without a system of its own.",
    "date": "YYYY, YYYY-MM or YYYY-MM-DD.",
    "dateTime": "YYYY, YYYY-MM, YYYY-MM-DD, or a date and time with its zone. Less precise values are real: keep them.",
    "decimal": "Digits count: 1.0 and 1.00 are kept apart. Read it with a decimal type.",
    "id": "A logical id.",
    "instant": "A date and time with its zone, to the second or better.",
    "markdown": "Text in Markdown.",
    "xhtml": "An XHTML `<div>` without scripts.",
}


def primitive_schemas() -> dict[str, Schema]:
    """A schema for every primitive type, by its name."""
    return {name: _schema(name) for name in sorted(PRIMITIVE_TYPES)}


def _schema(name: str) -> Schema:
    schema: Schema = {"type": "string"} | dict(_OWN.get(name, {}))
    regex = primitive_regex(name)
    if schema["type"] == "string" and "pattern" not in schema and regex is not None:
        schema["pattern"] = f"^({regex})$"
    if name in _DESCRIPTIONS:
        schema["description"] = _DESCRIPTIONS[name]
    return schema
