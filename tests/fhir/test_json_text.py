import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.errors import InvalidJsonError
from bhr_api.fhir.json_text import MAX_DEPTH, dumps, parse, splice

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
numbers = st.decimals(allow_nan=False, allow_infinity=False, places=3) | st.integers(-(2**70), 2**70)
values = st.recursive(
    st.none() | st.booleans() | texts | numbers,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
members = st.dictionaries(texts.filter(lambda name: name not in ("id", "meta", "resourceType")), values, max_size=5)
metas = st.fixed_dictionaries({}, optional={"versionId": texts, "lastUpdated": texts, "tag": values, "source": texts})
LAST_UPDATED = "2026-01-02T03:04:05.678Z"


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidJsonError) as caught:
        parse(body)
    return caught.value.issues[0].diagnostics


@given(values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert parse(dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "-0",
        "0.10",
        "1.50",
        "-0.0",
        "1e3",
        "1E3",
        "1.5e-7",
        "0.0000001",
        "0.0000000",
        "1E+400",
        "12345678901234567890",
    ],
)
def test_a_number_keeps_its_text(text: str) -> None:
    assert dumps(parse(text.encode())) == (b"0" if text == "-0" else text.encode())


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,20})\.[0-9]{1,20}([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_a_decimal_keeps_its_text(text: str) -> None:
    value = parse(text.encode())

    assert isinstance(value, Decimal)
    assert value == Decimal(text)
    assert dumps({"value": value}) == b'{"value":' + text.encode() + b"}"


def test_an_integer_is_an_int_and_a_fraction_a_decimal() -> None:
    read = parse(b'{"a":5,"b":5.0}')

    assert [type(one) for one in read.values()] == [int, Decimal]


def test_names_keep_their_order() -> None:
    assert list(parse(b'{"z":1,"a":2,"m":3}')) == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(b"\xef\xbb\xbf{}", "byte order mark", id="rfc8259-8.1-byte-order-mark"),
        pytest.param(b'{"a":"\xff"}', "byte 7", id="rfc8259-8.1-utf-8"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', "not UTF-8", id="utf-8-of-a-surrogate"),
        pytest.param(b"\xff\xfe{\x00}\x00", "not UTF-8", id="utf-16"),
        pytest.param(b'{"a":1,"a":2}', "'a' stands twice", id="duplicate-name"),
        pytest.param(b'{"a":1,"\\u0061":2}', "'a' stands twice", id="duplicate-name-by-escape"),
        pytest.param(b'{"a":"\0"}', "Byte 7 of the body is NUL", id="nul-byte"),
        pytest.param(b'{"a":"\\u0000"}', "U+0000", id="nul-escape"),
        pytest.param(b'{"a":"\\\\\\u0000"}', "U+0000", id="nul-escape-after-a-backslash"),
        pytest.param(b'{"a":"\\ud83d"}', "\\ud83d", id="lone-high-surrogate"),
        pytest.param(b'{"a":"\\uDE00"}', "\\uDE00", id="lone-low-surrogate"),
        pytest.param(b'{"a":"\\ud83d\\\\ude00"}', "surrogate", id="pair-broken-by-a-backslash"),
        pytest.param(b'{"a":NaN}', "NaN", id="nan"),
        pytest.param(b'{"a":-Infinity}', "-Infinity", id="infinity"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", "5000 characters", id="absurd-integer"),
        pytest.param(b'{"a":0.' + b"9" * 5000 + b"}", "5002 characters", id="absurd-fraction"),
        pytest.param(b'{"a":1E+1000}', "1E+1000", id="absurd-exponent"),
        pytest.param(b'{"a":1e-99999999999999999999}', "exponent", id="exponent-beyond-decimal"),
        pytest.param(b'{"a":1,\n "b":}', "line 2, column 6", id="syntax-with-its-place"),
        pytest.param(b'{"a":1} {}', "line 1, column 9", id="text-after-the-value"),
        pytest.param(b'{"a":"x\ny"}', "control character", id="raw-newline"),
        pytest.param(b"", "line 1, column 1", id="empty"),
    ],
)
def test_a_bad_body_is_refused_with_what_and_where(body: bytes, said: str) -> None:
    assert said in refusal(body)


@pytest.mark.parametrize(
    "body",
    [b'"\\\\u0000"', b'"\\\\ud83d"', b'"\\ud83d\\ude00"', b'"\\ud83d\\ude00\\ud83d\\ude00"', '"\U0001f600"'.encode()],
)
def test_escapes_that_only_look_bad_are_read(body: bytes) -> None:
    assert parse(body) == json.loads(body)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_deepest_allowed_nesting_is_read_and_one_more_refused(opening: bytes, closing: bytes) -> None:
    def nested(levels: int) -> bytes:
        return opening * levels + b"1" + closing * levels

    assert parse(nested(MAX_DEPTH))
    assert "deeper than 100" in refusal(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("text", ["[" * 101, '\\"' + "[" * 101, "\\\\", '\\\\\\"' + "{" * 101])
def test_brackets_within_strings_are_not_nesting(text: str) -> None:
    body = f'{{"a":"{text}","b":"{text}"}}'.encode()

    assert parse(body) == json.loads(body)


def test_many_shallow_objects_are_not_deep() -> None:
    assert len(parse(b"[" + b",".join([b'{"a":[]}'] * 70_000) + b"]")) == 70_000


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b"[[],"])
def test_100_000_levels_are_refused_without_recursion(opening: bytes) -> None:
    assert "deeper than 100" in refusal(opening * 100_000)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 20_000_000, id="brackets"),
        pytest.param(b'"' + b"\\\\" * 10_000_000, id="backslashes"),
        pytest.param(b'["' + b"a" * 20_000_000 + b"\\", id="string-without-end"),
        pytest.param(b'"' * 20_000_001, id="quotes"),
        pytest.param(b"[" + b"1" * 20_000_000 + b"]", id="digits"),
    ],
)
def test_a_large_bad_body_is_refused_in_linear_time(body: bytes) -> None:
    started = time.perf_counter()
    refusal(body)

    # Quadratic work would take minutes; linear work takes well under a second on an idle machine.
    assert time.perf_counter() - started < 10


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        value = parse(body)
    except InvalidJsonError:
        return
    assert parse(dumps(value)) == value


@given(values, st.integers(0, 200), st.binary(max_size=3))
def test_a_damaged_body_is_read_or_refused_like_by_the_plain_parser(value: Any, place: int, damage: bytes) -> None:
    body = dumps(value)
    body = body[:place] + damage + body[place + len(damage) :]
    try:
        read = parse(body)
    except InvalidJsonError:
        return
    assert read == json.loads(body, parse_float=Decimal)


@given(
    members,
    st.none() | texts,
    st.none() | metas,
    st.permutations(["resourceType", "id", "meta", "rest"]),
    st.booleans(),
)
def test_splice_sets_id_and_meta_and_nothing_else(
    rest: dict[str, Any], id: str | None, meta: dict[str, Any] | None, order: list[str], spaced: bool
) -> None:
    known = {"resourceType": {"resourceType": "Basic"}, "rest": rest}
    known["id"] = {} if id is None else {"id": id}
    known["meta"] = {} if meta is None else {"meta": meta}
    resource = {name: value for part in order for name, value in known[part].items()}
    body = json.dumps(resource, default=float, indent=1).encode() if spaced else dumps(resource)
    read = parse(body)

    spliced = parse(splice(body, read, id="a1", version_id="7", last_updated=LAST_UPDATED))

    kept = {name: value for name, value in read.items() if name not in ("id", "meta")}
    assert {name: value for name, value in spliced.items() if name not in ("id", "meta")} == kept
    assert [name for name in spliced if name in kept] == [name for name in read if name in kept]
    assert spliced["id"] == "a1"
    assert spliced["meta"] == {**read.get("meta", {}), "versionId": "7", "lastUpdated": LAST_UPDATED}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            b'{"resourceType":"Basic","code":{"text":"x"}}',
            b'{"resourceType":"Basic","id":"a1","meta":{"versionId":"7","lastUpdated":"T"},"code":{"text":"x"}}',
            id="inserted-after-resourceType",
        ),
        pytest.param(
            b'{ "id" : "old" , "resourceType" : "Basic" }',
            b'{ "id" : "a1" , "resourceType" : "Basic","meta":{"versionId":"7","lastUpdated":"T"} }',
            id="replaced-in-place",
        ),
        pytest.param(
            b'{"meta":{"tag":[{"code":"1.0\\u00e9"}],"lastUpdated":"old"},"id":"a","resourceType":"Basic"}',
            b'{"meta":{"versionId":"7","tag":[{"code":"1.0\\u00e9"}],"lastUpdated":"T"},"id":"a1","resourceType":"Basic"}',
            id="other-meta-kept-byte-for-byte",
        ),
        pytest.param(
            b'{"resourceType":"Basic","extension":[{"id":"e","url":"meta"}],"valueDecimal":1.500,"\\u0069d":"o"}',
            b'{"resourceType":"Basic","meta":{"versionId":"7","lastUpdated":"T"},'
            b'"extension":[{"id":"e","url":"meta"}],"valueDecimal":1.500,"\\u0069d":"a1"}',
            id="an-inner-id-is-not-the-id",
        ),
    ],
)
def test_splice_leaves_every_other_byte(body: bytes, expected: bytes) -> None:
    assert splice(body, parse(body), id="a1", version_id="7", last_updated="T") == expected


def test_a_float_is_never_made() -> None:
    def kinds(value: Any) -> set[type]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {type(value)}.union(*map(kinds, inner))

    assert float not in kinds(parse(b'{"a":[1.5,{"b":2e1}],"c":0.1}'))
