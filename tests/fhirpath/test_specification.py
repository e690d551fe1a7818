"""FHIRPath N1 section by section: what each function and operator gives, on literals."""

import pytest

from bhr_api.fhirpath.compiler import compile_expression
from bhr_api.fhirpath.errors import FHIRPathError, FHIRPathEvaluationError
from bhr_api.fhirpath.nodes import Node

BASIC = {"resourceType": "Basic", "id": "b"}


def evaluate(text: str) -> list[object]:
    return [node.value for node in compile_expression(text, "Basic")(BASIC)]


TRUE = {
    "existence-empty": ["{}.empty()", "('a' | 'b').empty().not()"],
    "existence-exists": ["(1 | 2).exists()", "{}.exists().not()", "(1 | 2).exists($this > 1)"],
    "existence-all": ["(2 | 4).all($this mod 2 = 0)", "{}.all(false)"],
    "existence-allTrue": ["(true).allTrue()", "{}.allTrue()", "(true | false).anyTrue()", "(false).allFalse()"],
    "existence-anyFalse": ["(true | false).anyFalse()", "{}.anyFalse().not()"],
    "existence-subsetOf": ["(1 | 2).subsetOf(1 | 2 | 3)", "(1 | 2 | 3).supersetOf(1 | 3)", "{}.subsetOf(1)"],
    "existence-count": ["{}.count() = 0", "(1 | 2 | 2).count() = 2"],
    "existence-distinct": ["1.combine(1).distinct() = 1", "1.combine(1).isDistinct().not()", "(1 | 2).isDistinct()"],
    "filtering-where": ["(1 | 2 | 3).where($this > 1) = (2 | 3)", "('a' | 'b').where($index = 1) = 'b'"],
    "filtering-select": ["(1 | 2).select($this + 1) = (2 | 3)", "(1 | 2).select($this | 9).count() = 4"],
    "filtering-repeat": ["1.repeat(iif($this < 3, $this + 1, {})) = (2 | 3)"],
    "filtering-ofType": ["(1 | 'a').ofType(Integer) = 1", "(1 | 'a').ofType(System.String) = 'a'"],
    "subsetting-indexer": ["(7 | 8)[1] = 8", "(7 | 8)[2].empty()"],
    "subsetting-first": ["(1 | 2 | 3).first() = 1", "(1 | 2 | 3).last() = 3", "(1 | 2 | 3).tail() = (2 | 3)"],
    "subsetting-skip": ["(1 | 2 | 3).skip(2) = 3", "(1 | 2).skip(-1).count() = 2", "(1 | 2).take(1) = 1"],
    "subsetting-intersect": ["(1 | 2).intersect(2 | 3) = 2", "(1 | 2).exclude(2 | 3) = 1", "1.single() = 1"],
    "combining-union": ["(1 | 1 | 2).count() = 2", "1.union(2).count() = 2", "1.combine(1).count() = 2"],
    "conversion-iif": ["iif(true, 1, 2) = 1", "iif({}, 1, 2) = 2", "iif(false, 1).empty()"],
    "conversion-toBoolean": ["'T'.toBoolean()", "'no'.toBoolean() = false", "2.toBoolean().empty()", "1.0.toBoolean()"],
    "conversion-toInteger": ["'-12'.toInteger() = -12", "'1.2'.toInteger().empty()", "true.toInteger() = 1"],
    "conversion-toDate": ["'2015-02'.toDate() = @2015-02", "@2015-02-04T10:00Z.toDate() = @2015-02-04"],
    "conversion-toDateTime": ["'2015-02-04T10:00Z'.toDateTime() = @2015-02-04T10:00Z", "@2015.convertsToDateTime()"],
    "conversion-toDecimal": ["'1.20'.toDecimal() = 1.2", "'a'.convertsToDecimal() = false"],
    "conversion-toQuantity": ["'4 days'.toQuantity() = 4 days", "'4 \\'mg\\''.toQuantity() = 4 'mg'"],
    "conversion-toString": ["true.toString() = 'true'", "1.50.toString() = '1.50'", "@2015-02.toString() = '2015-02'"],
    "conversion-toTime": ["'14:30'.toTime() = @T14:30", "'25:00'.convertsToTime() = false"],
    "strings-indexOf": ["'abcdefg'.indexOf('bc') = 1", "'abcdefg'.indexOf('x') = -1", "'a'.indexOf('') = 0"],
    "strings-substring": ["'abcdefg'.substring(3) = 'defg'", "'abc'.substring(1, 1) = 'b'", "'a'.substring(3).empty()"],
    "strings-startsWith": ["'abc'.startsWith('ab')", "'abc'.endsWith('bc')", "'abc'.contains('x').not()"],
    "strings-upper": ["'aB'.upper() = 'AB'", "'aB'.lower() = 'ab'", "'abc'.length() = 3", "{}.length().empty()"],
    "strings-replace": ["'abcdefg'.replace('cde', '123') = 'ab123fg'", "'abc'.replace('', 'x') = 'xaxbxcx'"],
    "strings-matches": ["'a1'.matches('^[a-z][0-9]$')", "'a\\nb'.matches('a.b')"],
    "strings-replaceMatches": ["'11/30/72'.replaceMatches('(\\\\d+)/(\\\\d+)', '$2-$1') = '30-11/72'"],
    "strings-toChars": ["'abc'.toChars() = ('a' | 'b' | 'c')"],
    "math-abs": ["(-5).abs() = 5", "(-5.5 'mg').abs() = 5.5 'mg'"],
    "math-rounding": ["1.1.ceiling() = 2", "(-1.1).floor() = -2", "1.9.truncate() = 1", "3.14159.round(3) = 3.142"],
    "math-exp": [
        "0.exp() = 1",
        "1.ln() = 0",
        "16.log(2) = 4",
        "2.power(3) = 8",
        "81.sqrt() = 9",
        "(-1).sqrt().empty()",
    ],
    "utility-trace": ["(1 | 2).trace('name', $this) = (1 | 2)"],
    "utility-now": ["now() = now()", "today() = now().toDate()", "timeOfDay().is(Time)"],
    "reflection-type": [
        "1.type().name = 'Integer' and 1.type().namespace = 'System'",
        "Basic.type().namespace = 'FHIR' and Basic.id.type().name = 'id'",
    ],
    "tree-children": ["Basic.children() = 'b'", "Basic.descendants().count() = 1"],
    "aggregate": ["(1 | 2 | 3).aggregate($this + $total, 0) = 6"],
    "equality-equals": ["(1 | 2) = (1 | 2)", "((1 | 2) = (2 | 1)).not()", "1 = 1.0", "({} = 1).empty()", "1 != 2"],
    "equality-dates": [
        "@2012 = @2012",
        "(@2012 = @2012-01).empty()",
        "@2012 != @2013-01",
        "@2012-04-15T15:00:00+02:00 = @2012-04-15T13:00:00Z",
        "(@2012-04-15T15:00:00Z = @2012-04-15T15:00:00).empty()",
        "@T10:30 = @T10:30",
    ],
    "equality-quantities": [
        "1 'm' = 100 'cm'",
        "7 days = 1 week",
        "1 year = 12 months",
        "(1 year = 1 'a').empty()",
        "(1 'mg' = 1 'm').empty()",
    ],
    "equality-equivalent": [
        "'AbC d' ~ 'abc   D'",
        "(1 | 2) ~ (2 | 1)",
        "{} ~ {}",
        "1.01 ~ 1.0",
        "@2012 !~ @2012-01",
        "1 year ~ 1 'a'",
    ],
    "comparison": [
        "1 < 1.5",
        "'a' < 'b'",
        "@2012-01 > @2011",
        "(@2012 < @2012-02).empty()",
        "1 'm' > 90 'cm'",
        "2 >= 2",
    ],
    "types-is": [
        "1 is Integer",
        "1.0 is Decimal",
        "'a' is System.String",
        "({} is String).empty()",
        "Basic is Resource",
    ],
    "types-as": ["(1 as Integer) = 1", "(1 as String).empty()", "Basic.as(DomainResource).id = 'b'"],
    "collections-in": ["2 in (1 | 2)", "(1 | 2) contains 1", "(5 in {}) = false", "({} in 1).empty()"],
    "boolean-and": ["(true and {}).empty()", "(false and {}) = false"],
    "boolean-or": ["true or {}", "(false or {}).empty()", "(true xor {}).empty()", "true xor false"],
    "boolean-implies": [
        "false implies {}",
        "(true implies {}).empty()",
        "{} implies true",
        "({} implies false).empty()",
    ],
    "math-operators": [
        "5 / 2 = 2.5",
        "5 div 2 = 2",
        "-5 div 2 = -2",
        "5 mod 2 = 1",
        "(1 / 0).empty()",
        "1 + 2 * 3 = 7",
    ],
    "math-strings": ["'a' + 'b' = 'ab'", "'a' & {} = 'a'", "('a' + {}).empty()"],
    "math-quantities": ["2 'cm' + 1 'm' = 102 'cm'", "3 'm' * 2 = 6 'm'", "4 'm' / 2 'm' = 2 '1'"],
    "date-arithmetic": [
        "@2015-01-31 + 1 month = @2015-02-28",
        "@2016-02-29 + 1 year = @2017-02-28",
        "@2015-01-01 - 1 day = @2014-12-31",
        "@2014 + 24 months = @2016",
        "@2015-01-01T23:30:00Z + 45 minutes = @2015-01-02T00:15:00Z",
        "@T23:30:00 + 1 hour = @T00:30:00",
        "@2019-03-01 + 24 months = @2021-03-01",
    ],
    "singleton-evaluation": ["'a' and true", "iif(Basic, true, false)"],
    "boundaries": [
        "@2012.lowBoundary() = @2012-01-01",
        "@2012-02.highBoundary() = @2012-02-29",
        "1.5.lowBoundary() = 1.45",
    ],
}


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=f"{section}:{text}") for section, texts in TRUE.items() for text in texts]
)
def test_the_sections_of_n1(text: str) -> None:
    assert evaluate(text) == [True]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(1 | 2).single()", id="subsetting-single"),
        pytest.param("(1 | 2) + 1", id="singleton-evaluation-of-several"),
        pytest.param("1 + 'a'", id="addition-of-different-kinds"),
        pytest.param("1 < 'a'", id="comparison-of-different-kinds"),
        pytest.param("'a' & 1", id="concatenation-takes-strings"),
        pytest.param("1.startsWith('a')", id="string-functions-take-strings"),
        pytest.param("'a'.matches('(')", id="a-broken-pattern"),
        pytest.param("@2012 + 1 'mg'", id="a-date-plus-a-mass"),
        pytest.param("(1 | 2) is Integer", id="is-takes-one-item"),
        pytest.param("%unheard", id="an-unknown-constant"),
        pytest.param("1.repeat($this + 1)", id="a-repetition-without-end"),
        pytest.param("'a'.memberOf('http://vs')", id="no-terminology-service"),
        pytest.param("Basic.conformsTo('http://p')", id="no-profiles"),
    ],
)
def test_evaluation_ends_with_an_error(text: str) -> None:
    with pytest.raises(FHIRPathError):
        evaluate(text)


@pytest.mark.parametrize("text", ["a.unheard()", "a.first(1)", "a is Unheard", "a.as(1)", "substring()"])
def test_an_unknown_function_or_type_is_refused_when_compiling(text: str) -> None:
    with pytest.raises(FHIRPathError):
        compile_expression(text, "Basic")


def test_an_unknown_context_type_is_refused() -> None:
    with pytest.raises(FHIRPathError, match="Unheard"):
        compile_expression("id", "Unheard")


def test_several_items_are_no_truth() -> None:
    with pytest.raises(FHIRPathEvaluationError, match="at most one"):
        evaluate("(true | false) and true")


def test_a_context_node_is_the_focus_and_the_resource_stays_reachable() -> None:
    observation = {"resourceType": "Observation", "id": "o", "component": [{"valueInteger": 3}]}
    expression = compile_expression(
        "value.toString() & %resource.id & %context.value.toString()", "Observation.component"
    )
    nodes = expression(observation, Node("Observation.component", observation["component"][0]))
    assert [node.value for node in nodes] == ["3o3"]
