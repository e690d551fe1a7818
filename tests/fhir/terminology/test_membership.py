import pytest

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.terminology import Terminology
from tests.fhir.terminology.resources import (
    BASE,
    MOODS,
    Shelf,
    code_system,
    concept,
    filtered,
    include,
    moods,
    terminology,
    value_set,
)

SNOMED = "http://snomed.info/sct"


@pytest.mark.parametrize(
    ("system", "code", "answer"),
    [
        pytest.param(MOODS, "sad", True, id="a-code-of-the-system"),
        pytest.param(MOODS, "none", False, id="not-a-code-of-it"),
        pytest.param(MOODS, "mood", False, id="an-abstract-code"),
        pytest.param("https://example.org/other", "sad", False, id="of-another-system"),
        pytest.param(None, "sad", True, id="a-code-alone"),
        pytest.param(None, "none", False, id="an-unknown-code-alone"),
    ],
)
def test_a_whole_system(system: str | None, code: str, answer: bool) -> None:
    assert terminology(moods()).is_member(value_set("all", include()), system, code) is answer


def test_whatever_code_of_a_system_without_content_is_in_the_whole_of_it() -> None:
    rules = value_set("all", include(system=SNOMED))

    assert Terminology().is_member(rules, SNOMED, "73211009") is True
    assert Terminology().is_member(rules, MOODS, "73211009") is False
    assert Terminology().is_member(rules, None, "73211009") is None


def test_nothing_can_be_told_of_a_system_that_is_not_loaded() -> None:
    rules = value_set("all", include(system="http://loinc.org"), include("sad"))

    assert Terminology().is_member(rules, "http://loinc.org", "1-8") is None
    assert Terminology().is_member(rules, MOODS, "sad") is True, "what cannot be told does not matter here"
    assert Terminology().is_member(rules, MOODS, "glad") is False


def test_a_fragment_tells_what_is_in_it_alone() -> None:
    terms = terminology(moods(content="fragment"))

    assert terms.is_member(value_set("all", include()), MOODS, "sad") is True
    assert terms.is_member(value_set("all", include()), MOODS, "more") is None
    assert terms.is_member(value_set("low", filtered("concept", "is-a", "low")), MOODS, "sad") is True
    assert terms.is_member(value_set("low", filtered("concept", "is-a", "low")), MOODS, "glad") is None


def test_what_cannot_be_told_does_not_matter_beside_a_condition_that_fails() -> None:
    unknown = value_set("both", include("sad", value_sets=["none", "others"]))
    terms = terminology(moods(), value_set("others", include("glad")))

    assert terms.is_member(unknown, MOODS, "sad") is False
    assert terms.is_member(unknown, MOODS, "glad") is False


def test_an_exclude_that_cannot_be_told_leaves_the_answer_open() -> None:
    rules = value_set("rest", include("sad"), exclude=[include(system=None, value_sets=["none"])])

    assert terminology(moods()).is_member(rules, MOODS, "sad") is None
    assert terminology(moods()).is_member(rules, MOODS, "glad") is False


def test_an_unknown_value_set_cannot_be_told() -> None:
    assert Terminology().is_member(BASE + "none", MOODS, "sad") is None


@pytest.mark.parametrize(
    ("case_sensitive", "code", "answer"),
    [
        pytest.param(True, "SAD", False, id="case-matters"),
        pytest.param(False, "SAD", True, id="case-does-not-matter"),
        pytest.param(None, "SAD", True, id="unsaid-accept-any-case"),
        pytest.param(None, "Low", False, id="unsaid-but-not-listed"),
        pytest.param(False, "sad", True, id="as-written"),
    ],
)
def test_the_case_of_codes(case_sensitive: bool | None, code: str, answer: bool) -> None:
    system = {name: value for name, value in moods(caseSensitive=case_sensitive).items() if value is not None}
    terms = terminology(system)

    assert terms.is_member(value_set("listed", include("sad")), MOODS, code) is answer
    assert terms.is_member(value_set("listed", include("Sad")), MOODS, "sad") is (case_sensitive is not True)


def test_two_codes_that_differ_by_case_alone_are_two_codes() -> None:
    system = code_system([concept("a"), concept("A"), concept("low"), concept("LOW")])
    del system["caseSensitive"]
    terms = terminology(system)

    assert terms.is_member(value_set("all", include()), MOODS, "Low") is False, "which of the two is not said"

    assert terms.is_member(value_set("listed", include("a")), MOODS, "A") is False
    assert terms.is_member(value_set("listed", include("a")), MOODS, "a") is True


@pytest.mark.parametrize("other", [[], ["b"]], ids=["in-itself", "in-one-that-it-includes"])
def test_a_value_set_that_includes_itself_cannot_be_told(other: list[str]) -> None:
    first = value_set("a", include(system=None, value_sets=other or ["a"]))
    second = value_set("b", include(system=None, value_sets=["a"]), include("sad"))
    terms = terminology(moods(), first, second)

    assert terms.is_member(BASE + "a", MOODS, "glad") is None


def test_no_rule_is_expanded_to_answer() -> None:
    huge = code_system(concept(f"c{number}") for number in range(10_500))
    terms = terminology(huge, value_set("all", include()), value_set("rest", include(value_sets=["all"])))

    assert terms.is_member(BASE + "rest", MOODS, "c10499") is True


def test_resources_are_read_once() -> None:
    shelf = Shelf().add(moods(), value_set("all", include()))
    terms = Terminology(shelf)
    terms.is_member(BASE + "all", MOODS, "sad")
    asked = shelf.asked

    assert terms.is_member(BASE + "all", MOODS, "glad") is True
    assert shelf.asked == asked


def test_a_code_alone_is_sought_in_the_systems_of_the_value_sets_included() -> None:
    other: Resource = code_system([concept("red")], url="https://example.org/CodeSystem/colours")
    colours = value_set("colours", include(system=other["url"]))
    terms = terminology(moods(), other, colours)

    assert terms.is_member(value_set("any", include(system=None, value_sets=["colours"])), None, "red") is True
    assert terms.is_member(value_set("any", include(system=None, value_sets=["none"])), None, "red") is None


def test_what_is_not_there_is_asked_for_once() -> None:
    shelf = Shelf()
    terms = Terminology(shelf)
    rules = value_set("rules", include(system=None, value_sets=["none"]), include(system="https://example.org/none"))
    assert terms.is_member(rules, "https://example.org/none", "x") is None
    asked = shelf.asked

    assert terms.is_member(rules, "https://example.org/none", "y") is None
    assert shelf.asked == asked
