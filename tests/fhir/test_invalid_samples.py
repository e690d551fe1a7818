import pytest

from bhr_api.errors import InvalidJsonError, Issue
from bhr_api.fhir.json_text import parse
from bhr_api.fhir.validation import validate
from tests.fhir.invalid_samples import INVALID_JSON, INVALID_RESOURCES
from tests.fhir.sample import InvalidSample, normalised, related
from tests.fhir.valid_samples import VALID


def errors_of(body: bytes) -> list[Issue]:
    """The issues of severity error or fatal, whether the text or the resource is at fault."""
    try:
        issues = validate(parse(body))
    except InvalidJsonError as refusal:
        issues = refusal.issues
    return [issue for issue in issues if issue.severity in ("error", "fatal")]


def location(issue: Issue) -> str:
    return normalised(issue.expression or "")


@pytest.mark.parametrize("sample", INVALID_JSON, ids=lambda sample: sample.rule)
def test_text_that_is_not_json_is_refused(sample: InvalidSample) -> None:
    with pytest.raises(InvalidJsonError) as refusal:
        parse(sample.body)

    assert {issue.code for issue in refusal.value.issues} <= sample.codes


@pytest.mark.parametrize("sample", INVALID_RESOURCES, ids=lambda sample: sample.rule)
def test_a_broken_rule_is_reported_where_it_is_broken(sample: InvalidSample) -> None:
    errors = errors_of(sample.body)

    found = [issue for issue in errors if issue.code in sample.codes and location(issue) in sample.expressions]
    assert found, f"expected {sorted(sample.codes)} at {sorted(sample.expressions)}, not {errors}"


@pytest.mark.parametrize("sample", INVALID_RESOURCES, ids=lambda sample: sample.rule)
def test_nothing_else_is_reported(sample: InvalidSample) -> None:
    elsewhere = [
        issue
        for issue in errors_of(sample.body)
        if not any(related(location(issue), expected) for expected in sample.expressions)
    ]

    assert elsewhere == []


@pytest.mark.parametrize("body", VALID.values(), ids=list(VALID))
def test_an_unusual_valid_resource_has_no_error(body: bytes) -> None:
    assert errors_of(body) == []


def test_every_rule_has_one_sample() -> None:
    rules = [sample.rule for sample in [*INVALID_JSON, *INVALID_RESOURCES]]

    assert len(rules) == len(set(rules))
    assert len(rules) >= 160
