import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.fhir.terminology.pattern import MAX_LENGTH, Pattern, PatternError

PIECES = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", "7", "(?:ab)", "(a|b)", "(a|)", "()"])
REPETITIONS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{0,2}", "{1,}"])
SEQUENCES = st.lists(st.tuples(PIECES, REPETITIONS).map("".join), max_size=4).map("".join)
PATTERNS = st.lists(SEQUENCES, min_size=1, max_size=3).map("|".join)


@given(PATTERNS, st.text("ab7", max_size=6))
def test_a_pattern_matches_what_pythons_matches(pattern: str, text: str) -> None:
    assert Pattern(pattern).matches(text) is (re.fullmatch(pattern, text) is not None)


@given(PATTERNS, PATTERNS, st.text("ab7", max_size=6))
def test_groups_nest(first: str, second: str, text: str) -> None:
    pattern = f"(({first})|x({second})*)+"

    assert Pattern(pattern).matches(text) is (re.fullmatch(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("[0-9]{3}", "840", True),
        ("[0-9]{3}", "8400", False),
        ("^[A-Z]{3}$", "USA", True),
        (r"\$5\.00$", "$5.00", True),
        (r"5\$", "5$", True),
        (r"[\]\-x]+", "]-x", True),
        ("[]a]+", "]a", True),
        ("^a|b$", "b", True),
        ("(?:a|b){2,3}", "abab", False),
        (r"\w+\s\S", "ab c", True),
        ("é+", "éé", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_patterns_that_value_sets_use(pattern: str, text: str, found: bool) -> None:
    assert Pattern(pattern).matches(text) is found


@pytest.mark.parametrize(
    "pattern",
    [
        *("(?=a)", "(?P<n>a)", r"(a)\1", r"a\b", r"\p{L}", "a*?", "a++", "a**", "*a", "(", ")", "(a", "a)", "[", "[a"),
        *("a^b", "(^a)", "a$b", "{2}", "a{", "a{3,2}", "[z-a]", "(" * 60 + ")" * 60, "\\", "[[:alpha:]]"),
    ],
)
def test_what_is_not_taken_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        Pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("a" * (MAX_LENGTH + 1), id="long"),
        pytest.param("a{1000}", id="a-thousand-states"),
        pytest.param("((((a{9}){9}){9}){9}){9}", id="states-multiplied"),
        pytest.param("((((){9999}){9999}){9999}){9999}", id="repetitions-of-nothing"),
        pytest.param("(a|b)" * 200, id="many-alternatives"),
    ],
)
def test_large_patterns_are_refused_at_once(pattern: str) -> None:
    start = time.perf_counter()
    with pytest.raises(PatternError):
        Pattern(pattern)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*)*b", "a*a*a*a*a*a*a*a*a*b", "((a*)*)*b"])
def test_what_makes_others_backtrack_for_years_takes_no_time(pattern: str) -> None:
    start = time.perf_counter()

    assert Pattern(pattern).matches("a" * 10_000) is False
    assert Pattern(pattern).matches("a" * 10_000 + "b") is True
    assert time.perf_counter() - start < 1


def test_work_over_many_texts_is_bounded() -> None:
    pattern = Pattern("(a|b)*a(a|b){100}")
    texts = (bin(number * 2_654_435_761)[2:].replace("0", "a").replace("1", "b") * 20 for number in range(1_000_000))

    start = time.perf_counter()
    with pytest.raises(PatternError, match="too much work"):
        sum(map(pattern.matches, texts))
    assert time.perf_counter() - start < 5
