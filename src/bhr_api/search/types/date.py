"""date parameters: intervals against intervals (FHIR R4, search.html#date and #prefix).

The stored value is [start, end), the asked one [low, high). The type's main date is in the row itself, other dates are in
`date_index`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bhr_api.errors import InvalidParameterError
from bhr_api.fhir.dates import BEGINNING, FOREVER, Interval, interval_of, period_interval
from bhr_api.search.criteria import Criterion, InIndex, either
from bhr_api.search.entry import IndexEntry
from bhr_api.search.escapes import unescape
from bhr_api.search.parameters import Parameter
from bhr_api.search.types.number import split_prefix
from bhr_api.search.types.token import TypedValue
from bhr_api.store.sql import Binder

MODIFIERS: frozenset[str] = frozenset()

_CONDITIONS = {
    "eq": "{s} >= {l} AND {e} <= {h}",
    "ne": "NOT ({s} >= {l} AND {e} <= {h})",
    "gt": "{e} > {h}",
    "lt": "{s} < {l}",
    "ge": "({e} > {h} OR ({s} >= {l} AND {e} <= {h}))",
    "le": "({s} < {l} OR ({s} >= {l} AND {e} <= {h}))",
    "sa": "{s} >= {h}",
    "eb": "{e} <= {l}",
    "ap": "{s} < {h} AND {e} > {l}",
}
# What follows from the condition above about `start` alone, for the sake of the index that is ordered by it.
_START_BOUNDS = {
    "eq": "{s} >= {l} AND {s} < {h}",
    "lt": "{s} < {l}",
    "sa": "{s} >= {h}",
    "eb": "{s} < {l}",
    "ap": "{s} < {h}",
}
# `b` and `k` are a millisecond before `l` and `h`.
_LAST_UPDATED = {
    "eq": "{s} >= {l} AND {s} <= {k}",
    "ne": "NOT ({s} >= {l} AND {s} <= {k})",
    "gt": "{s} > {k}",
    "lt": "{s} < {l}",
    "ge": "{s} >= {l}",
    "le": "{s} <= {k}",
    "sa": "{s} >= {h}",
    "eb": "{s} <= {b}",
    "ap": "{s} < {h} AND {s} > {b}",
}
_MILLISECOND = timedelta(milliseconds=1)


class AskedDate(NamedTuple):
    """A date of a query: its prefix and interval (for `ap` already widened)."""

    prefix: str
    low: datetime
    high: datetime


def intervals(values: list[TypedValue]) -> Iterator[Interval]:
    """The interval of each date, dateTime, instant, Period or Timing; values that are no dates are passed over."""
    for type_code, value in values:
        if isinstance(value, str):
            try:
                yield interval_of(value)
            except ValueError:
                continue
        elif type_code == "Period":
            yield period_interval(value.get("start"), value.get("end"))
        elif type_code == "Timing":
            yield from _outer_limits(value)


def _outer_limits(timing: dict[str, Any]) -> Iterator[Interval]:
    """search.html#date: of a Timing only the outer limits count, whatever its schedule says."""
    found = [interval_of(event) for event in timing.get("event", ()) if event]
    bounds = timing.get("repeat", {}).get("boundsPeriod")
    if bounds:
        found.append(period_interval(bounds.get("start"), bounds.get("end")))
    if found:
        yield min(start for start, _ in found), max(end for _, end in found)


def index(parameter: Parameter, values: list[TypedValue], entry: IndexEntry) -> None:
    """Leave the main date in the row, any other in the index of dates."""
    found = dict.fromkeys(intervals(values))
    if parameter.is_main_date:
        if found:
            entry.main_date = (min(start for start, _ in found), max(end for _, end in found))
    else:
        entry.dates.extend((parameter.number, start, end) for start, end in found)


def parse_date(parameter: str, text: str, now: datetime) -> AskedDate:
    """The date that a query value asks for.

    search.html#prefix, ap: the range is widened on both sides by 10 % of its distance from now, which is nothing while it
    holds now.
    """
    prefix, date = split_prefix(text)
    try:
        low, high = interval_of(date)
    except ValueError as error:
        raise InvalidParameterError(parameter, text, str(error)) from error
    if prefix == "ap":
        gap = max(low - now, now - high, timedelta()) / 10
        low, high = _moved(low, -gap), _moved(high, gap)
    return AskedDate(prefix, low, high)


def _moved(instant: datetime, by: timedelta) -> datetime:
    try:
        return instant + by
    except OverflowError:
        return FOREVER if by > timedelta() else BEGINNING


def condition(asked: AskedDate, start: str, end: str, binder: Binder) -> str:
    """SQL about the interval in the columns `start` and `end`."""
    template = _CONDITIONS[asked.prefix]
    if asked.prefix in ("eq", "ap"):
        template = f"{_START_BOUNDS[asked.prefix]} AND {template}"
    return f"({_written(template, asked, {'s': start, 'e': end}, binder)})"


def _written(template: str, asked: AskedDate, columns: dict[str, str], binder: Binder) -> str:
    bounds = {
        "l": asked.low,
        "h": asked.high,
        "b": _moved(asked.low, -_MILLISECOND),
        "k": _moved(asked.high, -_MILLISECOND),
    }
    values = {name: binder.bind(value, "timestamptz") for name, value in bounds.items() if f"{{{name}}}" in template}
    return template.format(**columns, **values)


def match(parameter: Parameter, values: list[str], now: datetime) -> Criterion:
    """Rows that have a date as one of `values` asks."""
    asked = [parse_date(parameter.code, unescape(value), now) for value in values]
    return either([_criterion(parameter, date) for date in asked])


def _criterion(parameter: Parameter, asked: AskedDate) -> Criterion:
    if parameter.is_main_date:
        return OnMainDate(asked)

    def where(binder: Binder) -> str:
        return condition(asked, "i.date_start", "i.date_end", binder)

    return InIndex("date_index", parameter.resource_type_number, parameter.number, (where,))


@dataclass(frozen=True, slots=True)
class OnMainDate(Criterion):
    """The type's main date, in the row's own columns, is as `asked`."""

    asked: AskedDate

    def sql(self, row: str, binder: Binder) -> str:
        """-infinity stands for "no date", which satisfies no comparison."""
        dated = condition(self.asked, f"{row}.date_start", f"{row}.date_end", binder)
        return f"({dated} AND {row}.date_start > '-infinity')"

    def start_bounds(self, start: str, binder: Binder) -> str:
        """What follows about `start` alone, for the sake of an index that is ordered by it."""
        template = _START_BOUNDS.get(self.asked.prefix)
        return "TRUE" if template is None else _written(template, self.asked, {"s": start}, binder)


def last_updated(values: list[str], now: datetime) -> Criterion:
    """`_lastUpdated`: the row's own column."""
    return either([OnLastUpdated(parse_date("_lastUpdated", unescape(value), now)) for value in values])


@dataclass(frozen=True, slots=True)
class OnLastUpdated(Criterion):
    """`meta.lastUpdated` is as `asked`.

    It is a whole millisecond, so the interval [t, t + 1 ms): the comparisons of intervals, solved for t, so that the bare
    column stands in them and its index serves.
    """

    asked: AskedDate

    @property
    def is_since(self) -> bool:
        """Whether it asks for what changed from some moment on."""
        return self.asked.prefix in ("eq", "gt", "ge", "sa", "ap")

    def sql(self, row: str, binder: Binder) -> str:
        """The condition on the column."""
        prefix = self.asked.prefix
        if prefix in ("ge", "le") and self.asked.high - self.asked.low < _MILLISECOND:
            # Nothing stored lies within the interval that was asked for.
            prefix = "gt" if prefix == "ge" else "lt"
        return f"({_written(_LAST_UPDATED[prefix], self.asked, {'s': f'{row}.last_updated'}, binder)})"
