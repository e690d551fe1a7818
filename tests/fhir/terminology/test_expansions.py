import pytest

from bhr_api.errors import TooCostlyError
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.errors import CannotExpandError, UnknownValueSetError
from bhr_api.fhir.terminology.terminology import Terminology
from tests.fhir.terminology.resources import (
    BASE,
    MOODS,
    Shelf,
    code_system,
    codes_of,
    concept,
    filtered,
    include,
    moods,
    terminology,
    value_set,
)

SELECTABLE = ["low", "sad", "empty", "high", "glad", "manic", "colour", "blue"]


def test_a_whole_system_is_given_in_its_order_without_abstract_codes() -> None:
    assert codes_of(terminology(moods()), value_set("all", include())) == SELECTABLE


def test_abstract_codes_are_there_on_demand_and_marked() -> None:
    expansion = terminology(moods()).expand(value_set("all", include()), allow_abstract=True)

    assert [entry.code for entry in expansion.entries if entry.is_abstract] == ["mood"]


def test_an_abstract_code_that_is_listed_is_meant() -> None:
    assert codes_of(terminology(moods()), value_set("listed", include("mood", "sad"))) == ["mood", "sad"]


def test_includes_are_a_union_in_order_and_each_code_is_given_once() -> None:
    rules = value_set("union", include("sad"), include("glad", "sad"))

    assert codes_of(terminology(moods()), rules) == ["sad", "glad"]


def test_filters_of_one_include_must_all_hold() -> None:
    both = include(filters=[("concept", "is-a", "mood"), ("valence", "=", "negative")])

    assert codes_of(terminology(moods()), value_set("both", both)) == ["sad"]


def test_a_code_must_be_in_all_value_sets_of_an_include() -> None:
    first, second = value_set("first", include("sad", "glad")), value_set("second", include("glad", "manic"))
    rules = value_set("both", include(system=None, value_sets=["first", "second"]))

    assert codes_of(terminology(moods(), first, second), rules) == ["glad"]


def test_a_code_must_be_in_the_system_and_in_the_value_set_of_an_include() -> None:
    imported = value_set("imported", include("sad", "glad"))
    rules = value_set("rules", include(filters=[("concept", "is-a", "low")], value_sets=["imported"]))

    assert codes_of(terminology(moods(), imported), rules) == ["sad"]


def test_excludes_take_away_by_rule_and_by_value_set() -> None:
    gone = value_set("gone", include("glad"))
    rules = value_set(
        "rest", include(), exclude=[filtered("concept", "is-a", "low"), include(system=None, value_sets=["gone"])]
    )

    assert codes_of(terminology(moods(), gone), rules) == ["high", "manic", "colour"]


def test_an_excluded_abstract_branch_takes_its_root_away_too() -> None:
    rules = value_set("rest", include("mood", "colour"), exclude=[filtered("concept", "is-a", "mood")])

    assert codes_of(terminology(moods()), rules) == ["colour"]


@pytest.mark.parametrize(
    ("compose", "options", "found"),
    [
        pytest.param({}, {}, True, id="inactive-codes-are-in-unless-said"),
        pytest.param({"inactive": False}, {}, False, id="compose.inactive-false"),
        pytest.param({"inactive": True}, {"active_only": True}, False, id="activeOnly-can-remove"),
        pytest.param({"inactive": False}, {"active_only": False}, False, id="activeOnly-cannot-include"),
    ],
)
def test_inactive_codes(compose: Resource, options: dict[str, bool], found: bool) -> None:
    for rules in (include(), include("sad", "empty")):
        codes = codes_of(terminology(moods()), value_set("any", rules, **compose), **options)
        assert ("empty" in codes) is found


def test_the_display_of_the_value_set_goes_before_that_of_the_system() -> None:
    listed = {"system": MOODS, "concept": [{"code": "sad", "display": "Feeling down"}, {"code": "glad"}]}

    displays = [entry.display for entry in terminology(moods()).expand(value_set("listed", listed)).entries]

    assert displays == ["Feeling down", "Glad"]


def test_designations_of_both_are_given_on_demand_alone() -> None:
    german = {"language": "de", "value": "traurig"}
    french = {"language": "fr", "value": "triste"}
    system = code_system([{"code": "sad", "designation": [german]}])
    rules = value_set("one", {"system": MOODS, "concept": [{"code": "sad", "designation": [french]}]})

    terms = terminology(system)

    assert terms.expand(rules).entries[0].designations == ()
    assert terms.expand(rules, include_designations=True).entries[0].designations == (french, german)


@pytest.mark.parametrize(
    ("offset", "count", "codes"),
    [
        pytest.param(0, 3, SELECTABLE[:3], id="first"),
        pytest.param(6, 3, SELECTABLE[6:], id="last"),
        pytest.param(0, 0, [], id="count-0-asks-for-the-size"),
        pytest.param(20, 3, [], id="past-the-end"),
    ],
)
def test_pages_tell_the_size_of_the_whole(offset: int, count: int, codes: list[str]) -> None:
    expansion = terminology(moods()).expand(value_set("all", include()), offset=offset, count=count)

    assert ([entry.code for entry in expansion.entries], expansion.total) == (codes, len(SELECTABLE))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("acut ast", True),
        ("ASTH", True),
        ("évèré", False),
        ("severe", True),
        ("a-7", True),
        ("sthma", False),
        ("asthma flu", False),
        ("  ", True),
    ],
)
def test_text_is_matched_from_the_left_of_words(text: str, found: bool) -> None:
    system = code_system([{"code": "A-7", "display": "Acute, sévère asthma"}])

    assert (codes_of(terminology(system), value_set("all", include()), text=text) == ["A-7"]) is found


def test_the_versions_of_the_systems_used_are_told() -> None:
    expansion = terminology(moods(version="2.0")).expand(value_set("all", include("sad")))

    assert expansion.code_systems == (f"{MOODS}|2.0",)
    assert expansion.entries[0].version == "2.0"


def test_codes_of_a_system_that_is_not_here_can_still_be_listed() -> None:
    rules = value_set("listed", {"system": "http://loinc.org", "concept": [{"code": "1-8", "display": "One"}]})

    (entry,) = Terminology().expand(rules).entries

    assert (entry.code, entry.display, entry.version) == ("1-8", "One", None)


@pytest.mark.parametrize("content", ["fragment", "example", "not-present"])
def test_a_system_that_is_not_complete_is_not_expanded_as_if_it_were(content: str) -> None:
    terms = terminology(moods(content=content))

    with pytest.raises(CannotExpandError, match=f"content {content}, not complete"):
        terms.expand(value_set("all", include()))
    assert codes_of(terms, value_set("listed", include("sad"))) == ["sad"]


def test_a_supplement_is_no_code_system() -> None:
    with pytest.raises(CannotExpandError, match="is not loaded"):
        terminology(moods(content="supplement")).expand(value_set("all", include()))


def test_another_version_than_the_loaded_one_is_refused() -> None:
    terms = terminology(moods(version="1"))

    assert codes_of(terms, value_set("all", include(version="1"))) == SELECTABLE
    assert codes_of(terms, value_set("any", include(version="*"))) == SELECTABLE
    with pytest.raises(CannotExpandError, match=r"moods\|2 is not loaded"):
        terms.expand(value_set("other", include(version="2")))


def test_a_stored_expansion_stands_in_for_rules_that_are_not_there() -> None:
    stored: Resource = {"resourceType": "ValueSet", "url": BASE + "stored", "status": "active"}
    nested = [{"system": MOODS, "code": "sad"}, {"system": MOODS, "code": "mood", "abstract": True}]
    stored["expansion"] = {"contains": [{"display": "A group", "abstract": True, "contains": nested}]}
    terms = terminology(stored)

    assert codes_of(terms, BASE + "stored") == ["sad"]
    assert terms.is_member(BASE + "stored", MOODS, "sad") is True
    assert terms.is_member(BASE + "stored", MOODS, "glad") is False


@pytest.mark.parametrize(
    "partial",
    [
        pytest.param({"total": 2}, id="a-first-page"),
        pytest.param({"offset": 1}, id="a-later-page"),
        pytest.param(
            {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/valueset-unclosed", "valueBoolean": True}]},
            id="unclosed",
        ),
    ],
)
def test_a_part_of_an_expansion_is_not_taken_for_the_whole(partial: Resource) -> None:
    stored = {
        "resourceType": "ValueSet",
        "url": BASE + "stored",
        "expansion": {"contains": [{"system": MOODS, "code": "sad"}], **partial},
    }
    terms = terminology(stored)

    with pytest.raises(CannotExpandError, match="only a part"):
        terms.expand(BASE + "stored")
    assert terms.is_member(BASE + "stored", MOODS, "sad") is True
    assert terms.is_member(BASE + "stored", MOODS, "glad") is None


def test_a_value_set_that_says_nothing_is_refused() -> None:
    with pytest.raises(CannotExpandError, match="says neither by rules nor by an expansion"):
        Terminology().expand({"resourceType": "ValueSet", "url": BASE + "nothing"})


def test_an_unknown_value_set_is_not_found_and_an_unknown_import_cannot_be_expanded() -> None:
    with pytest.raises(UnknownValueSetError, match=r"ValueSet https://example\.org/ValueSet/none is not known"):
        Terminology().expand(BASE + "none")
    with pytest.raises(CannotExpandError, match=r"ValueSet https://example\.org/ValueSet/none is not loaded"):
        Terminology().expand(value_set("rules", include(system=None, value_sets=["none"])))


def test_an_expansion_is_kept_for_the_next_question() -> None:
    shelf = Shelf().add(moods(), value_set("all", include()))
    terms = Terminology(shelf)
    terms.expand(BASE + "all")
    asked = shelf.asked

    assert terms.expand(BASE + "all", count=1).total == len(SELECTABLE)
    assert shelf.asked == asked


def test_more_than_ten_thousand_codes_are_too_costly_but_may_be_searched() -> None:
    system = code_system(concept(f"c{number}") for number in range(10_001))
    terms = terminology(system)

    with pytest.raises(TooCostlyError, match="more than 10000 codes"):
        terms.expand(value_set("all", include()))
    assert codes_of(terms, value_set("all", include()), text="c9999") == ["c9999"]


def test_what_r4_defines_cannot_be_redefined() -> None:
    url = "http://hl7.org/fhir/observation-status"
    terms = terminology(code_system([concept("invented")], url=url))

    assert terms.is_member("http://hl7.org/fhir/ValueSet/observation-status", url, "final") is True
    assert terms.is_member("http://hl7.org/fhir/ValueSet/observation-status", url, "invented") is False


def test_a_newer_version_of_hl7s_terminology_may_be_loaded() -> None:
    url = "http://terminology.hl7.org/CodeSystem/v3-ActReason"

    assert terminology(code_system([concept("NEW")], url=url, version="9")).lookup(url, "NEW").version == "9"


def test_a_stub_does_not_hide_a_system_that_is_here_in_full() -> None:
    url = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
    terms = terminology(code_system([], url=url, content="not-present"))

    assert terms.lookup(url, "TREAT").display == "treatment"


@pytest.mark.parametrize(
    "include_of_nothing", [{}, {"concept": [{"code": "sad"}]}, {"valueSet": [BASE + "x"], "filter": []}]
)
def test_an_include_that_names_neither_system_nor_value_set_is_refused(include_of_nothing: Resource) -> None:
    rules = value_set("rules", include_of_nothing)

    with pytest.raises(CannotExpandError, match="without saying of which system"):
        terminology(moods()).expand(rules)
    assert terminology(moods()).is_member(rules, MOODS, "sad") is None
