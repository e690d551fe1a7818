r"""Whether one element matches one value of a search parameter (FHIR R4, search.html#ptypes and #modifiers)."""

import re
import unicodedata
from datetime import datetime
from typing import Any

from tests.search.reference_paths import Parameter, Resource
from tests.search.reference_terminology import Terminology
from tests.search.reference_values import (
    Point,
    date_satisfies,
    interval,
    number_satisfies,
    period,
    quantity_satisfies,
    span,
    timing,
    without_prefix,
)

Token = tuple[str | None, str | None]

_ESCAPED = re.compile(r"\\([,|$\\])")
_NAME_PARTS = ("family", "given", "prefix", "suffix", "text")
_ADDRESS_PARTS = ("text", "line", "city", "district", "state", "postalCode", "country")


def split(text: str, separator: str) -> list[str]:
    r"""The parts between separators that no backslash precedes; escapes stay (search.html#escaping)."""
    parts, start, index = [], 0, 0
    while index < len(text):
        if text[index] == "\\":
            index += 1
        elif text[index] == separator:
            parts.append(text[start:index])
            start = index + 1
        index += 1
    return [*parts, text[start:]]


def escaped(text: str) -> str:
    r"""The text as a search value: backslash, comma, dollar and pipe are escaped (search.html#escaping)."""
    return re.sub(r"([\\,$|])", r"\\\1", text)


def unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def folded(text: str) -> str:
    """Without case and accents: NFKD, combining marks dropped, casefolded."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character)).casefold()


def element_matches(
    asked: Parameter, element: Any, text: str, modifier: str, now: datetime, terminology: Terminology
) -> bool:
    """Whether the element of a parameter that is neither a reference nor a composite is found by one value."""
    if asked.kind == "string":
        return any(_string_matches(part, unescaped(text), modifier) for part in strings_of(element))
    if asked.kind == "token":
        return _token_element_matches(asked, element, text, modifier, terminology)
    if asked.kind == "uri":
        return _uri_matches(element, unescaped(text), modifier)
    if modifier:
        raise ValueError(f":{modifier} has no meaning for a {asked.kind}")
    prefix, rest = without_prefix(text)
    if asked.kind == "date":
        return any(date_satisfies(one, prefix, rest, now) for one in intervals_of(element))
    if asked.kind == "number":
        return number_satisfies(span(element), prefix, rest)
    return quantity_satisfies(element, prefix, [unescaped(part) for part in split(rest, "|")])


def strings_of(element: Any) -> list[str]:
    """The texts of a string, a HumanName or an Address."""
    if isinstance(element, str):
        return [element]
    found: list[str] = []
    for name in dict.fromkeys((*_NAME_PARTS, *_ADDRESS_PARTS)):
        part = element.get(name, [])
        found += [part] if isinstance(part, str) else [one for one in part if one is not None]
    return found


def _string_matches(held: str, wanted: str, modifier: str) -> bool:
    if modifier == "exact":
        return held == wanted
    if modifier == "contains":
        return folded(wanted) in folded(held)
    if modifier:
        raise ValueError(f":{modifier} has no meaning for a string")
    return folded(held).startswith(folded(wanted))


def tokens_of(asked: Parameter, element: Any) -> list[Token]:
    """The (system, code) pairs of a token's element."""
    if asked.form == "concept":
        return [(coding.get("system"), coding.get("code")) for coding in element.get("coding", [])]
    if asked.form == "coding":
        return [(element.get("system"), element.get("code"))]
    if asked.form == "identifier":
        return [of_identifier(element)]
    if asked.form == "contact":
        return [(element.get("use"), element.get("value"))]
    return [(None, str(element).lower() if isinstance(element, bool) else element)]


def of_identifier(identifier: Resource) -> Token:
    return identifier.get("system"), identifier.get("value")


def _token_element_matches(asked: Parameter, element: Any, text: str, modifier: str, terminology: Terminology) -> bool:
    tokens = [(system or asked.system, held) for system, held in tokens_of(asked, element)]
    if modifier == "text":
        return any(_string_matches(held, unescaped(text), "") for held in _texts_of(asked, element))
    if modifier == "of-type":
        return asked.form == "identifier" and _is_of_type(element, split(text, "|"))
    if modifier in ("above", "below"):
        system, _, wanted = (unescaped(part) for part in text.partition("|"))
        return any(
            held_system == system and held is not None and terminology.subsumes(system, wanted, held)
            if modifier == "below"
            else held_system == system and held is not None and terminology.subsumes(system, held, wanted)
            for held_system, held in tokens
        )
    if modifier == "in":
        return any(terminology.contains(unescaped(text), *token) for token in tokens)
    if modifier:
        raise ValueError(f":{modifier} has no meaning for a token")
    return any(token_matches(token, text, asked.system) for token in tokens_of(asked, element))


def _texts_of(asked: Parameter, element: Any) -> list[str]:
    if asked.form == "concept":
        found = [element.get("text"), *(coding.get("display") for coding in element.get("coding", []))]
    elif asked.form == "coding":
        found = [element.get("display")]
    elif asked.form == "identifier":
        found = [element.get("type", {}).get("text")]
    else:
        found = []
    return [text for text in found if text is not None]


def _is_of_type(identifier: Resource, parts: list[str]) -> bool:
    if len(parts) != 3:
        raise ValueError(f":of-type takes system|code|value, not {parts}")
    system, type_code, value = map(unescaped, parts)
    types = identifier.get("type", {}).get("coding", [])
    return identifier.get("value") == value and any(
        (coding.get("system"), coding.get("code")) == (system, type_code) for coding in types
    )


def token_matches(token: Token, text: str, implicit_system: str | None) -> bool:
    """Whether a (system, code) is found by `code`, `system|code`, `|code` or `system|`."""
    system, held = token
    parts = [unescaped(part) for part in split(text, "|")]
    if len(parts) == 1:
        return held == parts[0]
    wanted_system, wanted_code = parts[0], "|".join(parts[1:])
    if not wanted_system:
        return system is None and held == wanted_code
    return wanted_system == (system or implicit_system) and wanted_code in ("", held)


def _uri_matches(held: str, wanted: str, modifier: str) -> bool:
    if modifier == "below":
        return (held + "/").startswith(wanted.rstrip("/") + "/")
    if modifier == "above":
        return (wanted + "/").startswith(held.rstrip("/") + "/")
    if modifier:
        raise ValueError(f":{modifier} has no meaning for a uri")
    return held == wanted


def intervals_of(element: Any) -> list[tuple[Point, Point]]:
    """The [start, end) of a date, a Period or a Timing; none where nothing is said."""
    if isinstance(element, str):
        return [interval(element)]
    return timing(element) if "event" in element or "repeat" in element else period(element)
