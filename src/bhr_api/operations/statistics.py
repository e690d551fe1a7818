"""The statistics of R4's code system observation-statistics, over decimal values (valueset-observation-statistics.html).

What R4 leaves open is settled so: variance and standard deviation are those of a sample (divided by n - 1), quantiles are
interpolated between the two nearest ranks (position (n - 1) * p), skew is the third and kurtosis the fourth standardised
moment (3 for a normal distribution), and the gradient of the regression is per day (docs/named-operations.md).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, localcontext
from typing import NamedTuple

SYSTEM = "http://terminology.hl7.org/CodeSystem/observation-statistics"
DIGITS = 12
"""Significant digits that a statistic is told with; they are reckoned with more."""

_RECKONING = Context(prec=40)
_SECONDS_OF_A_DAY = 86_400


class Measured(NamedTuple):
    """One measurement; `at` is None where its time is not known."""

    value: Decimal
    at: datetime | None


class Figure(NamedTuple):
    """A result. `value` is None where the measurements do not define it; `dimension` is of unit, unit^2, unit/d or none."""

    value: Decimal | None
    dimension: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Measurements of one code in one unit; `total` counts those without a valid value too."""

    measured: Sequence[Measured]
    total: int

    @property
    def values(self) -> list[Decimal]:
        """The values in order of size."""
        return sorted(one.value for one in self.measured)


def figures(statistic: str, sample: Sample) -> list[Figure]:
    """What `statistic` (a code of the system) is of `sample`; `regression` are two figures, the others one."""
    with localcontext(_RECKONING):
        found = STATISTICS[statistic][1](sample)
        told = Context(prec=DIGITS)
        return [one if one.value is None else one._replace(value=_plain(told.plus(one.value))) for one in found]


def _plain(value: Decimal) -> Decimal:
    """Without zeros at the end, and without an exponent."""
    return Decimal(format(value.normalize(), "f"))


def _of_values(
    reckon: Callable[[Sequence[Decimal]], Decimal], dimension: str = "unit", *, least: int = 1
) -> Callable[[Sample], list[Figure]]:
    def figure(sample: Sample) -> list[Figure]:
        values = sample.values
        return [Figure(reckon(values) if len(values) >= least else None, dimension)]

    return figure


def _mean(values: Sequence[Decimal]) -> Decimal:
    return sum(values, Decimal()) / len(values)


def _moment(values: Sequence[Decimal], order: int) -> Decimal:
    mean = _mean(values)
    return sum(((value - mean) ** order for value in values), Decimal()) / len(values)


def _variance(values: Sequence[Decimal]) -> Decimal:
    return _moment(values, 2) * len(values) / (len(values) - 1)


def _quantile(numerator: int, denominator: int) -> Callable[[Sequence[Decimal]], Decimal]:
    def quantile(values: Sequence[Decimal]) -> Decimal:
        place, rest = divmod((len(values) - 1) * numerator, denominator)
        if rest == 0:
            return values[place]
        return values[place] + (values[place + 1] - values[place]) * rest / denominator

    return quantile


def _quartile_deviation(values: Sequence[Decimal]) -> Decimal:
    return (_quantile(3, 4)(values) - _quantile(1, 4)(values)) / 2


def _standardised(order: int) -> Callable[[Sample], list[Figure]]:
    def figure(sample: Sample) -> list[Figure]:
        values = sample.values
        spread = _moment(values, 2) if values else Decimal()
        # Of measurements that are all alike there is no shape to tell.
        return [Figure(_moment(values, order) / spread.sqrt() ** order if spread else None, "none")]

    return figure


def _count(sample: Sample) -> list[Figure]:
    return [Figure(Decimal(len(sample.measured)), "none")]


def _total_count(sample: Sample) -> list[Figure]:
    return [Figure(Decimal(sample.total), "none")]


def _regression(sample: Sample) -> list[Figure]:
    """R4: "This Statistic code will return both a gradient and an intercept value"; the latter at the first measurement."""
    gradient, intercept = _line([(one.at, one.value) for one in sample.measured if one.at is not None])
    return [Figure(gradient, "unit/d", "gradient"), Figure(intercept, "unit", "intercept")]


def _line(points: Sequence[tuple[datetime, Decimal]]) -> tuple[Decimal | None, Decimal | None]:
    if not points:
        return None, None
    first = min(at for at, _ in points)
    days = [Decimal((at - first).total_seconds()) / _SECONDS_OF_A_DAY for at, _ in points]
    values = [value for _, value in points]
    mean_day, mean_value = _mean(days), _mean(values)
    spread = sum(((day - mean_day) ** 2 for day in days), Decimal())
    if not spread:
        return None, None
    together = sum(((d - mean_day) * (v - mean_value) for d, v in zip(days, values, strict=True)), Decimal())
    gradient = together / spread
    return gradient, mean_value - gradient * mean_day


STATISTICS: Mapping[str, tuple[str, Callable[[Sample], list[Figure]]]] = {
    "average": ("Average", _of_values(_mean)),
    "maximum": ("Maximum", _of_values(max)),
    "minimum": ("Minimum", _of_values(min)),
    "count": ("Count", _count),
    "total-count": ("Total Count", _total_count),
    "median": ("Median", _of_values(_quantile(1, 2))),
    "std-dev": ("Standard Deviation", _of_values(lambda values: _variance(values).sqrt(), least=2)),
    "sum": ("Sum", _of_values(lambda values: sum(values, Decimal()))),
    "variance": ("Variance", _of_values(_variance, "unit2", least=2)),
    "20-percent": ("20th Percentile", _of_values(_quantile(1, 5))),
    "80-percent": ("80th Percentile", _of_values(_quantile(4, 5))),
    "4-lower": ("Lower Quartile", _of_values(_quantile(1, 4))),
    "4-upper": ("Upper Quartile", _of_values(_quantile(3, 4))),
    "4-dev": ("Quartile Deviation", _of_values(_quartile_deviation)),
    "5-1": ("1st Quintile", _of_values(_quantile(1, 5))),
    "5-2": ("2nd Quintile", _of_values(_quantile(2, 5))),
    "5-3": ("3rd Quintile", _of_values(_quantile(3, 5))),
    "5-4": ("4th Quintile", _of_values(_quantile(4, 5))),
    "skew": ("Skew", _standardised(3)),
    "kurtosis": ("Kurtosis", _standardised(4)),
    "regression": ("Regression", _regression),
}
"""Code -> its display and what it is of a sample."""
