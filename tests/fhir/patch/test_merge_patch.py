from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given

from bhr_api.fhir.json_text import dumps, parse
from bhr_api.fhir.patch.json_values import same_json
from bhr_api.fhir.patch.merge_patch import apply_patch, merged
from tests.fhir.patch.json_samples import refusal, resources, status_of, values

Json = dict[str, Any]
BASIC = {"resourceType": "Basic", "id": "b1"}


# RFC 7386, appendix A: (original, patch, result), in its order.
@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7386_merge(original: Any, patch: Any, result: Any) -> None:
    assert merged(original, patch) == result


def test_the_example_of_rfc_7386_section_3() -> None:
    original = {
        "title": "Goodbye!",
        "author": {"givenName": "John", "familyName": "Doe"},
        "tags": ["example", "sample"],
        "content": "This will be unchanged",
    }
    patch = {
        "title": "Hello!",
        "phoneNumber": "+01-123-456-7890",
        "author": {"familyName": None},
        "tags": ["example"],
    }
    assert merged(original, patch) == {
        "title": "Hello!",
        "author": {"givenName": "John"},
        "tags": ["example"],
        "content": "This will be unchanged",
        "phoneNumber": "+01-123-456-7890",
    }


@pytest.mark.parametrize("document", [None, [], "x", 5, True])
def test_what_is_no_object_is_400(document: Any) -> None:
    assert refusal(lambda: apply_patch(BASIC, document)).status == 400


def test_a_patch_that_is_too_deep_is_400() -> None:
    document: Json = {}
    for _ in range(5000):
        document = {"a": document}
    assert refusal(lambda: apply_patch(BASIC, document)).status == 400


@pytest.mark.parametrize(
    "patch",
    [{"id": None}, {"id": "b2"}, {"resourceType": "Patient"}, {"meta": None}, {"meta": {"versionId": "4"}}],
    ids=["no-id", "id", "type", "meta", "version"],
)
def test_what_is_the_servers_own_stays(patch: Json) -> None:
    error = refusal(lambda: apply_patch({**BASIC, "meta": {"versionId": "3"}}, patch))
    assert (error.status, error.issues[0].code) == (422, "business-rule")


def test_what_is_the_servers_own_may_be_repeated() -> None:
    resource = {**BASIC, "meta": {"versionId": "3"}}
    patch = {**resource, "meta": {"versionId": "3", "tag": [{"code": "x"}]}}
    assert apply_patch(resource, patch) == patch


def test_numbers_keep_their_digits_and_members_their_order() -> None:
    resource = parse(b'{"resourceType":"Basic","z":1.10,"y":1e3,"a":{"c":2.0,"b":1}}')
    patch = parse(b'{"a":{"b":2.50},"n":1.000,"y":null}')
    assert dumps(apply_patch(resource, patch)) == b'{"resourceType":"Basic","z":1.10,"a":{"c":2.0,"b":2.50},"n":1.000}'


# Laws


def difference(old: Any, new: Any) -> Any:
    """A merge patch from `old` to `new`, which holds no null."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    gone: Json = {name: None for name in old if name not in new}
    return gone | {name: difference(old.get(name), value) for name, value in new.items()}


def without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_null(content) for name, content in value.items() if content is not None}
    if isinstance(value, list):
        return [without_null(item) for item in value if item is not None]
    return value


@given(resources, resources.map(without_null))
def test_the_difference_of_two_resources_leads_from_one_to_the_other(old: Json, new: Json) -> None:
    before = deepcopy(old)
    assert same_json(apply_patch(old, difference(old, new)), new)
    assert old == before


@given(resources, values)
def test_no_document_does_more_than_merge_or_be_refused(resource: Json, document: Any) -> None:
    before, document_before = deepcopy(resource), deepcopy(document)
    assert status_of(lambda: apply_patch(resource, document)) in (200, 400, 422)
    assert (resource, document) == (before, document_before)
