"""What the stored text of a resource refers to, read from its bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.fhir.references import LocalReference, parse_local
from bhr_api.operations.references import Canonical, ReferenceReader

BASE_URL = "http://records.example/fhir"


def named_in(text: str) -> set[LocalReference | Canonical]:
    return set(ReferenceReader(BASE_URL).named_in(text.encode()))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param('{"reference": "Patient/a"}', {("Patient", "a", None)}, id="relative"),
        pytest.param('{"reference":"http://records.example/fhir/Patient/a"}', {("Patient", "a", None)}, id="absolute"),
        pytest.param('{"reference":"Patient/a/_history/2"}', {("Patient", "a", "2")}, id="versioned"),
        pytest.param('{"reference"\n:\t"Patient\\/a"}', {("Patient", "a", None)}, id="escaped-slash"),
        pytest.param('{"\\u0072eference":"Patient/a"}', {("Patient", "a", None)}, id="escaped-name"),
        pytest.param('{"url":"Binary/a"}', {("Binary", "a", None)}, id="attachment"),
        pytest.param('{"url":"Patient/a"}', set(), id="another-url"),
        pytest.param('{"url":"http://records.example/fhir/StructureDefinition/e"}', set(), id="extension"),
        pytest.param('{"questionnaire":"http://x.org/q|1"}', {("http://x.org/q", "1")}, id="canonical"),
        pytest.param('{"questionnaire":"Questionnaire/q"}', {("Questionnaire", "q", None)}, id="local-canonical"),
        pytest.param('{"reference":"#a"}', set(), id="contained"),
        pytest.param('{"reference":"http://other.example/Patient/a"}', set(), id="another-server"),
        pytest.param('{"reference":{"reference":"Patient/a"}}', {("Patient", "a", None)}, id="an-element-of-that-name"),
        pytest.param('{"div":"<p>\\"reference\\":\\"Patient/a\\"</p>"}', set(), id="within-a-text"),
        pytest.param('{"display":"reference","x":"Patient/a"}', set(), id="as-a-value"),
        pytest.param('{"display":"\\\\","reference":"Patient/a"}', {("Patient", "a", None)}, id="after-a-backslash"),
    ],
)
def test_each_form_of_reference(text: str, found: set[Any]) -> None:
    assert named_in(text) == found


def test_what_was_told_is_not_told_again() -> None:
    reader = ReferenceReader(BASE_URL)
    assert list(reader.named_in(b'{"reference":"Patient/a"}')) == [("Patient", "a", None)]
    assert list(reader.named_in(b'[{"reference":"Patient/a"},{"reference":"Patient/b"}]')) == [("Patient", "b", None)]


NAMES = st.sampled_from(["reference", "url", "questionnaire", 'reference"', "x", "é"])
TEXTS = st.sampled_from(
    ["Patient/a", "Binary/b", f"{BASE_URL}/Goal/c", "#d", '"reference":"Patient/e"', "\\", '"', "\u2028"]
)
TREES = st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20)


@given(TREES, st.booleans(), st.sampled_from([None, 1]))
def test_reading_bytes_is_as_walking_through_json(tree: Any, is_ascii: bool, indent: int | None) -> None:
    text = json.dumps({"tree": tree}, ensure_ascii=is_ascii, indent=indent)
    assert {one for one in named_in(text) if isinstance(one, LocalReference)} == set(walk(tree))


def walk(node: Any) -> list[LocalReference]:
    if isinstance(node, list):
        return [found for item in node for found in walk(item)]
    if not isinstance(node, dict):
        return []
    found = [one for value in node.values() for one in walk(value)]
    for name in ("reference", "url", "questionnaire"):
        value = node.get(name)
        local = parse_local(value, BASE_URL) if isinstance(value, str) else None
        if local is not None and (name != "url" or local.resource_type == "Binary"):
            found.append(local)
    return found
