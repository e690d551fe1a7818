from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.fhir.json_text import dumps, parse
from bhr_api.fhir.patch.json_patch import MAX_COPIED_BYTES, apply_patch
from bhr_api.fhir.patch.json_values import same_json
from bhr_api.fhir.patch.refusals import MAX_OPERATIONS
from tests.fhir.patch.json_samples import names, refusal, resources, status_of, values

Json = dict[str, Any]
BASIC = {"resourceType": "Basic", "id": "b1"}


def op(name: str, path: str, **more: Any) -> Json:
    return {"op": name, "path": path, **{key.rstrip("_"): value for key, value in more.items()}}


# RFC 6902, appendix A: the examples, with the members of their documents in a resource.
APPENDIX = [
    pytest.param({"foo": "bar"}, [op("add", "/baz", value="qux")], {"foo": "bar", "baz": "qux"}, id="A.1"),
    pytest.param({"foo": ["bar", "baz"]}, [op("add", "/foo/1", value="qux")], {"foo": ["bar", "qux", "baz"]}, id="A.2"),
    pytest.param({"baz": "qux", "foo": "bar"}, [op("remove", "/baz")], {"foo": "bar"}, id="A.3"),
    pytest.param({"foo": ["bar", "qux", "baz"]}, [op("remove", "/foo/1")], {"foo": ["bar", "baz"]}, id="A.4"),
    pytest.param(
        {"baz": "qux", "foo": "bar"},
        [op("replace", "/baz", value="boo")],
        {"baz": "boo", "foo": "bar"},
        id="A.5",
    ),
    pytest.param(
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [op("move", "/qux/thud", from_="/foo/waldo")],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        id="A.6",
    ),
    pytest.param(
        {"foo": ["all", "grass", "cows", "eat"]},
        [op("move", "/foo/3", from_="/foo/1")],
        {"foo": ["all", "cows", "eat", "grass"]},
        id="A.7",
    ),
    pytest.param(
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [op("test", "/baz", value="qux"), op("test", "/foo/1", value=2)],
        {"baz": "qux", "foo": ["a", 2, "c"]},
        id="A.8",
    ),
    pytest.param(
        {"foo": "bar"},
        [op("add", "/child", value={"grandchild": {}})],
        {"foo": "bar", "child": {"grandchild": {}}},
        id="A.10",
    ),
    pytest.param(
        {"foo": "bar"},
        [op("add", "/baz", value="qux", xyz=123)],
        {"foo": "bar", "baz": "qux"},
        id="A.11-unknown-member",
    ),
    pytest.param({"/": 9, "~1": 10}, [op("test", "/~01", value=10)], {"/": 9, "~1": 10}, id="A.14-escapes"),
    pytest.param(
        {"foo": ["bar"]}, [op("add", "/foo/-", value=["abc", "def"])], {"foo": ["bar", ["abc", "def"]]}, id="A.16"
    ),
    pytest.param({"a": 1}, [op("copy", "/b", from_="/a")], {"a": 1, "b": 1}, id="4.5-copy"),
    pytest.param({"a": 1}, [op("add", "/a", value=2)], {"a": 2}, id="4.1-add-replaces-a-member"),
    pytest.param({"a": 1}, [op("move", "/a", from_="/a")], {"a": 1}, id="4.4-move-to-itself"),
    pytest.param({"a": [1]}, [op("add", "/a/1", value=2)], {"a": [1, 2]}, id="4.1-add-at-the-end"),
    pytest.param({"a": None}, [op("test", "/a", value=None)], {"a": None}, id="4.6-null"),
    pytest.param({"": 1}, [op("replace", "/", value=2)], {"": 2}, id="6901-5-empty-name"),
]


@pytest.mark.parametrize(("members", "patch", "expected"), APPENDIX)
def test_the_examples_of_rfc_6902_apply(members: Json, patch: list[Json], expected: Json) -> None:
    assert apply_patch({**BASIC, **members}, patch) == {**BASIC, **expected}


@pytest.mark.parametrize(
    ("members", "patch", "place", "code"),
    [
        pytest.param({"baz": "qux"}, [op("test", "/baz", value="bar")], "/0", "conflict", id="A.9-test"),
        pytest.param({"foo": "bar"}, [op("add", "/baz/bat", value="qux")], "/0", "not-found", id="A.12-no-target"),
        pytest.param(
            {"/": 9, "~1": 10}, [op("test", "/~01", value="10")], "/0", "conflict", id="A.15-number-is-no-text"
        ),
        pytest.param({"a": 1}, [op("test", "/a", value=True)], "/0", "conflict", id="4.6-true-is-not-1"),
        pytest.param({"a": True}, [op("test", "/a", value=1)], "/0", "conflict", id="4.6-1-is-not-true"),
        pytest.param({"a": 1}, [op("test", "/a", value=1), op("remove", "/b")], "/1", "not-found", id="4.2-remove"),
        pytest.param({}, [op("replace", "/b", value=1)], "/0", "not-found", id="4.3-replace"),
        pytest.param({}, [op("move", "/a", from_="/b")], "/0", "not-found", id="4.4-move"),
        pytest.param({}, [op("copy", "/a", from_="/b")], "/0", "not-found", id="4.5-copy"),
        pytest.param({}, [op("test", "/b", value=None)], "/0", "not-found", id="4.6-absent-is-not-null"),
        pytest.param({"a": [1]}, [op("add", "/a/2", value=1)], "/0", "not-found", id="4.1-beyond-the-end"),
        pytest.param({"a": [1]}, [op("remove", "/a/-")], "/0", "not-found", id="6901-nothing-at-the-dash"),
        pytest.param({"a": [1]}, [op("remove", "/a/00")], "/0", "not-found", id="6901-leading-zero"),
        pytest.param({"a": [1]}, [op("remove", "/a/-1")], "/0", "not-found", id="6901-negative"),
        pytest.param({"a": [1]}, [op("remove", "/a/" + "9" * 5000)], "/0", "not-found", id="6901-huge"),
        pytest.param({"a": []}, [op("replace", "/a/0", value=1)], "/0", "not-found", id="6901-empty"),
        pytest.param({"a": "x"}, [op("add", "/a/b", value=1)], "/0", "not-found", id="below-a-text"),
        pytest.param({}, [op("remove", "")], "/0", "not-found", id="the-resource-itself"),
    ],
)
def test_a_patch_that_does_not_apply_is_422(members: Json, patch: list[Json], place: str, code: str) -> None:
    error = refusal(lambda: apply_patch({**BASIC, **members}, patch))
    assert error.status == 422
    assert [(issue.code, issue.expression) for issue in error.issues] == [(code, place)]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        pytest.param({}, None, id="no-array"),
        pytest.param([5], "/0", id="no-object"),
        pytest.param([{"path": "/a"}], "/0", id="no-op"),
        pytest.param([op("delete", "/a")], "/0/op", id="unknown-op"),
        pytest.param([op("remove", "/a"), {"op": "remove"}], "/1", id="no-path"),
        pytest.param([op("remove", "a")], "/0/path", id="no-slash"),
        pytest.param([op("remove", "/a~2")], "/0/path", id="bad-escape"),
        pytest.param([op("add", "/a")], "/0", id="no-value"),
        pytest.param([op("copy", "/a")], "/0", id="no-from"),
        pytest.param([op("move", "/a/b", from_="/a")], "/0/from", id="into-itself"),
        pytest.param([op("test", "/a", value=1)] * (MAX_OPERATIONS + 1), None, id="too-many"),
    ],
)
def test_a_document_that_is_no_patch_is_400(document: Any, place: str | None) -> None:
    error = refusal(lambda: apply_patch({**BASIC, "a": 1}, document))
    assert error.status == 400
    assert [issue.expression for issue in error.issues] == [place]


def test_a_thousand_operations_are_taken() -> None:
    patch = [op("add", "/a/-", value=number) for number in range(MAX_OPERATIONS)]
    assert apply_patch({**BASIC, "a": []}, patch)["a"] == list(range(MAX_OPERATIONS))


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param([op("replace", "/id", value="b2")], id="id"),
        pytest.param([op("remove", "/id")], id="no-id"),
        pytest.param([op("replace", "/resourceType", value="Patient")], id="type"),
        pytest.param([op("replace", "/meta/versionId", value="9")], id="version"),
        pytest.param([op("add", "/meta/lastUpdated", value="2026-01-01T00:00:00Z")], id="time"),
        pytest.param([op("remove", "/meta")], id="all-of-meta"),
        pytest.param([op("replace", "", value=[])], id="no-resource"),
    ],
)
def test_what_is_the_servers_own_stays(patch: list[Json]) -> None:
    resource = {**BASIC, "meta": {"versionId": "3"}}
    error = refusal(lambda: apply_patch(resource, [op("add", "/a", value=1), *patch]))
    assert error.status == 422
    assert {(issue.code, issue.expression) for issue in error.issues} == {("business-rule", "/1")}


def test_what_is_put_back_in_the_end_counts_as_unchanged() -> None:
    patch = [op("move", "/a", from_="/meta"), op("add", "/a/tag", value=[]), op("move", "/meta", from_="/a")]
    patched = apply_patch({**BASIC, "meta": {"versionId": "3"}}, patch)
    assert patched == {**BASIC, "meta": {"versionId": "3", "tag": []}}


def test_a_refusal_does_not_tell_what_is_stored() -> None:
    resource = {**BASIC, "a": "secret", "b": {"secret": 1}}
    for patch in ([op("test", "/a", value=1)], [op("test", "/b", value=1)], [op("remove", "/b/c")]):
        assert "secret" not in str(refusal(lambda patch=patch: apply_patch(resource, patch)).outcome)  # type: ignore[misc]


def test_copies_that_double_are_refused_by_their_size() -> None:
    patch = [op("copy", f"/a/{number}", from_="/a") for number in range(100)]
    error = refusal(lambda: apply_patch({**BASIC, "a": {"text": "x" * 1000}}, patch))
    assert (error.status, error.issues[0].code) == (422, "too-costly")


def test_copies_within_the_bound_are_made() -> None:
    text = "x" * (MAX_COPIED_BYTES // 4)
    patch = [op("copy", f"/b{number}", from_="/a") for number in range(3)]
    assert apply_patch({**BASIC, "a": text}, patch)["b2"] == text


def test_nesting_without_end_is_refused() -> None:
    nest: Any = {"a": {}}
    patch = [op("add", "/a" * depth, value=nest) for depth in range(1, 200)]
    error = refusal(lambda: apply_patch(BASIC, patch))
    assert (error.status, error.issues[0].code) == (422, "too-costly")


def test_numbers_keep_their_digits_and_members_their_order() -> None:
    resource = parse(b'{"resourceType":"Basic","z":1.10,"y":1e3,"a":[0.0000001]}')
    patch = parse(b'[{"op":"add","path":"/b","value":2.50},{"op":"copy","from":"/y","path":"/x"}]')
    expected = b'{"resourceType":"Basic","z":1.10,"y":1e3,"a":[0.0000001],"b":2.50,"x":1e3}'
    assert dumps(apply_patch(resource, patch)) == expected


def test_the_patch_document_is_not_tied_to_the_outcome() -> None:
    patch = [op("add", "/a", value=[]), op("add", "/a/-", value=1)]
    assert apply_patch(BASIC, patch)["a"] == [1]
    assert patch[0]["value"] == []


# Laws


def pointer(path: str, token: str | int) -> str:
    return f"{path}/{str(token).replace('~', '~0').replace('/', '~1')}"


def difference(old: Any, new: Any, path: str = "") -> list[Json]:
    """Operations from `old` to `new`, written from RFC 6902 alone."""
    if isinstance(old, dict) and isinstance(new, dict):
        gone = [op("remove", pointer(path, name)) for name in old if name not in new]
        come = [op("add", pointer(path, name), value=new[name]) for name in new if name not in old]
        kept = [each for name in old if name in new for each in difference(old[name], new[name], pointer(path, name))]
        return gone + kept + come
    if isinstance(old, list) and isinstance(new, list):
        shared = min(len(old), len(new))
        kept = [each for at in range(shared) for each in difference(old[at], new[at], pointer(path, at))]
        gone = [op("remove", pointer(path, shared)) for _ in old[shared:]]
        return kept + gone + [op("add", pointer(path, "-"), value=item) for item in new[shared:]]
    return [] if same_json(old, new) else [op("replace", path, value=new)]


@given(resources, resources)
def test_the_difference_of_two_resources_leads_from_one_to_the_other(old: Json, new: Json) -> None:
    before = deepcopy(old)
    assert same_json(apply_patch(old, difference(old, new)), new)
    assert old == before


pointers = st.lists(names | st.integers(0, 3).map(str), max_size=3).map(
    lambda tokens: "".join(pointer("", token) for token in tokens)
)
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"]), "path": pointers},
    optional={"from": pointers, "value": values},
)


@given(resources, st.lists(operations | values, max_size=4) | values)
def test_no_document_does_more_than_apply_or_be_refused(resource: Json, document: Any) -> None:
    before, document_before = deepcopy(resource), deepcopy(document)
    assert status_of(lambda: apply_patch(resource, document)) in (200, 400, 422)
    assert (resource, document) == (before, document_before)
