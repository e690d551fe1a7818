import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.fhir.json_text import parse
from bhr_api.fhir.validation import validate
from tests.search.drawn_aims import aimed_criteria
from tests.search.drawn_criteria import queries
from tests.search.drawn_resources import TERMINOLOGY, TYPES, any_resources, as_json, resources
from tests.search.one_resource import BASE, NOW
from tests.search.reference_evaluator import found as found_in
from tests.search.reference_parameters import parameter
from tests.search.reference_paths import Resource
from tests.search.reference_record import Caller, SeenRecord
from tests.search.reference_refusals import UnknownTermsError


def found(resource: Resource, *query: tuple[str, str]) -> bool:
    """Whether the query finds the resource, among the code system and value sets that queries name."""
    record = SeenRecord([resource, *TERMINOLOGY], Caller(), BASE)
    return bool(found_in(record, resource["resourceType"], query, now=NOW))


@given(any_resources())
def test_a_generated_resource_is_valid(resource: Resource) -> None:
    parsed = parse(as_json(resource))

    assert [issue for issue in validate(parsed) if issue.severity in ("fatal", "error")] == []


@given(st.sampled_from(TYPES).flatmap(lambda kind: st.tuples(resources(kind), queries(kind))))
def test_criteria_are_joined_by_and(case: tuple[Resource, list[tuple[str, str]]]) -> None:
    resource, query = case
    try:
        alone = [found(resource, criterion) for criterion in query]
    except UnknownTermsError:
        # Terms that the record does not have are refused, whatever else is asked.
        with pytest.raises(UnknownTermsError):
            found(resource, *query)
        return

    assert found(resource, *query) is all(alone)


@given(st.sampled_from(TYPES).flatmap(lambda kind: st.tuples(resources(kind), queries(kind, most=1))))
def test_a_parameter_that_is_missing_finds_only_by_not(case: tuple[Resource, list[tuple[str, str]]]) -> None:
    resource, [(name, value)] = case
    code, _, modifier = name.partition(":")

    assert found(resource, (f"{code}:missing", "true")) is not found(resource, (f"{code}:missing", "false"))
    if found(resource, (f"{code}:missing", "true")) and modifier not in ("not", "not-in", "missing"):
        try:
            assert not found(resource, (name, value))
        except UnknownTermsError:
            assert modifier in ("in", "above", "below")


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
