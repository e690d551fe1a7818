import pytest
from hypothesis import given

from tests.search.drawn_values import datetimes
from tests.search.one_resource import found, observation, patient
from tests.search.reference_paths import Resource


@pytest.mark.parametrize(
    ("birth_date", "query", "expected"),
    [
        pytest.param("2013-01-14", "eq2013-01-14", True, id="eq-the-same-day"),
        pytest.param("2013-01-14", "2013-01-14", True, id="no-prefix-is-eq"),
        pytest.param("2013-01-15", "eq2013-01-14", False, id="eq-not-the-next-day"),
        pytest.param("2013-01-14", "eq2013-01", True, id="eq-a-day-of-the-month"),
        pytest.param("2013-01", "eq2013-01-14", False, id="eq-a-month-is-not-in-its-day"),
        pytest.param("2013-01-15", "ne2013-01-14", True, id="ne-the-next-day"),
        pytest.param("2013-01-14", "ne2013-01-14", False, id="ne-not-the-same-day"),
        pytest.param("2013-01", "ne2013-01-14", True, id="ne-a-month-is-not-the-day"),
        pytest.param("2013-01-14", "lt2013-01-15", True, id="lt-the-day-before"),
        pytest.param("2013-01-14", "lt2013-01-14", False, id="lt-not-the-same-day"),
        pytest.param("2013-01", "lt2013-01-14", True, id="lt-the-month-starts-before"),
        pytest.param("2013-01-15", "gt2013-01-14", True, id="gt-the-day-after"),
        pytest.param("2013-01-14", "gt2013-01-14", False, id="gt-not-the-same-day"),
        pytest.param("2013-03", "ge2013-03-14", True, id="ge-the-month-overlaps-above"),
        pytest.param("2013-03-14", "ge2013-03-14", True, id="ge-the-same-day"),
        pytest.param("2013-03-13", "ge2013-03-14", False, id="ge-not-the-day-before"),
        pytest.param("2013-03-14", "le2013-03-14", True, id="le-the-same-day"),
        pytest.param("2013-03-15", "le2013-03-14", False, id="le-not-the-next-day"),
        pytest.param("2013-03-15", "sa2013-03-14", True, id="sa-the-next-day"),
        pytest.param("2013-03", "sa2013-03-14", False, id="sa-not-a-month-around-it"),
        pytest.param("2013-03-13", "eb2013-03-14", True, id="eb-the-day-before"),
        pytest.param("2013-03", "eb2013-03-14", False, id="eb-not-a-month-around-it"),
        pytest.param("2013-03-14", "ap2013-03-14", True, id="ap-the-same-day"),
        pytest.param("2014-03-14", "ap2013-03-14", True, id="ap-within-a-tenth-of-13-years"),
        pytest.param("2015-03-14", "ap2013-03-14", False, id="ap-not-two-years-off"),
        pytest.param("2024-02-29", "2024-02", True, id="leap-day"),
        pytest.param("2013-12-31", "2013", True, id="last-day-of-the-year"),
        pytest.param("2014-01-01", "2013", False, id="first-day-of-the-next-year"),
    ],
)  # fmt: skip
def test_prefixes_compare_a_date(birth_date: str, query: str, expected: bool) -> None:
    assert found(patient(birthDate=birth_date), ("birthdate", query)) is expected


@pytest.mark.parametrize(
    ("stored", "query", "expected"),
    [
        pytest.param("2013-01-14T00:00:00Z", "eq2013-01-14", True, id="midnight-is-of-the-day"),
        pytest.param("2013-01-14T10:00:00Z", "eq2013-01-14", True, id="ten-is-of-the-day"),
        pytest.param("2013-01-15T00:00:00Z", "eq2013-01-14", False, id="midnight-of-the-next-day"),
        pytest.param("2013-01-14T10:00:00Z", "lt2013-01-14T10:00", False, id="lt-its-own-minute"),
        pytest.param("2013-01-14T10:00:30Z", "eq2013-01-14T10:00Z", True, id="minute-precision"),
        pytest.param("2013-01-14T10:00:00.250Z", "eq2013-01-14T10:00:00Z", True, id="millisecond-of-the-second"),
        pytest.param("2013-01-14T10:00:00Z", "eq2013-01-14T10:00:00.000Z", False, id="a-second-is-no-millisecond"),
        pytest.param("2013-01-14T23:00:00-05:00", "eq2013-01-15", True, id="zone-moves-the-day"),
        pytest.param("2013-01-14T12:00:00+02:00", "2013-01-14T10:00:00Z", True, id="zones-are-instants"),
        pytest.param("2013-01-14T10:00:00Z", "2013-01-14T10:00:00", True, id="no-zone-is-utc"),
    ],
)  # fmt: skip
def test_a_time_is_as_long_as_its_precision(stored: str, query: str, expected: bool) -> None:
    assert found(observation(effectiveDateTime=stored), ("date", query)) is expected


@pytest.mark.parametrize(
    ("period", "query", "expected"),
    [
        pytest.param({"start": "2013-01-21"}, "gt2013-01-14", True, id="gt-open-end"),
        pytest.param({"start": "2013-01-14"}, "gt2020", True, id="gt-open-end-long-after"),
        pytest.param({"end": "2013-01-21"}, "gt2013-02", False, id="gt-ended"),
        pytest.param({"end": "2013-01-21"}, "lt1900", True, id="lt-open-start"),
        pytest.param({"start": "2013-01-14"}, "sa2013-01-13", True, id="sa-starts-the-next-day"),
        pytest.param({"start": "2013-01-14"}, "eb2030", False, id="eb-never-with-an-open-end"),
        pytest.param({"start": "2013-01-14", "end": "2013-01-20"}, "2013-01", True, id="eq-inside-the-month"),
        pytest.param({"start": "2013-01-14"}, "2013-01", False, id="eq-never-with-an-open-end"),
        pytest.param({"start": "2013-01-14", "end": "2013-02"}, "eb2013-03-01", True, id="eb-after-the-whole-month"),
        pytest.param({"start": "2013-01-14", "end": "2013-02"}, "eb2013-02-28", False, id="eb-not-within-the-month"),
    ],
)  # fmt: skip
def test_a_period_reaches_from_its_start_to_the_end_of_its_end(
    period: Resource, query: str, expected: bool
) -> None:  # fmt: skip
    assert found(observation(effectivePeriod=period), ("date", query)) is expected


def test_a_timing_has_the_limits_of_its_events() -> None:
    scheduled = observation(effectiveTiming={"event": ["2013-01-31", "2013-03-24"]})

    assert found(scheduled, ("date", "2013"))
    assert found(scheduled, ("date", "lt2013-02-01"), ("date", "gt2013-02-01"))
    assert not found(scheduled, ("date", "2013-01"))


def test_a_timing_has_the_limits_of_its_bounds() -> None:
    bounds = {"repeat": {"boundsPeriod": {"start": "2013-01-31", "end": "2013-03-24"}}}

    assert found(observation(effectiveTiming=bounds), ("date", "le2013-03-24"), ("date", "sa2013-01-30"))


@pytest.mark.parametrize(
    ("stored", "query", "expected"),
    [
        pytest.param(100, "100", True, id="100"),
        pytest.param(99.5, "100", True, id="100-from-99.5"),
        pytest.param(99.49, "100", False, id="100-not-99.49"),
        pytest.param(100.49, "100", True, id="100-to-under-100.5"),
        pytest.param(100.5, "100", False, id="100-not-100.5"),
        pytest.param(99.995, "100.00", True, id="100.00-from-99.995"),
        pytest.param(100.005, "100.00", False, id="100.00-not-100.005"),
        pytest.param(50, "1e2", True, id="1e2-from-50"),
        pytest.param(149.9, "1e2", True, id="1e2-to-under-150"),
        pytest.param(150, "1e2", False, id="1e2-not-150"),
        pytest.param(100.4, "ne100", False, id="ne-takes-the-precision"),
        pytest.param(100.6, "ne100", True, id="ne-outside"),
        pytest.param(100.1, "gt100", True, id="gt-is-exact"),
        pytest.param(100, "gt100", False, id="gt-not-equal"),
        pytest.param(99.9, "lt100", True, id="lt-is-exact"),
        pytest.param(99.9, "ge100", False, id="ge-is-exact"),
        pytest.param(100, "ge100", True, id="ge-equal"),
        pytest.param(100, "le100", True, id="le-equal"),
        pytest.param(100.1, "le100", False, id="le-is-exact"),
        pytest.param(110, "ap100", True, id="ap-a-tenth-above"),
        pytest.param(89, "ap100", False, id="ap-more-than-a-tenth-below"),
        pytest.param(-95, "ap-100", True, id="ap-negative"),
        pytest.param(0.0054, "5.40e-3", True, id="5.40e-3"),
        pytest.param(0.005404, "5.40e-3", True, id="5.40e-3-to-under-0.005405"),
        pytest.param(0.005405, "5.40e-3", False, id="5.40e-3-not-0.005405"),
    ],
)  # fmt: skip
def test_a_number_is_as_precise_as_it_is_written(stored: float, query: str, expected: bool) -> None:
    charge = {"resourceType": "ChargeItem", "factorOverride": stored}

    assert found(charge, ("factor-override", query)) is expected


UCUM = "http://unitsofmeasure.org"
MILLIGRAMS = {"value": 5.4, "unit": "milligrams", "system": UCUM, "code": "mg"}


@pytest.mark.parametrize(
    ("quantity", "query", "expected"),
    [
        pytest.param(MILLIGRAMS, f"5.4|{UCUM}|mg", True, id="number-system-code"),
        pytest.param(MILLIGRAMS, "5.4||mg", True, id="code-alone"),
        pytest.param(MILLIGRAMS, "5.4||milligrams", True, id="unit-alone"),
        pytest.param(MILLIGRAMS, "5.4", True, id="any-unit"),
        pytest.param(MILLIGRAMS, "5.40", True, id="more-digits"),
        pytest.param({**MILLIGRAMS, "value": 5.44}, "5.4", True, id="within-the-precision"),
        pytest.param(MILLIGRAMS, f"5.4|{UCUM}|g", False, id="another-unit"),
        pytest.param(MILLIGRAMS, "5.4|http://other.example|mg", False, id="another-system"),
        pytest.param(MILLIGRAMS, f"0.0054|{UCUM}|g", True, id="converted"),
        pytest.param({**MILLIGRAMS, "value": 2, "code": "h"}, f"120|{UCUM}|min", True, id="hours-in-minutes"),
        pytest.param({**MILLIGRAMS, "value": 2, "code": "h"}, f"2|{UCUM}|m", False, id="hours-are-no-metres"),
        pytest.param(MILLIGRAMS, f"le5.4|{UCUM}|mg", True, id="le"),
        pytest.param(MILLIGRAMS, f"gt5|{UCUM}|mg", True, id="gt"),
        pytest.param(MILLIGRAMS, f"ap5|{UCUM}|mg", True, id="ap"),
        pytest.param({"value": 10, "comparator": "<"}, "10", False, id="comparator-is-never-eq"),
        pytest.param({"value": 10, "comparator": "<"}, "ne10", True, id="comparator-is-always-ne"),
        pytest.param({"value": 10, "comparator": "<"}, "lt5", True, id="under-10-may-be-under-5"),
        pytest.param({"value": 10, "comparator": "<"}, "gt10", False, id="under-10-is-not-over-10"),
        pytest.param({"value": 10, "comparator": "<"}, "ge10", False, id="under-10-leaves-10-out"),
        pytest.param({"value": 10, "comparator": "<="}, "ge10", True, id="to-10-holds-10"),
        pytest.param({"value": 10, "comparator": "<"}, "eb10", True, id="under-10-ends-before-10"),
        pytest.param({"value": 10, "comparator": ">"}, "sa10", True, id="over-10-starts-after-10"),
    ],
)  # fmt: skip
def test_a_quantity_matches_by_number_and_unit(quantity: Resource, query: str, expected: bool) -> None:
    assert found(observation(valueQuantity=quantity), ("value-quantity", query)) is expected


@given(datetimes(), datetimes())
def test_prefixes_of_dates_agree(stored: str, asked: str) -> None:
    eq, ne, gt, lt, ge, le, sa, eb = (
        found(observation(effectiveDateTime=stored), ("date", prefix + asked))
        for prefix in ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
    )

    assert (ne, ge, le) == (not eq, gt or eq, lt or eq)
    assert not (sa and (lt or eq))
    assert not (eb and (gt or eq))
