import pytest

from bhr_api.fhir.terminology.errors import CannotExpandError, UnknownCodeSystemError, UnknownValueSetError
from bhr_api.fhir.terminology.terminology import Terminology, Validation
from tests.fhir.terminology.resources import BASE, MOODS, code_system, include, moods, terminology, value_set

LOW = value_set("low", include("sad", "mood"), include(filters=[("concept", "is-a", "high")]))


@pytest.mark.parametrize(
    ("code", "validation"),
    [
        pytest.param("sad", Validation(True, None, "Sad"), id="listed"),
        pytest.param("glad", Validation(True, None, "Glad"), id="by-rule"),
        pytest.param(
            "blue",
            Validation(False, f"The code 'blue' of {MOODS} is not in the value set {BASE}low.", None),
            id="not-in-it",
        ),
    ],
)
def test_a_code_in_a_value_set(code: str, validation: Validation) -> None:
    terms = terminology(moods(), LOW)

    assert terms.validate_code(code, system=MOODS, value_set=BASE + "low") == validation
    assert terms.validate_code(code, system=MOODS, value_set=LOW) == validation


@pytest.mark.parametrize(
    ("display", "result"),
    [("Sad", True), ("  sad ", True), ("traurig", True), ("Glad", False)],
    ids=["as-written", "case-and-space", "a-designation", "another"],
)
def test_a_display_must_be_one_of_the_codes_own(display: str, result: bool) -> None:
    system = code_system([{"code": "sad", "display": "Sad", "designation": [{"value": "traurig"}]}])
    terms = terminology(system)

    for rules in (None, value_set("all", include()), value_set("listed", include("sad"))):
        validation = terms.validate_code("sad", system=MOODS, value_set=rules, display=display)
        assert (validation.result, validation.display) == (result, "Sad")
        assert (validation.message is None) is result


def test_the_display_of_the_value_set_is_right_too() -> None:
    rules = value_set("listed", {"system": "http://loinc.org", "concept": [{"code": "1-8", "display": "One"}]})
    terms = Terminology()

    assert terms.validate_code("1-8", system="http://loinc.org", value_set=rules, display="one").result is True
    assert terms.validate_code("1-8", system="http://loinc.org", value_set=rules, display="two").result is False


@pytest.mark.parametrize(("allow", "result"), [(False, False), (True, True)])
def test_an_abstract_code_is_valid_where_it_is_allowed(allow: bool, result: bool) -> None:
    terms = terminology(moods())

    for rules in (None, value_set("all", include())):
        assert terms.validate_code("mood", system=MOODS, value_set=rules, allow_abstract=allow).result is result


def test_a_code_without_system_is_sought_in_those_of_the_value_set() -> None:
    assert terminology(moods()).validate_code("sad", value_set=LOW).result is True


def test_a_code_of_a_system() -> None:
    terms = terminology(moods(version="1"))

    assert terms.validate_code("sad", system=MOODS, version="1") == Validation(True, None, "Sad")
    assert terms.validate_code("none", system=MOODS).message == f"{MOODS}|1 has no code 'none'."


def test_what_cannot_be_told_is_an_error_and_not_an_answer() -> None:
    terms = terminology(moods(content="fragment"))

    with pytest.raises(CannotExpandError):
        terms.validate_code("none", system=MOODS)
    with pytest.raises(CannotExpandError):
        terms.validate_code("none", system=MOODS, value_set=value_set("all", include()))
    with pytest.raises(UnknownValueSetError):
        terms.validate_code("sad", system=MOODS, value_set=BASE + "none")
    with pytest.raises(UnknownCodeSystemError):
        terms.validate_code("sad", system="https://example.org/none")
    with pytest.raises(UnknownCodeSystemError):
        terms.validate_code("sad")
