"""The statistics of valueset-observation-statistics.html, against Python's own and against worked examples."""

import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.operations.statistics import STATISTICS, Figure, Measured, Sample, figures

BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
VALUES = st.lists(st.decimals(-1000, 1000, places=2), min_size=2, max_size=30)


def sample_of(values: Sequence[Decimal | int], total: int | None = None) -> Sample:
    """Measured a day apart."""
    measured = [Measured(Decimal(value), BEGINNING + timedelta(days=day)) for day, value in enumerate(values)]
    return Sample(measured, len(values) if total is None else total)


def value_of(statistic: str, values: Sequence[Decimal | int]) -> Decimal | None:
    (figure,) = figures(statistic, sample_of(values))
    return figure.value


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        ("average", "5"),
        ("maximum", "9"),
        ("minimum", "2"),
        ("count", "8"),
        ("total-count", "10"),
        ("median", "4.5"),
        ("sum", "40"),
        ("variance", "4.57142857143"),
        ("std-dev", "2.1380899353"),
        ("20-percent", "4"),
        ("80-percent", "6.2"),
        ("4-lower", "4"),
        ("4-upper", "5.5"),
        ("4-dev", "0.75"),
        ("5-1", "4"),
        ("5-2", "4"),
        ("5-3", "5"),
        ("5-4", "6.2"),
        ("skew", "0.65625"),
        ("kurtosis", "2.78125"),
    ],
)
def test_each_statistic_of_a_worked_example(statistic: str, expected: str) -> None:
    (figure,) = figures(statistic, sample_of([2, 4, 4, 4, 5, 5, 7, 9], total=10))
    assert str(figure.value) == expected


def test_the_regression_is_a_gradient_per_day_and_an_intercept() -> None:
    gradient, intercept = figures("regression", sample_of([1, 3, 5, 7]))
    assert gradient == Figure(Decimal(2), "unit/d", "gradient")
    assert intercept == Figure(Decimal(1), "unit", "intercept")


def test_the_regression_leaves_out_what_has_no_time() -> None:
    timed = sample_of([1, 3]).measured
    gradient, _ = figures("regression", Sample([*timed, Measured(Decimal(100), None)], 3))
    assert gradient.value == 2


@pytest.mark.parametrize("statistic", STATISTICS)
def test_of_no_measurements_only_the_counts_are_defined(statistic: str) -> None:
    values = {figure.value for figure in figures(statistic, Sample([], 0))}
    assert values == ({Decimal(0)} if statistic in ("count", "total-count") else {None})


@pytest.mark.parametrize("statistic", ["variance", "std-dev", "skew", "kurtosis", "regression"])
def test_of_one_measurement_there_is_no_spread(statistic: str) -> None:
    assert {figure.value for figure in figures(statistic, sample_of([7]))} == {None}


@pytest.mark.parametrize("statistic", ["median", "20-percent", "4-upper", "5-4", "average", "sum"])
def test_of_one_measurement_the_rest_is_that(statistic: str) -> None:
    assert value_of(statistic, [7]) == 7


@pytest.mark.parametrize(
    ("statistic", "python"),
    [
        ("average", statistics.mean),
        ("median", statistics.median),
        ("variance", statistics.variance),
        ("std-dev", statistics.stdev),
        ("4-lower", lambda values: statistics.quantiles(values, n=4, method="inclusive")[0]),
        ("4-upper", lambda values: statistics.quantiles(values, n=4, method="inclusive")[2]),
        ("5-2", lambda values: statistics.quantiles(values, n=5, method="inclusive")[1]),
        ("80-percent", lambda values: statistics.quantiles(values, n=5, method="inclusive")[3]),
    ],
)
@given(values=VALUES)
def test_it_is_what_python_reckons(
    statistic: str, python: Callable[[list[Decimal]], Decimal], values: list[Decimal]
) -> None:
    assert float(value_of(statistic, values) or 0) == pytest.approx(float(python(values)), rel=1e-9, abs=1e-9)


@given(VALUES)
def test_order_does_not_matter(values: list[Decimal]) -> None:
    for statistic in STATISTICS.keys() - {"regression"}:
        assert value_of(statistic, values) == value_of(statistic, values[::-1])


def test_values_are_told_without_exponents() -> None:
    assert str(value_of("sum", [10**15, 0])) == "1000000000000000"
    assert str(value_of("average", [Decimal("0.10"), Decimal("0.30")])) == "0.2"
