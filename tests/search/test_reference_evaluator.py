from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.fhir.json_text import parse
from bhr_api.fhir.validation import validate
from tests.search.reference_evaluator import matches
from tests.search.reference_parameters import Resource, parameter
from tests.search.strategies import TYPES, aimed_criteria, any_resources, as_json, datetimes, queries, resources

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BASE = "https://here.example/fhir"


def found(resource: Resource, *query: tuple[str, str]) -> bool:
    return matches(resource, resource["resourceType"], query, now=NOW, base_url=BASE)


def patient(**elements: object) -> Resource:
    return {"resourceType": "Patient", "id": "p1", **elements}


def observation(**elements: object) -> Resource:
    return {"resourceType": "Observation", "id": "o1", "status": "final", **elements}


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


CODING = {"system": "http://acme.example/codes", "code": "ha125"}


@pytest.mark.parametrize(
    ("coding", "query", "expected"),
    [
        pytest.param(CODING, "ha125", True, id="code"),
        pytest.param(CODING, "http://acme.example/codes|ha125", True, id="system-code"),
        pytest.param(CODING, "http://other.example|ha125", False, id="other-system"),
        pytest.param(CODING, "http://acme.example/codes|", True, id="system-alone"),
        pytest.param(CODING, "|ha125", False, id="no-system-asked-but-one-held"),
        pytest.param({"code": "ha125"}, "|ha125", True, id="no-system"),
        pytest.param({"code": "ha125"}, "http://acme.example/codes|ha125", False, id="system-asked-but-none-held"),
        pytest.param(CODING, "HA125", False, id="case-counts"),
        pytest.param(CODING, "x,ha125", True, id="or"),
        pytest.param({"code": "a,b"}, r"a\,b", True, id="escaped-comma"),
        pytest.param({"code": "a|b"}, r"a\|b", True, id="escaped-pipe"),
        pytest.param({"code": "a$b"}, r"a\$b", True, id="escaped-dollar"),
        pytest.param({"code": "a\\b"}, r"a\\b", True, id="escaped-backslash"),
        pytest.param({"code": "a\\"}, r"a\\,x", True, id="escaped-backslash-before-a-comma"),
        pytest.param({"code": "b"}, r"a\,b", False, id="escaped-comma-is-no-or"),
    ],
)  # fmt: skip
def test_a_token_matches_by_system_and_code(coding: Resource, query: str, expected: bool) -> None:
    assert found(observation(code={"coding": [{"code": "other"}, coding]}), ("code", query)) is expected


def test_a_code_has_its_implicit_system() -> None:
    woman = patient(gender="female")

    assert found(woman, ("gender", "http://hl7.org/fhir/administrative-gender|female"))
    assert not found(woman, ("gender", "http://acme.example|female"))


@pytest.mark.parametrize(
    ("gender", "expected"),
    [("male", False), ("female", False), ("other", True), (None, True)],
)
def test_not_is_none_of_the_alternatives(gender: str | None, expected: bool) -> None:
    person = patient(gender=gender) if gender else patient()

    assert found(person, ("gender:not", "male,female")) is expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("gender:missing", "true", True, id="token-missing"),
        pytest.param("gender:missing", "false", False, id="token-not-missing"),
        pytest.param("birthdate:missing", "false", True, id="date-not-missing"),
        pytest.param("name:missing", "true", True, id="string-missing"),
        pytest.param("organization:missing", "true", True, id="reference-missing"),
        pytest.param("deceased:missing", "true", False, id="deceased-is-always-known"),
        pytest.param("_id:missing", "true", False, id="id-not-missing"),
        pytest.param("gender", "", True, id="an-empty-value-asks-nothing"),
    ],
)
def test_missing_asks_for_elements(name: str, value: str, expected: bool) -> None:
    assert found(patient(birthDate="1974"), (name, value)) is expected


EVE = [{"family": "Évêque-Carlsen", "given": ["Eve", "Ann 100%_a"], "text": "Dr. Eve"}]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("given", "eve", True, id="case"),
        pytest.param("given", "ev", True, id="start"),
        pytest.param("given", "ve", False, id="not-inside"),
        pytest.param("family", "eveq", True, id="accents"),
        pytest.param("family", "ÉVÊQUE", True, id="accents-in-the-query"),
        pytest.param("family:contains", "CARL", True, id="contains"),
        pytest.param("family:exact", "Évêque-Carlsen", True, id="exact"),
        pytest.param("family:exact", "Eveque-Carlsen", False, id="exact-accents"),
        pytest.param("family:exact", "Évêque", False, id="exact-whole"),
        pytest.param("name", "dr.", True, id="name-text"),
        pytest.param("name", "carlsen", False, id="name-part-starts"),
        pytest.param("given", "ann 100%_", True, id="no-wildcards"),
        pytest.param("given", "%", False, id="percent-is-itself"),
        pytest.param("given:contains", "_", True, id="underscore-is-itself"),
        pytest.param("given:contains", "v_", False, id="underscore-is-no-wildcard"),
    ],
)
def test_a_string_starts_with_the_query(name: str, value: str, expected: bool) -> None:
    assert found(patient(name=EVE), (name, value)) is expected


@pytest.mark.parametrize(
    ("reference", "name", "value", "expected"),
    [
        pytest.param("Patient/23", "subject", "23", True, id="id"),
        pytest.param("Patient/23", "subject", "Patient/23", True, id="type-id"),
        pytest.param("Patient/23", "subject", "Group/23", False, id="other-type"),
        pytest.param("Patient/23", "subject:Patient", "23", True, id="type-modifier"),
        pytest.param("Patient/23", "subject:Group", "23", False, id="other-type-modifier"),
        pytest.param("Patient/23", "subject", f"{BASE}/Patient/23", True, id="own-url-in-the-query"),
        pytest.param(f"{BASE}/Patient/23", "subject", "Patient/23", True, id="own-url-stored"),
        pytest.param("https://other.example/Patient/23", "subject", "Patient/23", False, id="other-server"),
        pytest.param("https://other.example/Patient/23", "subject", "23", False, id="other-server-by-id"),
        pytest.param("https://other.example/Patient/23", "subject", "https://other.example/Patient/23", True,
                     id="other-server-literally"),
        pytest.param("Patient/23/_history/4", "subject", "Patient/23", True, id="versioned"),
        pytest.param("Patient/23", "patient", "23", True, id="patient"),
        pytest.param("Group/23", "patient", "23", False, id="patient-is-no-group"),
        pytest.param("Group/23", "patient:missing", "true", True, id="patient-missing-for-a-group"),
    ],
)  # fmt: skip
def test_a_reference_matches_by_id_type_and_url(reference: str, name: str, value: str, expected: bool) -> None:
    assert found(observation(subject={"reference": reference}), (name, value)) is expected


def test_a_reference_matches_by_its_identifier() -> None:
    referred = observation(subject={"identifier": {"system": "http://acme.example", "value": "2345"}})

    assert found(referred, ("subject:identifier", "http://acme.example|2345"))
    assert not found(referred, ("subject:identifier", "http://acme.example|2346"))
    assert not found(referred, ("subject", "2345"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("http://acme.example/phq9", True), ("http://acme.example/phq9|2", True), ("http://acme.example/phq9|3", False)],
)
def test_a_canonical_matches_by_url_and_version(value: str, expected: bool) -> None:
    answered = {"resourceType": "QuestionnaireResponse", "questionnaire": "http://acme.example/phq9|2"}

    assert found(answered, ("questionnaire", value)) is expected


PRESSURES = observation(
    code={"coding": [{"code": "bp"}]},
    valueQuantity={"value": 1},
    component=[
        {"code": {"coding": [{"code": "systolic"}]}, "valueQuantity": {"value": 140}},
        {"code": {"coding": [{"code": "diastolic"}]}, "valueQuantity": {"value": 80}},
    ],
)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("component-code-value-quantity", "systolic$gt130", True, id="same-component"),
        pytest.param("component-code-value-quantity", "diastolic$gt130", False, id="not-across-components"),
        pytest.param("code-value-quantity", "bp$1", True, id="the-observation"),
        pytest.param("code-value-quantity", "systolic$140", False, id="not-its-components"),
        pytest.param("combo-code-value-quantity", "systolic$140", True, id="combo"),
        pytest.param("combo-code-value-quantity", "systolic$80,diastolic$80", True, id="or"),
        pytest.param("code-value-concept:missing", "true", True, id="missing-without-a-concept"),
    ],
)
def test_a_composite_matches_within_one_element(name: str, value: str, expected: bool) -> None:
    assert found(PRESSURES, (name, value)) is expected


def test_repetition_is_and_and_several_values_are_any() -> None:
    person = patient(name=[{"given": ["Ann", "Bea"]}])

    assert found(person, ("given", "ann"), ("given", "bea"))
    assert not found(person, ("given", "ann"), ("given", "cleo"))


def test_parameters_of_every_type_read_meta() -> None:
    meta = {
        "lastUpdated": "2026-01-01T10:00:00.123Z",
        "tag": [{"system": "http://acme.example", "code": "t"}],
        "profile": ["http://acme.example/p"],
        "source": "http://acme.example/s",
    }
    query = [
        ("_id", "p1"),
        ("_lastUpdated", "2026-01-01"),
        ("_tag", "http://acme.example|t"),
        ("_profile", "http://acme.example/p"),
        ("_source", "http://acme.example/s"),
        ("_security:missing", "true"),
    ]

    assert found(patient(meta=meta), *query)


def test_another_type_never_matches() -> None:
    assert not matches(patient(), "Observation", [], now=NOW, base_url=BASE)


def test_what_is_unknown_or_malformed_is_refused() -> None:
    with pytest.raises(KeyError):
        found(patient(), ("shoe-size", "44"))
    with pytest.raises(ValueError, match="no date"):
        found(patient(birthDate="1974"), ("birthdate", "1974-1"))
    with pytest.raises(ValueError, match="no meaning"):
        found(patient(birthDate="1974"), ("birthdate:exact", "1974"))


@given(any_resources())
def test_a_generated_resource_is_valid(resource: Resource) -> None:
    parsed = parse(as_json(resource))

    assert [issue for issue in validate(parsed) if issue.severity in ("fatal", "error")] == []


@given(st.sampled_from(TYPES).flatmap(lambda kind: st.tuples(resources(kind), queries(kind))))
def test_criteria_are_joined_by_and(case: tuple[Resource, list[tuple[str, str]]]) -> None:
    resource, query = case

    assert found(resource, *query) is all(found(resource, criterion) for criterion in query)


@given(st.sampled_from(TYPES).flatmap(lambda kind: st.tuples(resources(kind), queries(kind, most=1))))
def test_a_parameter_that_is_missing_finds_only_by_not(case: tuple[Resource, list[tuple[str, str]]]) -> None:
    resource, [(name, value)] = case
    code, _, modifier = name.partition(":")

    assert found(resource, (f"{code}:missing", "true")) is not found(resource, (f"{code}:missing", "false"))
    if found(resource, (f"{code}:missing", "true")) and modifier not in ("not", "missing"):
        assert not found(resource, (name, value))


@given(st.sampled_from(TYPES).flatmap(lambda kind: st.tuples(resources(kind), st.integers(0, 3))))
def test_a_resource_is_found_by_its_own_id(case: tuple[Resource, int]) -> None:
    resource, others = case

    assert found(resource, ("_id", ",".join([*["other"] * others, resource["id"]])))


_AIMED = any_resources().flatmap(lambda resource: st.tuples(st.just(resource), aimed_criteria(resource)))


@given(_AIMED)
def test_a_resource_is_found_by_what_it_holds(case: tuple[Resource, tuple[str, str]]) -> None:
    resource, (name, value) = case
    kind = parameter(resource["resourceType"], name).kind

    # Partial dates, comparators and prefixes may rightly exclude a value from what is written as it is.
    if kind in ("token", "string", "uri", "reference"):
        assert found(resource, (name, value))
    assert found(resource, (f"{name}:missing", "false"))


@given(datetimes(), datetimes())
def test_prefixes_of_dates_agree(stored: str, asked: str) -> None:
    eq, ne, gt, lt, ge, le, sa, eb = (
        found(observation(effectiveDateTime=stored), ("date", prefix + asked))
        for prefix in ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
    )

    assert (ne, ge, le) == (not eq, gt or eq, lt or eq)
    assert not (sa and (lt or eq))
    assert not (eb and (gt or eq))
