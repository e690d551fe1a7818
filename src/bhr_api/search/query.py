"""From the parameters of a request to a query: what is searched for, how the answer is cut, and what was applied.

FHIR R4, search.html. Unknown parameters are refused, or under `Prefer: handling=lenient` ignored and named
(docs/search.md): an ignored filter discloses too much.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from bhr_api.errors import (
    InvalidParameterError,
    MalformedRequestError,
    RefusalError,
    UnsupportedModifierError,
    UnsupportedParameterError,
)
from bhr_api.search.criteria import Criterion, conjuncts
from bhr_api.search.include import Include, parse_include
from bhr_api.search.meaning import SearchContext, criterion_of
from bhr_api.search.order import LAST_UPDATED, NEWEST_DATED, SortKey, parse_sort
from bhr_api.search.types import date

DEFAULT_COUNT = 50
MAXIMUM_COUNT = 1000
MAXIMUM_VALUES = 1000
MAXIMUM_CRITERIA = 50
MAXIMUM_INCLUDES = 50

Summary = Literal["true", "text", "data", "count", "false"]
Total = Literal["none", "estimate", "accurate"]

# Shape of the answer that every interaction has; read by the doors.
_ANSWER_SHAPE = frozenset({"_format", "_pretty"})


@dataclass(slots=True)
class SearchQuery:
    """A search of one resource type.

    `applied` are the parameters that took effect, for the self link; `ignored` those that did not.
    """

    resource_type: str
    criteria: list[Criterion] = field(default_factory=list)
    sort: tuple[SortKey, ...] = ()
    count: int = DEFAULT_COUNT
    total: Total = "none"
    summary: Summary = "false"
    elements: tuple[str, ...] = ()
    includes: list[Include] = field(default_factory=list)
    cursor: str | None = None
    applied: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    @property
    def order(self) -> tuple[SortKey, ...]:
        """What the pages are ordered by: as asked; else along the date that the search asks for, so that the walk ends with it.

        What changed since a moment comes in the order of its changes; what is of a time, newest first.
        """
        if self.sort:
            return self.sort
        if any(isinstance(criterion, date.OnLastUpdated) and criterion.is_since for criterion in self.criteria):
            return (LAST_UPDATED,)
        if any(isinstance(criterion, date.OnMainDate) for criterion in self.criteria):
            return (NEWEST_DATED,)
        return ()


def parse_query(resource_type: str, parameters: Sequence[tuple[str, str]], context: SearchContext) -> SearchQuery:
    """The query that `parameters`, decoded and in their order, spell.

    Raises UnsupportedParameterError and InvalidParameterError, each naming the parameter and what would be right. A
    parameter with an empty value is passed over.
    """
    query = SearchQuery(resource_type)
    _refuse_too_many(parameters)
    # A parameter that is repeated word for word asks for nothing more.
    for name, value in dict.fromkeys(parameters):
        if not value or name in _ANSWER_SHAPE:
            continue
        try:
            _take(query, name, value, context)
        except UnsupportedParameterError as error:
            if not is_passed_over(error, lenient=context.lenient):
                raise
            query.ignored.append(name)
    return query


def is_passed_over(error: RefusalError, *, lenient: bool) -> bool:
    """Whether the parameter is left out of the search and named, instead of refused.

    search.html#modifiers, #query: a server SHALL reject a modifier or named query that it does not support.
    """
    return lenient and isinstance(error, UnsupportedParameterError) and not isinstance(error, UnsupportedModifierError)


def _refuse_too_many(parameters: Sequence[tuple[str, str]]) -> None:
    """The database plans each criterion; what one query may ask is bounded before it gets there."""
    asked = [
        value for name, value in dict.fromkeys(parameters) if value and name not in _CONTROLS and "include" not in name
    ]
    if len(asked) > MAXIMUM_CRITERIA:
        raise _too_much(f"at most {MAXIMUM_CRITERIA} criteria; this one has {len(asked)}")
    alternatives = sum(value.count(",") + 1 for value in asked)
    if alternatives > MAXIMUM_VALUES:
        raise _too_much(f"at most {MAXIMUM_VALUES} alternatives in all; this one has {alternatives}")


def _too_much(limit: str) -> MalformedRequestError:
    return MalformedRequestError(f"A search has {limit}.", code="too-costly")


def _take(query: SearchQuery, name: str, value: str, context: SearchContext) -> None:
    code, _, modifier = name.partition(":")
    if code in ("_include", "_revinclude"):
        query.includes.append(
            parse_include(code, modifier, value, query.resource_type, context.served, context.base_url)
        )
        if len(query.includes) > MAXIMUM_INCLUDES:
            raise _too_much(f"at most {MAXIMUM_INCLUDES} includes")
    elif name in _CONTROLS:
        value = _CONTROLS[name](query, value, context)
        if name == "_cursor":
            return
    elif code in _CONTROLS or code in _ANSWER_SHAPE or name.startswith("_type:"):
        raise UnsupportedModifierError(name, f"{code} has no modifiers")
    else:
        query.criteria.extend(conjuncts(criterion_of(query.resource_type, name, value, context)))
    query.applied.append((name, value))


def _take_count(query: SearchQuery, value: str, _context: SearchContext) -> str:
    if not (value.isascii() and value.isdecimal()):
        raise InvalidParameterError("_count", value, "it is a whole number from 0")
    # R4 search.html#count: 0 is the same as _summary=count. The number of digits is bounded before it is read.
    query.count = min(int(value[:9]), MAXIMUM_COUNT)
    if query.count == 0:
        query.summary = "count"
    return str(query.count)


def _take_total(query: SearchQuery, value: str, _context: SearchContext) -> str:
    query.total = _one_of("_total", value, ("none", "estimate", "accurate"))  # type: ignore[assignment]
    return value


def _take_summary(query: SearchQuery, value: str, _context: SearchContext) -> str:
    query.summary = _one_of("_summary", value, ("true", "text", "data", "count", "false"))  # type: ignore[assignment]
    return value


def _take_elements(query: SearchQuery, value: str, _context: SearchContext) -> str:
    query.elements = tuple(name for name in value.split(",") if name)
    return value


def _take_sort(query: SearchQuery, value: str, context: SearchContext) -> str:
    query.sort = parse_sort(query.resource_type, value, context.base_url, context.served)
    return ",".join(key.text for key in query.sort)


def _take_cursor(query: SearchQuery, value: str, _context: SearchContext) -> str:
    query.cursor = value
    return value


def _one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise InvalidParameterError(name, value, f"it is one of {', '.join(allowed)}")
    return value


_CONTROLS = {
    "_count": _take_count,
    "_total": _take_total,
    "_summary": _take_summary,
    "_elements": _take_elements,
    "_sort": _take_sort,
    "_cursor": _take_cursor,
}
