import re
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, primitive_regex
from bhr_api.fhir.primitives import TESTS, explanation
from tests.fhir.full_resources import SAMPLES

TEXT_TYPES = sorted(PRIMITIVE_TYPES - {"boolean", "decimal", "integer", "positiveInt", "unsignedInt"})
# Types for which the text of the specification asks for more than its regular expression.
CALENDAR = {"date", "dateTime", "instant"}


def test_every_primitive_type_has_a_test() -> None:
    assert TESTS.keys() == PRIMITIVE_TYPES == SAMPLES.keys()


@pytest.mark.parametrize("type_name", sorted(PRIMITIVE_TYPES))
def test_the_wrong_kind_of_json_is_refused(type_name: str) -> None:
    kinds: list[Any] = [None, True, 1, 1.5, Decimal("1.5"), "x y\x00", {}, [], b""]
    right = {bool: "boolean", int: "integer unsignedInt positiveInt decimal", Decimal: "decimal"}

    for value in kinds:
        if type_name not in right.get(type(value), "").split():
            assert not TESTS[type_name](value)
            code, sentence = explanation(value, type_name)
            assert code in ("value", "structure")
            assert type_name in sentence


@pytest.mark.parametrize("type_name", TEXT_TYPES)
@given(data=st.data())
def test_a_text_is_taken_if_the_expression_of_r4_takes_it(type_name: str, data: st.DataObject) -> None:
    pattern = primitive_regex(type_name)
    if pattern is None or type_name == "base64Binary":
        return
    text = data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True))
    has_control = any(character < " " and character not in "\t\r\n" for character in text)

    if type_name in CALENDAR or has_control or text == "":
        return  # Days that do not exist, control characters and empty text are refused all the same.
    assert TESTS[type_name](text)


@pytest.mark.parametrize("type_name", TEXT_TYPES)
@given(text=st.text(max_size=30) | st.text("0123456789-:.TZ+ ", max_size=30))
def test_a_text_that_the_expression_of_r4_refuses_is_refused(type_name: str, text: str) -> None:
    pattern = primitive_regex(type_name)

    if pattern is not None and re.fullmatch(pattern, text, re.ASCII) is None:
        assert not TESTS[type_name](text)


@given(st.dates())
def test_each_day_of_the_calendar_is_a_date(day: Any) -> None:
    assert TESTS["date"](day.isoformat())
    assert TESTS["dateTime"](f"{day.isoformat()}T23:59:60.123Z")


@pytest.mark.parametrize(
    "text",
    ["2026-02-29", "1900-02-29", "2026-04-31", "2026-13", "2026-00", "0000", "26-01-01", "2026-1-1", "2026-01-01 "],
)
def test_a_day_that_does_not_exist_is_no_date(text: str) -> None:
    assert not TESTS["date"](text)
    assert not TESTS["dateTime"](text)
    assert not TESTS["instant"](f"{text}T00:00:00Z")


@given(st.binary(max_size=40))
def test_base64_of_any_bytes_is_taken_also_in_lines(content: bytes) -> None:
    import base64

    plain, lines = base64.b64encode(content).decode(), base64.encodebytes(content).decode()

    assert bool(TESTS["base64Binary"](plain)) == bool(content)
    assert bool(TESTS["base64Binary"](lines)) == bool(content)


@pytest.mark.parametrize("text", ["aGVsbG8", "aGVsbG8==", "a GVsbG8*", "====", "é", " "])
def test_what_cannot_be_decoded_is_no_base64(text: str) -> None:
    assert not TESTS["base64Binary"](text)


@pytest.mark.parametrize(
    ("type_name", "text"),
    [
        ("base64Binary", "A" * 3_000_001),
        ("base64Binary", " " * 3_000_000 + "*"),
        ("code", "a " * 1_000_000),
        ("dateTime", "2026-01-01T00:00:00." + "1" * 3_000_000),
        ("uri", "a" * 3_000_000 + " "),
        ("string", "a\n" * 500_000 + "\x00"),
        ("oid", "urn:oid:1" + ".1" * 1_000_000 + "."),
    ],
    ids=lambda value: value[:12],
)
def test_a_long_bad_text_is_refused_in_linear_time(type_name: str, text: str) -> None:
    started = time.perf_counter()

    assert not TESTS[type_name](text)
    assert len(explanation(text, type_name)[1]) < 400
    assert time.perf_counter() - started < 10


def test_a_text_over_one_megabyte_is_too_long() -> None:
    assert explanation("a" * 1_048_577, "string")[0] == "too-long"
    assert TESTS["string"]("a" * 1_048_576)
