"""The tokens of FHIRPath (N1, http://hl7.org/fhirpath/N1/#lexical-elements)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bhr_api.fhirpath.errors import FHIRPathSyntaxError

_TIME = r"\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?"
_DATE = r"\d{4}(?:-\d\d(?:-\d\d)?)?"
_SKIPPED = r"(?:\s+|//[^\r\n]*|/\*.*?\*/)+"
_TOKEN = re.compile(
    rf"""
      (?P<skipped>{_SKIPPED})
    | (?P<datetime>@{_DATE}T(?:{_TIME}(?:Z|[+-]\d\d:\d\d)?)?)
    | (?P<date>@{_DATE})
    | (?P<time>@T{_TIME})
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<string>'(?:\\.|[^'\\])*')
    | (?P<delimited>`(?:\\.|[^`\\])*`)
    | (?P<special>\$this|\$index|\$total)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol><=|>=|!=|!~|[-+*/&|<>=~.,()\[\]{{}}%])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"'": "'", '"': '"', "`": "`", "\\": "\\", "/": "/", "r": "\r", "n": "\n", "t": "\t", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is a group of the token pattern, or "end"; `text` has no quotes and its escapes replaced."""

    kind: str
    text: str
    position: int


def tokens_of(text: str) -> list[Token]:
    """The tokens of `text`, ended by one of kind "end". Raises `FHIRPathSyntaxError`."""
    return [*_scan(text), Token("end", "", len(text))]


def _scan(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise FHIRPathSyntaxError(f"Unexpected {text[position]!r}", text, position)
        kind = match.lastgroup
        if kind in ("string", "delimited"):
            yield Token(kind, _unescape(match[0][1:-1], text, position), position)
        elif kind != "skipped":
            yield Token(kind, match[0], position)
        position = match.end()


def _unescape(quoted: str, text: str, position: int) -> str:
    if "\\" not in quoted:
        return quoted

    def replace(match: re.Match[str]) -> str:
        escape = match[1]
        if len(escape) == 5:
            return chr(int(escape[1:], 16))
        if escape not in _ESCAPED:
            raise FHIRPathSyntaxError(f"Unknown escape \\{escape}", text, position)
        return _ESCAPED[escape]

    return _ESCAPE.sub(replace, quoted)
