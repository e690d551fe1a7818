import pytest

from bhr_api.fhir.terminology.errors import CannotExpandError
from tests.fhir.terminology.resources import (
    code_system,
    codes_of,
    concept,
    filtered,
    include,
    moods,
    terminology,
    value_set,
)

ALL = ["mood", "low", "sad", "empty", "high", "glad", "manic", "colour", "blue"]


@pytest.mark.parametrize(
    ("condition", "codes"),
    [
        pytest.param(("concept", "is-a", "low"), "low sad empty blue", id="is-a-holds-itself-and-all-below"),
        pytest.param(("concept", "is-a", "mood"), "mood low sad empty high glad manic blue", id="is-a-is-transitive"),
        pytest.param(("concept", "is-a", "colour"), "colour blue", id="is-a-by-the-property-subsumedBy"),
        pytest.param(("concept", "descendent-of", "low"), "sad empty blue", id="descendent-of-leaves-itself-out"),
        pytest.param(("concept", "is-not-a", "mood"), "colour", id="is-not-a"),
        pytest.param(("concept", "generalizes", "blue"), "mood low colour blue", id="generalizes"),
        pytest.param(("code", "in", "sad, glad,none"), "sad glad", id="in-a-list"),
        pytest.param(("code", "not-in", "mood,low,sad,empty,high"), "glad manic colour blue", id="not-in-a-list"),
        pytest.param(("code", "=", "sad"), "sad", id="equals-a-code"),
        pytest.param(("display", "=", "Sad"), "sad", id="equals-a-display"),
        pytest.param(("code", "regex", "g[a-l]+"), "glad", id="regex-of-the-whole-code"),
        pytest.param(("display", "regex", "^(S|G).*ad$"), "sad glad", id="regex-of-the-display"),
        pytest.param(("valence", "=", "negative"), "sad", id="equals-a-property"),
        pytest.param(("valence", "in", "negative,positive"), "sad glad", id="a-property-in-a-list"),
        pytest.param(("valence", "exists", "true"), "sad glad", id="exists"),
        pytest.param(("valence", "exists", "false"), "mood low empty high manic colour blue", id="exists-false"),
        pytest.param(
            ("valence", "not-in", "positive"), "mood low sad empty high manic colour blue", id="not-in-absent"
        ),
        pytest.param(("parent", "=", "low"), "sad empty blue", id="parent-by-nesting-and-by-property"),
        pytest.param(("parent", "exists", "false"), "mood colour", id="roots"),
        pytest.param(("child", "=", "blue"), "low colour", id="child"),
        pytest.param(("child", "exists", "false"), "sad empty glad manic blue", id="leaves"),
        pytest.param(("parent", "is-a", "low"), "sad empty blue", id="is-a-on-the-value-of-a-property"),
        pytest.param(("inactive", "=", "true"), "empty", id="inactive"),
        pytest.param(
            ("inactive", "=", "false"), "mood low sad high glad manic colour blue", id="inactive-by-default-false"
        ),
        pytest.param(("notSelectable", "=", "true"), "mood", id="notSelectable"),
    ],
)
def test_a_filter_selects(condition: tuple[str, str, str], codes: str) -> None:
    rules = value_set("filtered", filtered(*condition))
    terms = terminology(moods())

    assert codes_of(terms, rules, allow_abstract=True) == codes.split()
    members = [code for code in ALL if terms.is_member(rules, moods()["url"], code, allow_abstract=True)]
    assert members == codes.split()


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        pytest.param(("concept", "is-a", "none"), "has no code 'none'", id="unknown-root"),
        pytest.param(("colour", "=", "red"), "has no property 'colour'", id="unknown-property"),
        pytest.param(("valence", "exists", "maybe"), "takes true or false", id="exists-takes-a-boolean"),
        pytest.param(("concept", "under", "low"), "'under' is none of R4", id="unknown-operator"),
        pytest.param(("code", "regex", "(a+)+(?=b)"), "is not supported", id="regex-beyond-the-simple"),
    ],
)
def test_a_filter_that_cannot_be_followed_is_refused(condition: tuple[str, str, str], sentence: str) -> None:
    rules = value_set("filtered", filtered(*condition))
    terms = terminology(moods())

    with pytest.raises(CannotExpandError, match=sentence):
        terms.expand(rules)
    assert terms.is_member(rules, moods()["url"], "sad") is None


def test_a_filter_on_a_system_without_codes_is_refused() -> None:
    rules = value_set("filtered", filtered("concept", "is-a", "low"))
    terms = terminology(code_system([], content="not-present"))

    assert terms.is_member(rules, moods()["url"], "sad") is None
    with pytest.raises(CannotExpandError, match="not-present"):
        terms.expand(rules)


@pytest.mark.parametrize("meaning", ["part-of", "grouped-by", "classified-with"])
def test_a_hierarchy_of_another_meaning_is_not_subsumption(meaning: str) -> None:
    terms = terminology(moods(hierarchyMeaning=meaning))

    with pytest.raises(CannotExpandError, match=f"is {meaning}, not is-a"):
        terms.expand(value_set("filtered", filtered("concept", "is-a", "low")))


def test_typed_values_of_properties_are_compared_as_text() -> None:
    typed = [
        {"code": "a", "property": [{"code": "rank", "valueInteger": 3}]},
        {"code": "b", "property": [{"code": "rank", "valueCoding": {"system": "s", "code": "3"}}]},
        {"code": "c", "property": [{"code": "rank", "valueString": "30"}]},
    ]

    assert codes_of(terminology(code_system(typed)), value_set("ranked", filtered("rank", "=", "3"))) == ["a", "b"]


def test_r4s_concept_properties_are_known_by_their_uri() -> None:
    uri = "http://hl7.org/fhir/concept-properties#"
    declared = [{"code": "hidden", "uri": uri + "notSelectable"}, {"code": "above", "uri": uri + "parent"}]
    system = code_system([concept("a", hidden=True), concept("b", above="a")], property=declared)
    terms = terminology(system)

    assert codes_of(terms, value_set("all", include())) == ["b"]
    assert terms.descendants(system["url"], "a") == {"a", "b"}
