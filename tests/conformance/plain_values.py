"""What a resource has for a search parameter, and whether that meets what was asked, read straight from the JSON.

This shares nothing with the server's own search: paths are walked as US Core spells them, dates are compared as intervals
(FHIR R4, search.html), codes and references as text.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bhr_api.fhir.definitions import Resource

_STEP = re.compile(r"where\(url ?= ?'(?P<url>[^']+)'\)|where\(resolve\(\) is (?P<target>\w+)\)|as\(\w+\)|(?P<name>\w+)")
_DATES = ("", "DateTime", "Period", "Date", "Instant")
_START_OF_TIME = datetime.min.replace(tzinfo=UTC)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)

Interval = tuple[datetime, datetime]


def elements(resource: Resource, expression: str) -> list[Any]:
    """The elements that a search parameter's expression names, for the few forms that US Core uses."""
    return [
        element
        for alternative in expression.split("|")
        for element in _walk(resource, re.sub(r"^\((.+) as \w+\)$", r"\1", alternative.strip()))
    ]


def _walk(resource: Resource, path: str) -> list[Any]:
    nodes: list[Any] = [resource]
    for step in _STEP.finditer(path, path.index(".")):
        if step["name"]:
            nodes = [child for node in nodes for child in _children(node, step["name"])]
        elif step["url"]:
            nodes = [node for node in nodes if node["url"] == step["url"]]
        elif step["target"]:
            nodes = [node for node in nodes if node.get("reference", "").startswith(f"{step['target']}/")]
    return nodes


def _children(node: Resource, name: str) -> Iterator[Any]:
    # The choices that US Core searches by are all dates: effective[x], onset[x], deceased[x] ...
    for key in (f"{name}{suffix}" for suffix in _DATES):
        child = node.get(key, [])
        yield from child if isinstance(child, list) else [child]


def tokens(element: Any) -> list[tuple[str, str]]:
    """The (system, code) pairs of a code, Coding, CodeableConcept or Identifier; no system is the empty one."""
    if isinstance(element, str):
        return [("", element)]
    if "coding" in element:
        return [pair for coding in element["coding"] for pair in tokens(coding)]
    code = element.get("code") or element.get("value")
    return [(element.get("system", ""), code)] if code else []


def texts(element: Any) -> list[str]:
    """The strings of a string, HumanName or Address; use and type are codes, not text."""
    if isinstance(element, str):
        return [element]
    if isinstance(element, list):
        return [text for item in element for text in texts(item)]
    return [
        text
        for name, part in element.items()
        if name not in ("use", "type", "period", "extension")
        for text in texts(part)
    ]


def interval(element: Any) -> Interval:
    """[start, end) of a date, dateTime, instant or Period."""
    if isinstance(element, dict):
        start = interval(element["start"])[0] if "start" in element else _START_OF_TIME
        return start, interval(element["end"])[1] if "end" in element else _END_OF_TIME
    if len(element) > 10:
        moment = datetime.fromisoformat(element)
        step = timedelta(milliseconds=1) if "." in element else timedelta(seconds=1)
        return moment, moment + step
    year, month, day = (int(part) for part in f"{element}-01-01".split("-")[:3])
    start = datetime(year, month, day, tzinfo=UTC)
    if len(element) == 10:
        return start, start + timedelta(days=1)
    if len(element) == 7:
        return start, (start + timedelta(days=31)).replace(day=1)
    return start, start.replace(year=year + 1)


def meets(element: Any, type: str, asked: str) -> bool:
    """Whether an element has the value `asked`, which is written as in a search, but without escapes."""
    return _MEETS[type](element, asked)


def _meets_token(element: Any, asked: str) -> bool:
    system, bar, code = asked.rpartition("|")
    return any(code == found and (not bar or system == of) for of, found in tokens(element))


def _meets_reference(element: Any, asked: str) -> bool:
    if isinstance(element, str):
        return element.partition("|")[0] == asked
    reference: str = element.get("reference", "")
    return reference == asked or reference.partition("/")[2] == asked


def _meets_string(element: Any, asked: str) -> bool:
    return any(_folded(text).startswith(_folded(asked)) for text in texts(element))


def _folded(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))


_COMPARISONS: Mapping[str, Callable[[Interval, Interval], bool]] = {
    "eq": lambda stored, asked: asked[0] <= stored[0] and stored[1] <= asked[1],
    "gt": lambda stored, asked: stored[1] > asked[1],
    "lt": lambda stored, asked: stored[0] < asked[0],
    "ge": lambda stored, asked: stored[1] > asked[1] or _COMPARISONS["eq"](stored, asked),
    "le": lambda stored, asked: stored[0] < asked[0] or _COMPARISONS["eq"](stored, asked),
}


def _meets_date(element: Any, asked: str) -> bool:
    prefix, date = (asked[:2], asked[2:]) if asked[:2] in _COMPARISONS else ("eq", asked)
    return _COMPARISONS[prefix](interval(element), interval(date))


_MEETS: Mapping[str, Callable[[Any, str], bool]] = {
    "token": _meets_token,
    "reference": _meets_reference,
    "string": _meets_string,
    "date": _meets_date,
}
