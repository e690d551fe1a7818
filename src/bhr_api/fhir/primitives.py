"""The primitive types: which JSON values they take (FHIR R4, datatypes.html#primitive and json.html#primitive)."""

import binascii
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

Test = Callable[[Any], object]
"""Whether a JSON value is one of the primitive's; the answer is read as true or false."""

MAX_STRING_LENGTH = 1_048_576  # "strings SHALL NOT exceed 1MB in size"
_INTEGER_RANGE = range(-(2**31), 2**31)

_YEAR = r"([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_DAY = r"(0[1-9]|1[0-2])-(0[1-9]|[1-2][0-9]|3[0-1])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

_TEXT = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f]+")
_matches_date = re.compile(f"{_YEAR}(-(0[1-9]|1[0-2])|-{_DAY})?").fullmatch
_matches_date_time = re.compile(f"{_YEAR}(-(0[1-9]|1[0-2])|-{_DAY}(T{_TIME}{_ZONE})?)?").fullmatch
_matches_instant = re.compile(f"{_YEAR}-{_DAY}T{_TIME}{_ZONE}").fullmatch
_matches_base64 = re.compile(r"[A-Za-z0-9+/=\s]*", re.ASCII).fullmatch


def _is_text(value: Any) -> bool:
    return (
        type(value) is str
        and value != ""
        # The regular expression is the rule; isprintable() is the quicker yes for nearly every text.
        and (value.isprintable() or _TEXT.fullmatch(value) is not None)
        and len(value) <= MAX_STRING_LENGTH
    )


def _matching(pattern: str) -> Test:
    fullmatch = re.compile(pattern, re.ASCII).fullmatch
    return lambda value: type(value) is str and fullmatch(value)


def _is_date(value: Any) -> bool:
    return type(value) is str and _matches_date(value) is not None and _is_in_calendar(value)


def _is_date_time(value: Any) -> bool:
    return type(value) is str and _matches_date_time(value) is not None and _is_in_calendar(value)


def _is_instant(value: Any) -> bool:
    return type(value) is str and _matches_instant(value) is not None and _is_in_calendar(value)


def _is_in_calendar(text: str) -> bool:
    """datatypes.html#date: "Dates SHALL be valid dates", so no 30 February."""
    if text[8:10] <= "28":
        return True
    try:
        date(int(text[:4]), int(text[5:7]), int(text[8:10]))
    except ValueError:
        return False
    return True


def _is_base64(value: Any) -> bool:
    # R4's own expression backtracks without bound; this says the same: groups of four, with white space between them.
    if type(value) is not str or not value or _matches_base64(value) is None:
        return False
    groups = value.split()
    if not groups or any(len(group) % 4 for group in groups):
        return False
    try:
        binascii.a2b_base64("".join(groups), strict_mode=True)
    except binascii.Error:
        return False
    return True


def _is_boolean(value: Any) -> bool:
    return value is True or value is False


def _is_integer(value: Any) -> bool:
    return type(value) is int and value in _INTEGER_RANGE


def _is_unsigned_int(value: Any) -> bool:
    return type(value) is int and value in _INTEGER_RANGE and value >= 0


def _is_positive_int(value: Any) -> bool:
    return type(value) is int and value in _INTEGER_RANGE and value > 0


def _is_decimal(value: Any) -> bool:
    return type(value) is int or isinstance(value, Decimal)


_URI = r"\S+"
TESTS: Mapping[str, Test] = MappingProxyType(
    {
        "base64Binary": _is_base64,
        "boolean": _is_boolean,
        "canonical": _matching(_URI),
        "code": _matching(r"[^\s\x00-\x1f]+(\s[^\s\x00-\x1f]+)*"),
        "date": _is_date,
        "dateTime": _is_date_time,
        "decimal": _is_decimal,
        "id": _matching(r"[A-Za-z0-9\-.]{1,64}"),
        "instant": _is_instant,
        "integer": _is_integer,
        "markdown": _is_text,
        "oid": _matching(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+"),
        "positiveInt": _is_positive_int,
        "string": _is_text,
        "time": _matching(_TIME),
        "unsignedInt": _is_unsigned_int,
        "uri": _matching(_URI),
        "url": _matching(_URI),
        "uuid": _matching(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
        "xhtml": _is_text,  # Its own rules are in narrative.py.
    }
)

_WANTED: Mapping[str, str] = MappingProxyType(
    {
        "base64Binary": "base64 in groups of four characters",
        "boolean": "true or false",
        "canonical": "a URI without white space, with |version if need be",
        "code": "text without white space at its ends and with single spaces within",
        "date": "a day, month or year that exists: YYYY-MM-DD, YYYY-MM or YYYY",
        "dateTime": "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone, such as 2026-03-01T09:30:00Z",
        "decimal": "a number",
        "id": "1 to 64 of A-Z, a-z, 0-9, '-' and '.'",
        "instant": "YYYY-MM-DDThh:mm:ss with a time zone, such as 2026-03-01T09:30:00.000Z",
        "integer": "a whole number from -2147483648 to 2147483647",
        "markdown": "text without control characters, at most 1 MB",
        "oid": "an OID such as urn:oid:1.2.3.4",
        "positiveInt": "a whole number from 1 to 2147483647",
        "string": "text without control characters, at most 1 MB",
        "time": "a time such as 14:35:00",
        "unsignedInt": "a whole number from 0 to 2147483647",
        "uri": "a URI without white space",
        "url": "a URL without white space",
        "uuid": "a UUID in lower case such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        "xhtml": "an XHTML <div>",
    }
)
_NUMBERS = frozenset({"decimal", "integer", "positiveInt", "unsignedInt"})


def explanation(value: Any, type_name: str) -> tuple[str, str]:
    """(issue code, sentence) for a value that is none of the primitive type's."""
    wanted = f"{type_name} takes {_WANTED[type_name]}"
    if value is None or isinstance(value, dict | list):
        # json.html: null stands only in arrays, for the place of a value that is given by an extension alone.
        return "structure", f"Here stands {_kind(value)}; {wanted}."
    if type(value) is not _json_type(type_name) and not (type_name in _NUMBERS and _is_number(value)):
        return "value", f"{_shown(value)} is {_kind(value)}; {wanted}, as a JSON {_json_name(type_name)}."
    if value == "":
        # datatypes.html: "strings SHALL NOT be empty"; json.html: a property that has no value is left out.
        return "value", f"The text is empty; leave the property out. {wanted}."
    if isinstance(value, str) and len(value) > MAX_STRING_LENGTH and type_name in ("string", "markdown", "xhtml"):
        return "too-long", f"The text has {len(value)} characters; {wanted}."
    return "value", f"{_shown(value)} is no {type_name}; {wanted}."


def _json_type(type_name: str) -> type:
    return bool if type_name == "boolean" else int if type_name in _NUMBERS else str


def _json_name(type_name: str) -> str:
    return {bool: "boolean", int: "number", str: "string"}[_json_type(type_name)]


def _is_number(value: Any) -> bool:
    return type(value) is int or isinstance(value, Decimal | float)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "a string", dict: "an object", list: "an array"}
    return names.get(type(value), "a number")


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value).lower() if value in (None, True, False) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
