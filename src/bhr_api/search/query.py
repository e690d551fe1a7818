"""From the parameters of a request to a query: what is searched for, how the answer is cut, and what was applied.

FHIR R4, search.html. Unknown parameters are refused, or under `Prefer: handling=lenient` ignored and named
(docs/search.md): an ignored filter discloses too much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from bhr_api.errors import InvalidParameterError, MalformedRequestError, UnsupportedParameterError
from bhr_api.search.chain import Chains, Hops
from bhr_api.search.criteria import AnyToken, Both, Criterion, Either, Not, WithId, Written, conjuncts, either
from bhr_api.search.escapes import split_commas, unescape
from bhr_api.search.include import Include, parse_include
from bhr_api.search.order import LAST_UPDATED, NEWEST_DATED, SortKey, parse_sort
from bhr_api.search.parameters import NOT_SERVED, ROW_PARAMETERS, Parameter, parameters_of
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types import composite, date, number, quantity, reference, string, token, uri
from bhr_api.search.visibility import Visibility

DEFAULT_COUNT = 50
MAXIMUM_COUNT = 1000
MAXIMUM_VALUES = 1000
MAXIMUM_CRITERIA = 50
MAXIMUM_INCLUDES = 50

Summary = Literal["true", "text", "data", "count", "false"]
Total = Literal["none", "estimate", "accurate"]

# Shape of the answer that every interaction has; read by the doors.
_ANSWER_SHAPE = frozenset({"_format", "_pretty"})

_MODIFIERS: Mapping[str, frozenset[str]] = {
    "token": token.MODIFIERS,
    "string": string.MODIFIERS,
    "uri": uri.MODIFIERS,
    "date": date.MODIFIERS,
    "number": number.MODIFIERS,
    "quantity": quantity.MODIFIERS,
}
# Modifiers of R4 that are refused by name until they are served.
_LATER = frozenset({"text", "in", "not-in", "below", "above", "of-type"})


@dataclass(frozen=True, slots=True)
class SearchContext:
    """What the meaning of a query depends on besides its text."""

    hasher: TokenHasher
    base_url: str
    now: datetime
    visibility: Visibility
    lenient: bool = False
    hops: Hops = field(default_factory=Hops)


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
        except UnsupportedParameterError:
            if not context.lenient:
                raise
            query.ignored.append(name)
    return query


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
        query.includes.append(parse_include(code, modifier, value, query.resource_type))
        if len(query.includes) > MAXIMUM_INCLUDES:
            raise _too_much(f"at most {MAXIMUM_INCLUDES} includes")
    elif name in _CONTROLS:
        value = _CONTROLS[name](query, value)
        if name == "_cursor":
            return
    else:
        query.criteria.extend(conjuncts(_criterion(query.resource_type, name, value, context)))
    query.applied.append((name, value))


def _take_count(query: SearchQuery, value: str) -> str:
    if not (value.isascii() and value.isdecimal()):
        raise InvalidParameterError("_count", value, "it is a whole number from 0")
    # R4 search.html#count: 0 is the same as _summary=count. The number of digits is bounded before it is read.
    query.count = min(int(value[:9]), MAXIMUM_COUNT)
    if query.count == 0:
        query.summary = "count"
    return str(query.count)


def _take_total(query: SearchQuery, value: str) -> str:
    query.total = _one_of("_total", value, ("none", "estimate", "accurate"))  # type: ignore[assignment]
    return value


def _take_summary(query: SearchQuery, value: str) -> str:
    query.summary = _one_of("_summary", value, ("true", "text", "data", "count", "false"))  # type: ignore[assignment]
    return value


def _take_elements(query: SearchQuery, value: str) -> str:
    query.elements = tuple(name for name in value.split(",") if name)
    return value


def _take_sort(query: SearchQuery, value: str) -> str:
    query.sort = parse_sort(query.resource_type, value)
    return ",".join(key.text for key in query.sort)


def _take_cursor(query: SearchQuery, value: str) -> str:
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


def _criterion(resource_type: str, name: str, value: str, context: SearchContext) -> Criterion:
    if name.startswith("_has:") or "." in name:
        chains = Chains(
            context.visibility,
            context.hasher,
            context.hops,
            lambda other, rest: _criterion(other, rest, value, context),
        )
        return chains.has(resource_type, name) if name.startswith("_has:") else chains.chained(resource_type, name)
    code, colon, modifier = name.partition(":")
    return _plain_criterion(resource_type, code, modifier if colon else None, value, context)


def _plain_criterion(
    resource_type: str, code: str, modifier: str | None, value: str, context: SearchContext
) -> Criterion:
    if code in NOT_SERVED:
        raise UnsupportedParameterError(code, "this parameter is not served yet")
    parameter = parameters_of(resource_type).get(code)
    if parameter is None:
        raise UnsupportedParameterError(code, f"{resource_type} has no such search parameter")
    values = split_commas(value)
    if modifier == "missing":
        return _missing(parameter, value, context.hasher)
    if modifier is not None:
        _refuse_unknown_modifier(parameter, modifier)
    values = [one for one in values if one]
    if not values:
        raise InvalidParameterError(code, value, "there is no value between the commas")
    return _matching(parameter, modifier, values, context)


def _refuse_unknown_modifier(parameter: Parameter, modifier: str) -> None:
    if parameter.type == "reference":
        known = reference.is_modifier(parameter, modifier)
    else:
        known = modifier in _MODIFIERS.get(parameter.type, frozenset())
    if not known:
        reason = "is not served yet" if modifier in _LATER else f"is no modifier of a {parameter.type} parameter"
        raise UnsupportedParameterError(f"{parameter.code}:{modifier}", f"the modifier :{modifier} {reason}")


def _missing(parameter: Parameter, value: str, hasher: TokenHasher) -> Criterion:
    """`:missing` (search.html#modifiers): true finds rows without a value."""
    if value not in ("true", "false"):
        raise InvalidParameterError(f"{parameter.code}:missing", value, "it is true or false")
    present = _present(parameter, hasher)
    return Not(present) if value == "true" else present


def _present(parameter: Parameter, hasher: TokenHasher) -> Criterion:
    if parameter.code in ROW_PARAMETERS or parameter.is_mandatory:
        return Written(lambda _row, _binder: "TRUE")
    if parameter.is_patient and parameter.made_of:
        elsewhere = AnyToken((hasher.present(parameter.resource_type, parameter.code),))
        return Either([Written(lambda row, _binder: f"{row}.patient IS NOT NULL"), elsewhere])
    served = parameters_of(parameter.resource_type)
    if parameter.made_of:
        return either([_present(served[code], hasher) for code in parameter.made_of])
    if parameter.is_composite_of_resource:
        return Both([_present(served[part.code], hasher) for part in parameter.components])
    return AnyToken((hasher.present(parameter.resource_type, parameter.code),))


def _matching(parameter: Parameter, modifier: str | None, values: list[str], context: SearchContext) -> Criterion:
    hasher, base_url, now = context.hasher, context.base_url, context.now
    served = parameters_of(parameter.resource_type)
    if parameter.made_of and not parameter.is_patient:
        return _matching_parts([served[code] for code in parameter.made_of], modifier, values, context)
    if parameter.code == "_id":
        found: Criterion = WithId(tuple(unescape(value) for value in values))
        return Not(found) if modifier == "not" else found
    if parameter.code == "_lastUpdated":
        return date.last_updated(values, now)
    match parameter.type:
        case "token":
            found = token.match(parameter, values, hasher)
            # search.html#token, :not: "the coding/code is not in the set", also where there is none.
            return Not(found) if modifier == "not" else found
        case "reference":
            return reference.match(parameter, modifier, values, hasher, base_url)
        case "string":
            return string.match(parameter, modifier, values, hasher)
        case "composite":
            return composite.match(parameter, served, values, hasher, base_url, now)
        case _:
            return either([composite.match_plain(parameter, value, hasher, base_url, now) for value in values])


def _matching_parts(
    parts: Sequence[Parameter], modifier: str | None, values: list[str], context: SearchContext
) -> Criterion:
    """A parameter that is a union of others; its negation is theirs together."""
    if modifier == "not":
        return Not(either([_matching(part, None, values, context) for part in parts]))
    return either([_matching(part, modifier, values, context) for part in parts])
