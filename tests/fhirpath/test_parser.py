from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.fhirpath.errors import FHIRPathSyntaxError
from bhr_api.fhirpath.parser import parse
from bhr_api.fhirpath.syntax import (
    Call,
    ExternalConstant,
    Invocation,
    Literal,
    Member,
    Special,
    Syntax,
)
from bhr_api.fhirpath.values import Quantity, Temporal

# N1 #operator-precedence, tightest first: (operators of one level).
LEVELS = [
    ["*", "/", "div", "mod"],
    ["+", "-", "&"],
    ["|"],
    ["<=", "<", ">", ">="],
    ["=", "~", "!=", "!~"],
    ["in", "contains"],
    ["and"],
    ["or", "xor"],
    ["implies"],
]
PAIRS = [
    (tight, loose)
    for at, tights in enumerate(LEVELS)
    for tight in tights
    for looses in LEVELS[at + 1 :]
    for loose in looses
]
ALIKE = [(first, second) for level in LEVELS for first in level for second in level]


@pytest.mark.parametrize(("tight", "loose"), PAIRS)
def test_operators_bind_by_the_precedence_table(tight: str, loose: str) -> None:
    assert parse(f"a {loose} b {tight} c") == parse(f"a {loose} (b {tight} c)")
    assert parse(f"a {tight} b {loose} c") == parse(f"(a {tight} b) {loose} c")


@pytest.mark.parametrize(("first", "second"), ALIKE)
def test_operators_of_one_level_associate_to_the_left(first: str, second: str) -> None:
    assert parse(f"a {first} b {second} c") == parse(f"(a {first} b) {second} c")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        pytest.param("-1 * 2", "(-1) * 2", id="polarity-binds-tighter-than-multiplication"),
        pytest.param("-a.b", "-(a.b)", id="a-path-binds-tighter-than-polarity"),
        pytest.param("-a[0]", "-(a[0])", id="an-indexer-binds-tighter-than-polarity"),
        pytest.param("a | b is C", "a | (b is C)", id="is-binds-tighter-than-union"),
        pytest.param("1 + a as B", "(1 + a) as B", id="addition-binds-tighter-than-as"),
        pytest.param("a as B = c", "(a as B) = c", id="as-binds-tighter-than-equality"),
    ],
)
def test_paths_types_and_signs_bind_as_the_grammar_orders_them(text: str, meaning: str) -> None:
    assert parse(text) == parse(meaning)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("true", True, id="boolean"),
        pytest.param("45", 45, id="integer"),
        pytest.param(r"'it\'s \"\\\/\`'", "it's \"\\/`", id="string-escapes"),
        pytest.param(r"'\u0041\r\n\t\f'", "A\r\n\t\f", id="string-unicode-and-controls"),
        pytest.param("@2015-02", Temporal.parse("Date", "2015-02"), id="partial-date"),
        pytest.param("@2015T", Temporal.parse("DateTime", "2015T"), id="year-as-datetime"),
        pytest.param(
            "@2015-02-04T14:34:28.123+09:00", Temporal.parse("DateTime", "2015-02-04T14:34:28.123+09:00"), id="datetime"
        ),
        pytest.param("@T14:34", Temporal.parse("Time", "14:34"), id="time"),
        pytest.param("{}", None, id="empty-collection"),
        pytest.param("/* a */ 1 // b", 1, id="comments"),
    ],
)
def test_literals(text: str, value: object) -> None:
    assert parse(text) == Literal(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "unit"), [("4 'mg'", "mg"), ("4 days", "day"), ("4 month", "month"), ("4.0 'kg/m2'", "kg/m2")]
)
def test_a_number_with_a_unit_is_a_quantity(text: str, unit: str) -> None:
    literal = parse(text)
    assert isinstance(literal, Literal)
    assert isinstance(literal.value, Quantity)
    assert literal.value == Quantity(Decimal(4), unit)


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        pytest.param("text.`div`", Invocation(Member("text"), Member("div")), id="delimited-identifier"),
        pytest.param("contains.is", Invocation(Member("contains"), Member("is")), id="keywords-as-names"),
        pytest.param("%`vs-gender`", ExternalConstant("vs-gender"), id="delimited-constant"),
        pytest.param("%'us-zip'", ExternalConstant("us-zip"), id="constant-in-quotes"),
        pytest.param("$this.length()", Invocation(Special("this"), Call("length", ())), id="this"),
    ],
)
def test_names_and_constants(text: str, syntax: Syntax) -> None:
    assert parse(text) == syntax


@pytest.mark.parametrize(
    "text",
    ["", "a.", "a b", "(a", "a..b", "a[", "1 +", "'open", "a.and", "@2015-13", "@2015-02-30", r"'\d'", "a is 1", "#"],
)
def test_what_is_not_in_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(FHIRPathSyntaxError):
        parse(text)


@pytest.mark.parametrize("text", [" or ".join(["a"] * 5000), ".".join(["a"] * 5000), "a" + "[0]" * 5000])
def test_a_chain_without_end_is_refused_rather_than_overflowing_the_stack(text: str) -> None:
    with pytest.raises(FHIRPathSyntaxError, match="too long"):
        parse(text)


def test_nesting_without_end_is_refused_rather_than_overflowing_the_stack() -> None:
    with pytest.raises(FHIRPathSyntaxError, match="deeply"):
        parse("(" * 5000 + "1" + ")" * 5000)


@given(st.text(alphabet="ab1.'`()[]{}@T:-+*/|&<>=~%$, \\", max_size=20))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with suppress(FHIRPathSyntaxError):
        assert parse(text) is not None
