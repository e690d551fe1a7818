from typing import Any

import pytest

from bhr_api.fhir.terminology.errors import CannotExpandError, UnknownCodeError, UnknownCodeSystemError
from bhr_api.fhir.terminology.terminology import Terminology
from tests.fhir.terminology.resources import MOODS, code_system, concept, moods, terminology


def test_descendants_and_ancestors_hold_the_code_itself() -> None:
    terms = terminology(moods())

    assert terms.descendants(MOODS, "low") == {"low", "sad", "empty", "blue"}
    assert terms.descendants(MOODS, "glad") == {"glad"}
    assert terms.ancestors(MOODS, "blue") == {"blue", "low", "mood", "colour"}
    assert terms.ancestors(MOODS, "mood") == {"mood"}


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("mood", "sad", "subsumes"),
        ("sad", "mood", "subsumed-by"),
        ("sad", "sad", "equivalent"),
        ("sad", "glad", "not-subsumed"),
        ("colour", "blue", "subsumes"),
    ],
)
def test_subsumption(a: str, b: str, outcome: str) -> None:
    assert terminology(moods()).subsumes(MOODS, a, b) == outcome


def test_lookup_tells_all_that_is_known() -> None:
    known = {
        "code": "sad",
        "display": "Sad",
        "definition": "A low mood.",
        "designation": [{"language": "de", "value": "traurig"}],
        "property": [{"code": "rank", "valueInteger": 3}],
        "concept": [{"code": "bereft"}],
    }
    found = terminology(code_system([known], version="1.0")).lookup(MOODS, "sad")

    assert (found.system_name, found.version, found.display, found.definition) == ("Moods", "1.0", "Sad", "A low mood.")
    assert found.designations == ({"language": "de", "value": "traurig"},)
    assert found.properties == (("rank", 3),)
    assert (found.parents, found.children) == ((), ("bereft",))


def test_lookup_spells_the_code_as_the_system_does() -> None:
    assert terminology(moods(caseSensitive=False)).lookup(MOODS, "SAD").code == "sad"


def test_lookup_of_a_version() -> None:
    terms = terminology(moods(version="1"))

    assert terms.lookup(MOODS, "sad", version="1").version == "1"
    with pytest.raises(UnknownCodeSystemError, match=r"moods\|2 is not known"):
        terms.lookup(MOODS, "sad", version="2")


def test_what_is_not_known_is_not_found() -> None:
    with pytest.raises(UnknownCodeError, match="has no code 'none'") as unknown_code:
        terminology(moods()).lookup(MOODS, "none")
    with pytest.raises(UnknownCodeSystemError, match="Load a package") as unknown_system:
        Terminology().lookup(MOODS, "sad")

    assert [error.value.status for error in (unknown_code, unknown_system)] == [404, 404]


def test_a_code_may_be_missing_because_only_a_part_is_here() -> None:
    with pytest.raises(UnknownCodeError, match="content here is fragment: load the rest"):
        terminology(moods(content="fragment")).lookup(MOODS, "none")


@pytest.mark.parametrize(
    ("elements", "code", "sentence"),
    [
        pytest.param({"content": "fragment"}, "low", "has not all its codes here", id="a-fragment"),
        pytest.param({}, "none", "has no code 'none'", id="an-unknown-code"),
        pytest.param({"hierarchyMeaning": "part-of"}, "low", "is part-of, not is-a", id="another-hierarchy"),
    ],
)
def test_a_search_below_is_refused_rather_than_answered_in_part(
    elements: dict[str, Any], code: str, sentence: str
) -> None:
    terms = terminology(moods(**elements))

    for ask in (terms.descendants, terms.ancestors):
        with pytest.raises(CannotExpandError, match=sentence) as caught:
            ask(MOODS, code)
        assert caught.value.issues[0].code == "not-supported"


def test_a_search_below_in_a_system_that_is_not_loaded_is_refused() -> None:
    with pytest.raises(CannotExpandError, match=r"CodeSystem http://loinc\.org is not loaded"):
        Terminology().descendants("http://loinc.org", "1-8")


def test_a_hierarchy_that_runs_in_a_circle_is_refused() -> None:
    circle = code_system([concept("a", concept("b", concept("c")), parent="c"), concept("d")])
    terms = terminology(circle)

    for ask in (terms.descendants, terms.ancestors):
        with pytest.raises(CannotExpandError, match="runs in a circle"):
            ask(MOODS, "a")
    with pytest.raises(CannotExpandError, match="runs in a circle"):
        terms.subsumes(MOODS, "a", "b")
    assert terms.lookup(MOODS, "d").code == "d"


def test_a_code_that_is_its_own_parent_is_a_circle() -> None:
    with pytest.raises(CannotExpandError, match="runs in a circle"):
        terminology(code_system([concept("a", parent="a")])).descendants(MOODS, "a")


def test_a_code_given_twice_counts_once_below_both_parents() -> None:
    terms = terminology(code_system([concept("a", concept("x")), concept("b", concept("x"))]))

    assert terms.ancestors(MOODS, "x") == {"x", "a", "b"}


def test_parents_that_are_not_in_the_system_are_left_out() -> None:
    assert terminology(code_system([concept("a", parent="gone")])).ancestors(MOODS, "a") == {"a"}


def test_children_may_be_named_by_property() -> None:
    terms = terminology(code_system([concept("a", child="c"), concept("b", concept("c"))]))

    assert terms.ancestors(MOODS, "c") == {"a", "b", "c"}
    assert terms.descendants(MOODS, "a") == {"a", "c"}
