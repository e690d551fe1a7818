"""R4 search over one resource in memory, read from the standard alone, against which the SQL side is held.

FHIR R4, search.html. It shares no code with the server, is slow, and knows the parameters of
`reference_parameters.py` only. Where the standard leaves a choice:

* Codes, identifiers and ids are compared exactly, with case.
* A `code`, `boolean`, `id`, `uri` or `string` has no system: `|x` finds it, `system|x` only under its implicit system.
* A ContactPoint has its `use` in the place of the system.
* A Quantity with a comparator (`<10`) stands for every value on that side: it is never eq, and gt, lt, ge, le ask
  whether some such value satisfies, sa and eb whether all do.
* ap takes 10% of the number, or 10% of the distance between now and the nearer end of the date.
* A canonical without version in the query finds every version. A parameter with an empty value asks nothing.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tests.search.reference_parameters import Parameter, Resource, parameter
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

_ESCAPED = re.compile(r"\\([,|$\\])")
_VERSION = re.compile(r"/_history/[^/]+$")
_LITERAL = re.compile(r"(?:.*/)?([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
_NAME_PARTS = ("family", "given", "prefix", "suffix", "text")
_ADDRESS_PARTS = ("text", "line", "city", "district", "state", "postalCode", "country")


def matches(
    resource: Resource, resource_type: str, query: Sequence[tuple[str, str]], *, now: datetime, base_url: str
) -> bool:
    """Whether the resource is of the type and satisfies every (name[:modifier], value) of the decoded query.

    `base_url` has no final slash. KeyError for an unknown parameter, ValueError for a value or modifier of no meaning.
    """
    evaluation = _Evaluation(now, base_url)
    return resource["resourceType"] == resource_type and all(
        evaluation.satisfies(resource, resource_type, name, value) for name, value in query if value
    )


class _Evaluation:
    def __init__(self, now: datetime, base_url: str) -> None:
        self.now = now
        self.base = base_url + "/"

    def satisfies(self, resource: Resource, resource_type: str, name: str, value: str) -> bool:
        code, _, modifier = name.partition(":")
        asked = parameter(resource_type, code)
        if modifier == "missing":
            return (not self.elements(asked, resource)) == _truth(value)
        wanted = [alternative for alternative in split(value, ",") if alternative]
        if modifier == "not" and asked.kind == "token":
            return not any(self.finds(asked, resource, one, "") for one in wanted)
        return any(self.finds(asked, resource, one, modifier) for one in wanted)

    def elements(self, asked: Parameter, resource: Resource) -> list[Any]:
        found = asked.elements(resource)
        if asked.kind == "composite":
            return [one for one in found if all(part.elements(one) for part in asked.parts)]
        if asked.only:
            return [one for one in found if self.type_of(one) == asked.only]
        return found

    def finds(self, asked: Parameter, resource: Resource, text: str, modifier: str) -> bool:
        if asked.kind == "composite":
            return self.finds_pair(asked, resource, split(text, "$"))
        return any(self.is_found(asked, element, text, modifier) for element in self.elements(asked, resource))

    def finds_pair(self, asked: Parameter, resource: Resource, texts: list[str]) -> bool:
        if len(texts) != len(asked.parts):
            raise ValueError(f"{len(asked.parts)} parts are needed, not {texts}")
        return any(
            all(self.finds(part, element, text, "") for part, text in zip(asked.parts, texts, strict=True))
            for element in asked.elements(resource)
        )

    def is_found(self, asked: Parameter, element: Any, text: str, modifier: str) -> bool:
        if asked.kind == "reference":
            return self.refers(element, text, modifier)
        if asked.kind == "string":
            return any(_string_matches(part, unescaped(text), modifier) for part in strings_of(element))
        if modifier:
            raise ValueError(f":{modifier} has no meaning for a {asked.kind}")
        if asked.kind == "token":
            return any(_token_matches(token, text, asked.system) for token in tokens_of(asked, element))
        if asked.kind == "uri":
            return bool(element == unescaped(text))
        prefix, rest = without_prefix(text)
        if asked.kind == "date":
            return any(date_satisfies(one, prefix, rest, self.now) for one in _intervals(element))
        if asked.kind == "number":
            return number_satisfies(span(element), prefix, rest)
        return quantity_satisfies(element, prefix, [unescaped(part) for part in split(rest, "|")])

    def refers(self, element: Any, text: str, modifier: str) -> bool:
        if modifier == "identifier":
            identifier = element.get("identifier") if isinstance(element, dict) else None
            return identifier is not None and _token_matches(_of_identifier(identifier), text, None)
        wanted = unescaped(text)
        if isinstance(element, str):
            return element == wanted or ("|" not in wanted and element.partition("|")[0] == wanted)
        held = self.local(element.get("reference", ""))
        if not held:
            return False
        if modifier:
            return held == (wanted if "/" in wanted else f"{modifier}/{wanted}") and self.type_of(element) == modifier
        if "/" not in wanted and ":" not in wanted:
            return held.count("/") == 1 and held.endswith("/" + wanted)
        return held == self.local(wanted)

    def local(self, url: str) -> str:
        """The reference without its version, and relative where it points into this server."""
        return _VERSION.sub("", url).removeprefix(self.base)

    def type_of(self, element: Any) -> str | None:
        if not isinstance(element, dict):
            return None
        found = _LITERAL.fullmatch(self.local(element.get("reference", "")))
        return found[1] if found else element.get("type")


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


def unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def folded(text: str) -> str:
    """Without case and accents: NFKD, combining marks dropped, casefolded."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character)).casefold()


def _truth(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError(f":missing is true or false, not {value!r}")
    return value == "true"


def strings_of(element: Any) -> list[str]:
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


Token = tuple[str | None, str | None]


def tokens_of(asked: Parameter, element: Any) -> list[Token]:
    if asked.form == "concept":
        return [(coding.get("system"), coding.get("code")) for coding in element.get("coding", [])]
    if asked.form == "coding":
        return [(element.get("system"), element.get("code"))]
    if asked.form == "identifier":
        return [_of_identifier(element)]
    if asked.form == "contact":
        return [(element.get("use"), element.get("value"))]
    return [(None, str(element).lower() if isinstance(element, bool) else element)]


def _of_identifier(identifier: Resource) -> Token:
    return identifier.get("system"), identifier.get("value")


def _token_matches(token: Token, text: str, implicit_system: str | None) -> bool:
    system, code = token
    parts = [unescaped(part) for part in split(text, "|")]
    if len(parts) == 1:
        return code == parts[0]
    wanted_system, wanted_code = parts[0], "|".join(parts[1:])
    if not wanted_system:
        return system is None and code == wanted_code
    return wanted_system == (system or implicit_system) and wanted_code in ("", code)


def _intervals(element: Any) -> list[tuple[Point, Point]]:
    if isinstance(element, str):
        return [interval(element)]
    return timing(element) if "event" in element or "repeat" in element else period(element)
