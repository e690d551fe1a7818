"""Resources made to take the server's time or memory are refused or answered within bounds."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from bhr_api.errors import RefusalError, TooCostlyError
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.errors import CannotExpandError
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

# What takes a second here takes about 0.2 s on an idle machine.
SECONDS = 5


def seconds_of(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def refusal_of(act: Callable[[], object]) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        act()
    return caught.value


def lattice(depth: int, bottom: Resource) -> list[Resource]:
    """Each of two value sets in a layer includes both of the next: 2**depth ways to the bottom."""
    layers = [
        value_set(
            f"{side}{depth_here}", *(include(system=None, value_sets=[f"{other}{depth_here + 1}"]) for other in "ab")
        )
        for depth_here in range(depth)
        for side in "ab"
    ]
    return [*layers, *({**bottom, "url": f"{BASE}{side}{depth}"} for side in "ab")]


@pytest.mark.parametrize("bottom", [include("sad"), include(system=MOODS, filters=[("code", "=", "none")])])
def test_a_lattice_of_inclusions_is_walked_once(bottom: Resource) -> None:
    terms = terminology(moods(), *lattice(30, value_set("bottom", bottom)))
    is_empty = "filter" in bottom

    assert seconds_of(lambda: terms.expand(BASE + "a0")) < SECONDS
    assert terms.is_member(BASE + "a0", MOODS, "sad") is not is_empty
    assert seconds_of(lambda: terms.is_member(BASE + "a0", MOODS, "glad")) < SECONDS


def test_a_lattice_of_exclusions_is_walked_once() -> None:
    layers = [
        value_set(f"x{number}", include(), exclude=[include(system=None, value_sets=[f"x{number + 1}"])] * 2)
        for number in range(30)
    ]
    terms = terminology(moods(), *layers, value_set("x30", include("sad")))

    assert seconds_of(lambda: terms.is_member(BASE + "x0", MOODS, "sad")) < SECONDS
    assert seconds_of(lambda: terms.expand(BASE + "x0")) < SECONDS
    assert terms.is_member(BASE + "x0", MOODS, "sad") is True


@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_circle_of_inclusions_is_refused(length: int) -> None:
    circle = [
        value_set(f"c{number}", include(system=None, value_sets=[f"c{(number + 1) % length}"]), include("sad"))
        for number in range(length)
    ]
    terms = terminology(moods(), *circle)

    assert "includes itself" in str(refusal_of(lambda: terms.expand(BASE + "c0")))
    assert "includes itself" in str(refusal_of(lambda: terms.expand(BASE + "c0", text="sad")))
    assert terms.is_member(BASE + "c0", MOODS, "glad") is None


def test_a_circle_by_way_of_an_exclude_is_refused() -> None:
    rules = value_set("c", include(), exclude=[include(system=None, value_sets=["c"])])
    terms = terminology(moods(), rules)

    assert "includes itself" in str(refusal_of(lambda: terms.expand(BASE + "c")))
    assert terms.is_member(BASE + "c", MOODS, "sad") is None


def test_a_long_chain_of_inclusions_is_refused() -> None:
    chain = [value_set(f"l{number}", include(system=None, value_sets=[f"l{number + 1}"])) for number in range(2_000)]
    terms = terminology(moods(), *chain)

    assert isinstance(refusal_of(lambda: terms.expand(BASE + "l0")), CannotExpandError)
    assert terms.is_member(BASE + "l0", MOODS, "sad") is None


def test_a_deep_hierarchy_is_no_recursion() -> None:
    root = deepest = concept("c0")
    for number in range(1, 20_000):
        deepest["concept"] = [concept(f"c{number}")]
        deepest = deepest["concept"][0]
    terms = terminology(code_system([root]))

    assert len(terms.descendants(MOODS, "c0")) == 20_000
    assert len(terms.ancestors(MOODS, "c19999")) == 20_000
    assert terms.expand(value_set("few", filtered("concept", "is-a", "c19990"))).total == 10


def test_many_parents_of_one_code_and_many_repeated_codes_take_no_square_of_time() -> None:
    parents = [{"code": "parent", "valueCode": f"c{number}"} for number in range(30_000)]
    nested = [concept(f"c{number}", {"code": "again"}) for number in range(30_000)]
    terms = terminology(code_system([{"code": "low", "property": parents}, *nested]))

    assert seconds_of(lambda: terms.ancestors(MOODS, "low")) < SECONDS
    assert len(terms.ancestors(MOODS, "low")) == len(terms.ancestors(MOODS, "again")) == 30_001


@pytest.fixture(scope="module")
def large() -> Resource:
    """100,000 concepts, five levels of ten."""

    def branch(prefix: str, levels: int) -> Resource:
        return concept(prefix, *(branch(f"{prefix}{digit}", levels - 1) for digit in range(10)) if levels else ())

    return code_system([branch("c", 5)])


def test_a_hundred_thousand_concepts(large: Resource) -> None:
    terms = terminology(large, value_set("branch", filtered("concept", "is-a", "c12")))
    ask: list[Callable[[], object]] = [
        lambda: terms.is_member(BASE + "branch", MOODS, "c12345"),
        lambda: terms.expand(BASE + "branch"),
        lambda: terms.expand(value_set("all", include()), text="c99999"),
        lambda: terms.expand(value_set("some", filtered("code", "regex", "c(12|34)[0-9]{2}"))),
        lambda: terms.descendants(MOODS, "c"),
    ]

    assert terms.is_member(BASE + "branch", MOODS, "c2") is False
    assert [act for act in ask if seconds_of(act) > SECONDS] == []
    assert terms.expand(BASE + "branch").total == 1_111


def test_many_includes_of_a_large_system_are_too_costly(large: Resource) -> None:
    terms = terminology(large)
    rules = value_set("many", *(filtered("code", "=", f"c{number}") for number in range(50)))

    start = time.perf_counter()
    assert isinstance(refusal_of(lambda: terms.expand(rules)), TooCostlyError)
    assert time.perf_counter() - start < SECONDS


def test_many_codes_in_many_value_sets_are_too_costly() -> None:
    many = [value_set(f"m{number}", include()) for number in range(100)]
    terms = terminology(code_system(concept(f"c{number}") for number in range(9_000)), *many)
    rules = value_set("rules", include(value_sets=[f"m{number}" for number in range(100)]))

    start = time.perf_counter()
    assert isinstance(refusal_of(lambda: terms.expand(rules)), TooCostlyError)
    assert time.perf_counter() - start < SECONDS


@pytest.mark.parametrize("pattern", ["(c+)+x", "(.|.)*x", "(c?){200}c{200}", "(0|1|c)*1(0|1){60}"])
def test_a_pattern_over_a_large_system_is_bounded(large: Resource, pattern: str) -> None:
    terms = terminology(large)

    def ask() -> None:
        with suppress(TooCostlyError, CannotExpandError):
            terms.expand(value_set("all", filtered("code", "regex", pattern)))

    assert seconds_of(ask) < SECONDS


def test_the_memory_of_many_expansions_is_bounded() -> None:
    made = [value_set(f"v{number}", include(*(f"{number}-{one}" for one in range(2_000)))) for number in range(60)]
    shelf = Shelf().add(*made)
    terms = Terminology(shelf)
    for rules in made:
        terms.expand(rules["url"])
    asked = shelf.asked

    terms.expand(made[-1]["url"])
    assert shelf.asked == asked, "the last is kept"
    terms.expand(made[0]["url"])
    assert shelf.asked > asked, "the first is not"
