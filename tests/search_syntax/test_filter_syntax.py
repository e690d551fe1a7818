import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.errors import InvalidParameterError
from bhr_api.search.filter_syntax import (
    MAXIMUM_COMPARISONS,
    MAXIMUM_DEPTH,
    MAXIMUM_LENGTH,
    OPERATORS,
    And,
    Comparison,
    Expression,
    Not,
    Operator,
    Or,
    Path,
    Step,
    ValueKind,
    parse_filter,
)


def named(*names: str) -> Path:
    return tuple(Step(name) for name in names)


def equal(name: str, value: str, kind: ValueKind = "token") -> Comparison:
    return Comparison(named(name), "eq", value, kind)


A, B, C, D = (equal(name, "1", "number") for name in "abcd")


def refusal_of(text: str) -> str:
    with pytest.raises(InvalidParameterError) as refused:
        parse_filter(text)
    return refused.value.issues[0].diagnostics


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        pytest.param('name co "pet"', Comparison(named("name"), "co", "pet", "string"), id="contains"),
        pytest.param(
            'given eq "peter" and birthdate ge 2014-10-10',
            And((equal("given", "peter", "string"), Comparison(named("birthdate"), "ge", "2014-10-10", "date"))),
            id="and",
        ),
        pytest.param("code eq http://loinc.org|1234-5", equal("code", "http://loinc.org|1234-5"), id="token"),
        pytest.param('subject.name co "pet"', Comparison(named("subject", "name"), "co", "pet", "string"), id="chain"),
        pytest.param(
            'related[type eq "has-component"].target pr true',
            Comparison(
                (Step("related", equal("type", "has-component", "string")), Step("target")), "pr", "true", "token"
            ),
            id="filter-in-a-path",
        ),
        pytest.param(
            "related[type eq has-component].target re Observation/4",
            Comparison(
                (Step("related", equal("type", "has-component")), Step("target")), "re", "Observation/4", "token"
            ),
            id="reference",
        ),
    ],
)
def test_the_examples_of_the_page_are_read(text: str, tree: Expression) -> None:
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        pytest.param("a eq 1 and b eq 1 and c eq 1", And((A, B, C)), id="a-run-of-and-is-one"),
        pytest.param("a eq 1 or b eq 1 or c eq 1", Or((A, B, C)), id="a-run-of-or-is-one"),
        pytest.param("a eq 1 and b eq 1 or c eq 1", Or((And((A, B)), C)), id="left-to-right-and-first"),
        pytest.param("a eq 1 or b eq 1 and c eq 1", And((Or((A, B)), C)), id="left-to-right-or-first"),
        pytest.param(
            "a eq 1 or b eq 1 and c eq 1 or d eq 1", Or((And((Or((A, B)), C)), D)), id="left-to-right-to-the-end"
        ),
        pytest.param("a eq 1 or (b eq 1 and c eq 1)", Or((A, And((B, C)))), id="brackets-first"),
        pytest.param("(a eq 1 and b eq 1) and c eq 1", And((And((A, B)), C)), id="brackets-are-kept"),
        pytest.param("((a eq 1))", A, id="brackets-around-one"),
        pytest.param("not (a eq 1)", Not(A), id="not"),
        pytest.param("not(a eq 1)and(b eq 1)", And((Not(A), B)), id="no-spaces-around-brackets"),
        pytest.param("not a eq 1 and b eq 1", And((Not(A), B)), id="not-takes-one-comparison"),
        pytest.param("not (a eq 1 or b eq 1) and c eq 1", And((Not(Or((A, B))), C)), id="not-takes-one-bracket"),
        pytest.param("a eq 1 and not not b eq 1", And((A, Not(Not(B)))), id="not-twice"),
        pytest.param("\t( a  eq\n1 ) ", A, id="white-space"),
    ],
)
def test_logic_goes_from_left_to_right(text: str, tree: Expression) -> None:
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("written", "value", "kind"),
    [
        pytest.param("5", "5", "number", id="integer"),
        pytest.param("-5.40", "-5.40", "number", id="decimal"),
        pytest.param("5.4e-3", "5.4e-3", "number", id="exponent"),
        pytest.param("2014", "2014", "number", id="a-year-looks-like-a-number"),
        pytest.param("2014-10", "2014-10", "date", id="month"),
        pytest.param("2014-10-10T10:00:00.5+01:00", "2014-10-10T10:00:00.5+01:00", "date", id="date-time-with-zone"),
        pytest.param("2014-10-10T10:00Z", "2014-10-10T10:00Z", "date", id="date-time-of-minutes"),
        pytest.param("5.4|http://unitsofmeasure.org|mg", "5.4|http://unitsofmeasure.org|mg", "token", id="quantity"),
        pytest.param("1234-5", "1234-5", "token", id="code-that-begins-with-a-digit"),
        pytest.param("2014-1-1", "2014-1-1", "token", id="no-date"),
        pytest.param("٢٠١٤", "٢٠١٤", "token", id="digits-of-another-script"),
        pytest.param("Müller,(x[y:$'", "Müller,(x[y:$'", "token", id="all-but-space-and-closing-brackets"),
        pytest.param("and", "and", "token", id="a-word-of-the-grammar"),
        pytest.param('"a b)]"', "a b)]", "string", id="string-with-all-of-these"),
        pytest.param('""', "", "string", id="empty-string"),
        pytest.param(r'"\"\\\/\n\u00e9\ud83d\ude00"', '"\\/\né😀', "string", id="json-escapes"),
        pytest.param('"5"', "5", "string", id="a-quoted-number-is-a-string"),
    ],
)
def test_a_value_is_a_json_string_or_goes_to_the_next_space(written: str, value: str, kind: ValueKind) -> None:
    assert parse_filter(f"a eq {written}") == equal("a", value, kind)
    assert parse_filter(f"(a eq {written})") == equal("a", value, kind)


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_of_the_table_is_known(operator: Operator) -> None:
    assert parse_filter(f"a {operator} true") == Comparison(named("a"), operator, "true", "token")


def test_paths_nest_as_deep_as_they_like() -> None:
    inner = Comparison((Step("b", C), Step("d"), Step("e-f")), "eq", "x", "token")
    text = "_a[b[c eq 1].d.e-f eq x or (a eq 1)].g.h2 pr FALSE"
    assert parse_filter(text) == Comparison((Step("_a", Or((inner, A))), Step("g"), Step("h2")), "pr", "FALSE", "token")


def test_a_name_may_begin_like_a_word_of_the_grammar() -> None:
    text = "not-given eq 1 and and-so eq 1 or order eq 1"
    either = (equal("not-given", "1", "number"), equal("and-so", "1", "number"))
    assert parse_filter(text) == Or((And(either), equal("order", "1", "number")))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", 'at character 1, a parameter\'s name, "not" or "(" is expected, not the end', id="empty"),
        pytest.param("  ", "at character 3, a parameter's name", id="blank"),
        pytest.param("name", "at character 5, a space is expected, not the end", id="name-alone"),
        pytest.param("name ", "at character 6, an operator (eq, ne, co,", id="no-operator"),
        pytest.param("name is 5", "at character 6, an operator (eq, ne, co,", id="unknown-operator"),
        pytest.param("name EQ 5", "is expected, not 'EQ'", id="operators-are-in-lower-case"),
        pytest.param("name eqx 5", "is expected, not 'eqx'", id="operator-with-a-tail"),
        pytest.param("name eq", "at character 8, a space is expected", id="operator-at-the-end"),
        pytest.param("name eq ", "at character 9, a value is expected, not the end", id="no-value"),
        pytest.param("name eq )", "at character 9, a value is expected, not ')'", id="bracket-for-a-value"),
        pytest.param('name eq "pet', "at character 9, the rest of a JSON string", id="unclosed-string"),
        pytest.param(r'name eq "\x"', "at character 10, the rest of a JSON string", id="unknown-escape"),
        pytest.param('name eq "a\nb"', "at character 11, the rest of a JSON string", id="raw-newline-in-a-string"),
        pytest.param(r'name eq "a\u0000"', "no NUL", id="nul"),
        pytest.param("name eq a\0", "no NUL", id="raw-nul"),
        pytest.param(r'name eq "\ud83d"', "half of a surrogate pair", id="lone-surrogate"),
        pytest.param("name pr 1", "at character 9, true or false is expected, not '1'", id="pr-takes-a-boolean"),
        pytest.param("a eq 1 b eq 1", 'at character 8, "and", "or" or the end is expected, not \'b\'', id="no-and"),
        pytest.param("a eq 1 AND b eq 1", '"and", "or" or the end is expected, not \'AND\'', id="and-is-in-lower-case"),
        pytest.param("a eq 1 and", "at character 11, a parameter's name", id="and-at-the-end"),
        pytest.param("a eq 1 and or b eq 1", "at character 12, a parameter's name", id="and-or"),
        pytest.param("(a eq 1", 'at character 8, "and", "or" or ")" is expected, not the end', id="unclosed-bracket"),
        pytest.param("a eq 1)", 'at character 7, "and", "or" or the end', id="bracket-too-many"),
        pytest.param("()", "at character 2, a parameter's name", id="empty-brackets"),
        pytest.param("not", "at character 4, a parameter's name", id="not-alone"),
        pytest.param(
            "a[b eq 1] eq 1", 'at character 10, "." and a name, as after every "[...]"', id="filter-at-the-end"
        ),
        pytest.param("a[b eq 1).c eq 1", 'at character 9, "and", "or" or "]"', id="mixed-brackets"),
        pytest.param("a[].c eq 1", "at character 3, a parameter's name", id="empty-filter"),
        pytest.param("a. eq 1", "at character 3, a parameter's name", id="dot-without-a-name"),
        pytest.param("a.1b eq 1", "at character 3, a parameter's name", id="name-that-begins-with-a-digit"),
        pytest.param("é eq 1", "at character 1, a parameter's name", id="name-beyond-ascii"),
        pytest.param("subject:Patient.name eq x", "names joined by dots, without types or modifiers", id="type"),
    ],
)
def test_anything_else_is_refused_with_place_and_reason(text: str, said: str) -> None:
    assert said in refusal_of(text)


def test_a_filter_is_bounded_in_length() -> None:
    assert parse_filter("a eq " + "1" * (MAXIMUM_LENGTH - 5)) == equal("a", "1" * (MAXIMUM_LENGTH - 5), "number")
    assert f"at most {MAXIMUM_LENGTH} characters" in refusal_of("a eq " + "1" * (MAXIMUM_LENGTH - 4))


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("not ", ""), ("not (", ")"), ("a[", "].b eq 1")])
def test_a_filter_is_bounded_in_depth(opening: str, closing: str) -> None:
    times = MAXIMUM_DEPTH // (2 if opening == "not (" else 1)
    parse_filter(opening * times + "a eq 1" + closing * times)
    assert f"at most {MAXIMUM_DEPTH} deep" in refusal_of(opening * (times + 1) + "a eq 1" + closing * (times + 1))


def test_a_filter_is_bounded_in_comparisons() -> None:
    tree = parse_filter(" or ".join(["a eq 1"] * MAXIMUM_COMPARISONS))
    assert tree == Or((A,) * MAXIMUM_COMPARISONS)
    said = f"at most {MAXIMUM_COMPARISONS} comparisons"
    assert said in refusal_of(" or ".join(["a eq 1"] * (MAXIMUM_COMPARISONS + 1)))
    assert said in refusal_of(" or ".join(["a[b eq 1].c eq 1"] * (MAXIMUM_COMPARISONS // 2) + ["a eq 1"]))


def test_a_path_is_bounded_in_names() -> None:
    parse_filter(".".join(["a"] * MAXIMUM_DEPTH) + " eq 1")
    assert f"at most {MAXIMUM_DEPTH} names" in refusal_of(".".join(["a"] * (MAXIMUM_DEPTH + 1)) + " eq 1")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(" * MAXIMUM_LENGTH, id="brackets"),
        pytest.param("a[" * (MAXIMUM_LENGTH // 2), id="filters"),
        pytest.param("not " * (MAXIMUM_LENGTH // 4), id="not"),
        pytest.param("a." * (MAXIMUM_LENGTH // 2), id="names"),
        pytest.param("a eq " + '"' + "\\" * (MAXIMUM_LENGTH - 7) + '"', id="escapes"),
        pytest.param("a" + " " * (MAXIMUM_LENGTH - 1), id="spaces"),
        pytest.param("a eq " + "1e" * 8000, id="digits"),
    ],
)
def test_no_long_filter_takes_long(text: str) -> None:
    started = time.process_time()
    with suppress(InvalidParameterError):
        parse_filter(text)
    assert time.process_time() - started < 0.5


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,7}", fullmatch=True).filter(
    lambda name: name not in ("not", "and", "or")
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
written_values: st.SearchStrategy[tuple[str, ValueKind]] = st.one_of(
    st.tuples(texts, st.just("string")),
    st.tuples(st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str), st.just("number")),
    st.tuples(st.dates().map(str), st.just("date")),
    st.tuples(
        st.text(st.characters(categories=["L", "P", "S"], exclude_characters='")]'), min_size=1, max_size=12),
        st.just("token"),
    ),
)


@st.composite
def comparisons(draw: st.DrawFn, filters: st.SearchStrategy[Expression]) -> Comparison:
    steps = draw(st.lists(st.builds(Step, names, st.none() | filters), max_size=2))
    operator: Operator = draw(st.sampled_from(OPERATORS))
    path = (*steps, Step(draw(names)))
    return (
        Comparison(path, operator, "true", "token")
        if operator == "pr"
        else Comparison(path, operator, *draw(written_values))
    )


def larger(trees: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    terms = st.lists(trees, min_size=2, max_size=4).map(tuple)
    return st.one_of(comparisons(trees), st.builds(Not, trees), st.builds(And, terms), st.builds(Or, terms))


trees: st.SearchStrategy[Expression] = st.recursive(comparisons(st.nothing()), larger, max_leaves=12)


def written(tree: Expression) -> str:
    """`tree` as a filter, every term that is more than a comparison in brackets."""
    match tree:
        case Comparison(path, operator, value, kind):
            return f"{'.'.join(map(step_written, path))} {operator} {json.dumps(value) if kind == 'string' else value}"
        case Not(term):
            return f"not ({written(term)})"
        case And(terms):
            return " and ".join(map(term_written, terms))
        case Or(terms):
            return " or ".join(map(term_written, terms))


def term_written(tree: Expression) -> str:
    return written(tree) if isinstance(tree, Comparison) else f"({written(tree)})"


def step_written(step: Step) -> str:
    return step.name if step.filter is None else f"{step.name}[{written(step.filter)}]"


@given(trees)
def test_a_tree_that_is_written_is_read_back(tree: Expression) -> None:
    assert parse_filter(written(tree)) == tree


fragments = st.sampled_from(
    [
        *OPERATORS,
        "and",
        "or",
        "not",
        "(",
        ")",
        "[",
        "]",
        ".",
        " ",
        '"',
        "\\",
        "a",
        "b-c",
        "1",
        "2014-10-10",
        "true",
        "\0",
    ]
)


@given(st.lists(fragments, max_size=40).map("".join) | st.text() | st.lists(fragments, max_size=40).map(" ".join))
def test_no_text_is_answered_with_anything_but_a_tree_or_a_refusal(text: str) -> None:
    try:
        tree = parse_filter(text)
    except InvalidParameterError:
        return
    assert parse_filter(written(tree)) == tree
