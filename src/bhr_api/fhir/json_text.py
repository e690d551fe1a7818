"""JSON text as FHIR takes and gives it: read strictly, written and edited without losing a digit.

FHIR R4, json.html (UTF-8, no duplicate properties, decimals keep their precision); RFC 8259; RFC 7493 (I-JSON).
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Any, NoReturn

import msgspec

from bhr_api.errors import InvalidJsonError
from bhr_api.fhir.definitions import Resource

MAX_DEPTH = 100
MAX_NUMBER_LENGTH = 100
MAX_EXPONENT = 999


class SpelledDecimal(Decimal):
    """A decimal whose JSON text is not what `str` would write, such as `1e3` or `0.0000001`."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "SpelledDecimal":
        """The decimal that `text` spells."""
        value = super().__new__(cls, text)
        value.text = text
        return value


def parse(body: bytes, *, levels: int = MAX_DEPTH) -> Any:
    """The value of JSON `body`: integers as int, other numbers as Decimal with their digits.

    Raises InvalidJsonError, which says what and where, for anything but strict JSON in UTF-8: also for a byte order
    mark, duplicate names, U+0000, lone surrogates, more than `levels` of nesting, NaN, Infinity and absurd numbers.
    """
    text = _decoded(body)
    _refuse_bad_escapes(body)
    _refuse_depth(body, levels)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidJsonError(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error


def _decoded(body: bytes) -> str:
    if body.startswith(b"\xef\xbb\xbf"):
        # RFC 8259 §8.1: implementations MUST NOT add a byte order mark.
        raise InvalidJsonError("The body starts with a byte order mark; send UTF-8 without one.")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"The body is not UTF-8: byte {error.start + 1} ({error.reason}).") from error
    if "\0" in text:
        raise InvalidJsonError(f"Byte {body.index(0) + 1} of the body is NUL, which JSON does not allow.")
    return text


_NUL_ESCAPE = re.compile(rb"\\u0000")
_SURROGATE_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def _refuse_bad_escapes(body: bytes) -> None:
    """Refuse the escapes that strict JSON allows but PostgreSQL, UTF-8 and FHIR's string do not."""
    if b"\\u" not in body:
        return
    # An escaped backslash may stand before a "u"; both of its bytes are blanked, so that positions stay.
    escapes = body.replace(b"\\\\", b"  ")
    if found := _NUL_ESCAPE.search(escapes):
        raise InvalidJsonError(
            f"Byte {found.start() + 1} of the body is an escaped U+0000, which no FHIR string may hold."
        )
    if _SURROGATE.search(escapes) and (found := _SURROGATE.search(_SURROGATE_PAIR.sub(b" " * 12, escapes))):
        raise InvalidJsonError(
            f"Byte {found.start() + 1} of the body is a lone surrogate escape ({found[0].decode()}); "
            "characters above U+FFFF take a high and a low surrogate."
        )


_NO_BRACKET_OR_QUOTE = bytes(set(range(256)) - set(b'[]{}"'))
_STRING = re.compile(rb'"[^"]*"')
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1, ord('"'): 0}
_CHUNK = 65_536


def _refuse_depth(body: bytes, levels: int) -> None:
    """Refuse nesting over `levels` before the parser recurses.

    Up to its first syntax error a body is cut into strings and brackets here just as the parser would cut it, so the
    parser cannot go deeper than what is counted.
    """
    if body.count(b"[") + body.count(b"{") <= levels:
        return
    marks = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_BRACKET_OR_QUOTE)
    brackets = _STRING.sub(b"", marks)
    depth = 0
    for start in range(0, len(brackets), _CHUNK):
        depths = list(accumulate(map(_STEP.__getitem__, brackets[start : start + _CHUNK]), initial=depth))
        if max(depths) > levels:
            raise InvalidJsonError(f"The body is nested deeper than {levels} levels.")
        depth = depths[-1]


def _object(members: list[tuple[str, Any]]) -> Resource:
    value = dict(members)
    if len(value) != len(members):
        _refuse_duplicate(name for name, _ in members)
    return value


def _refuse_duplicate(names: Iterable[str]) -> NoReturn:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            break
        seen.add(name)
    # json.html: property names SHALL be unique.
    raise InvalidJsonError(f"The name {name[:60]!r} stands twice in one object; names must be unique.")


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER_LENGTH:
        _refuse_number(text)
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_LENGTH:
        _refuse_number(text)
    exponent = text.lower().partition("e")[2]
    # With a longer one a few bytes would become that many zeros in int() or in PostgreSQL's numeric.
    if exponent and abs(int(exponent)) > MAX_EXPONENT:
        _refuse_number(text)
    value = Decimal(text)
    return value if str(value) == text else SpelledDecimal(text)


def _refuse_number(text: str) -> NoReturn:
    shown = text if len(text) <= 30 else f"{text[:20]}... ({len(text)} characters)"
    raise InvalidJsonError(
        f"The number {shown} is out of bounds: at most {MAX_NUMBER_LENGTH} characters and an exponent within "
        f"{MAX_EXPONENT}."
    )


def _constant(text: str) -> NoReturn:
    raise InvalidJsonError(f"{text} is not a JSON number.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_decimal, parse_int=_integer, parse_constant=_constant
)


def _encode_other(value: Any) -> msgspec.Raw:
    if isinstance(value, SpelledDecimal):
        return msgspec.Raw(value.text.encode())
    raise TypeError(f"{type(value).__name__} is not JSON.")


_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=_encode_other)


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON of `value`; names keep their order and decimals every digit that they were read with."""
    return _ENCODER.encode(value)


# Editing text

_scan_value: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_MEMBER = re.compile(r'[ \t\n\r]*[{,][ \t\n\r]*"([^"\\]*(?:\\.[^"\\]*)*)"[ \t\n\r]*:[ \t\n\r]*')
_OPENING = re.compile(r"[ \t\n\r]*\{")

Spans = dict[str, tuple[int, int]]


def splice(body: bytes, resource: Resource, *, id: str, version_id: str, last_updated: str) -> bytes:
    """The bytes of `body` with `id`, `meta.versionId` and `meta.lastUpdated` set, and nothing else changed.

    `resource` is what `parse(body)` gave. What the body has is replaced where it stands; what it lacks follows
    `resourceType`. The three values must not need escapes (R4's id and instant do not).
    """
    text = body.decode()
    wanted = [name for name in ("resourceType", "id", "meta") if name in resource]
    spans = _member_spans(text, 0, wanted)
    edits: list[tuple[int, int, str]] = []
    added = ""
    if "id" in spans:
        edits.append((*spans["id"], f'"{id}"'))
    else:
        added = f',"id":"{id}"'
    if "meta" in spans:
        edits += _meta_edits(text, spans["meta"][0], resource["meta"], version_id, last_updated)
    else:
        added += f',"meta":{{"versionId":"{version_id}","lastUpdated":"{last_updated}"}}'
    after_type = spans["resourceType"][1]
    edits.append((after_type, after_type, added))
    return _edited(text, edits).encode()


def _meta_edits(
    text: str, start: int, meta: Resource, version_id: str, last_updated: str
) -> list[tuple[int, int, str]]:
    values = {"versionId": version_id, "lastUpdated": last_updated}
    spans = _member_spans(text, start, [name for name in values if name in meta])
    edits = [(*spans[name], f'"{values[name]}"') for name in spans]
    added = ",".join(f'"{name}":"{value}"' for name, value in values.items() if name not in spans)
    if added:
        opening = _OPENING.match(text, start)
        assert opening is not None
        edits.append((opening.end(), opening.end(), added + ("," if meta else "")))
    return edits


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    pieces = []
    position = 0
    for start, end, replacement in sorted(edits):
        pieces += [text[position:start], replacement]
        position = end
    return "".join((*pieces, text[position:]))


def _member_spans(text: str, start: int, wanted: Sequence[str]) -> Spans:
    """Start and end of the value of each wanted member of the object at `start`; reads no further than it must.

    The text has been parsed before, so every match succeeds.
    """
    spans: Spans = {}
    position = start
    while len(spans) < len(wanted):
        member = _MEMBER.match(text, position)
        assert member is not None, "splice is given what parse has read"
        name = member[1] if "\\" not in member[1] else json.loads(f'"{member[1]}"')
        value_start = member.end()
        _, position = _scan_value(text, value_start)
        if name in wanted:
            spans[name] = (value_start, position)
    return spans
