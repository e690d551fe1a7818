import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.access import parse_scopes
from bhr_api.auth.scopes import InvalidScopeTextError, check_registrable, narrow_scope

TYPES = ("Observation", "Task", "*")
SUFFIXES = (
    "cruds",
    "rs",
    "r",
    "s",
    "cud",
    "cd",
    "read",
    "write",
    "*",
    "dus",
    "rs?code=a",
    "crs?code=b",
    "rs?code=a&code=b",
)
scope_texts = st.lists(
    st.builds("{}/{}.{}".format, st.sampled_from(("system", "patient", "user")), st.sampled_from(TYPES),
              st.sampled_from(SUFFIXES)),
    max_size=5,
).map(" ".join)  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "registered", "granted"),
    [
        pytest.param("system/*.cruds", "system/*.rs system/Goal.cruds", "system/*.rs system/Goal.cruds", id="by-type"),
        pytest.param("system/Goal.cruds", "system/*.rs system/Goal.c", "system/Goal.crs", id="letters-add-up"),
        pytest.param("system/Goal.*", "system/Goal.crud", "system/Goal.crud", id="no-v1-spelling-for-crud"),
        pytest.param("system/Goal.*", "system/*.cud", "system/Goal.write", id="v1-write-is-cud"),
        pytest.param("system/Goal.write", "system/Goal.rs", "", id="write-is-not-read"),
        pytest.param("system/*.rs system/*.rs", "system/*.rs", "system/*.rs", id="asked-twice-granted-once"),
        pytest.param("user/*.rs", "system/*.rs", "", id="contexts-do-not-mix"),
        pytest.param("system/Goal.rs", "system/Goals.rs", "", id="types-are-compared-whole"),
    ],
)
def test_scope_is_the_common_part(asked: str, registered: str, granted: str) -> None:
    assert narrow_scope(asked, registered, "system") == granted


@pytest.mark.parametrize(
    ("asked", "registered", "granted"),
    [
        pytest.param("system/Task.rs?code=a", "system/*.rs", "system/Task.rs?code=a", id="as-asked"),
        pytest.param("system/Task.rs", "system/Task.rs?code=a", "system/Task.rs?code=a", id="as-registered"),
        pytest.param("system/Task.rs?code=a", "system/Task.r?status=x", "system/Task.r?code=a&status=x", id="both"),
        pytest.param("system/Task.rs", "system/Task.rs?code=a system/Task.r", "system/Task.s?code=a system/Task.r",
                     id="said-once"),
        pytest.param("system/Task.rs?code=a", "system/Task.rs?code=b", "system/Task.rs?code=a&code=b", id="of-both-codes"),
        pytest.param("system/Task.rs?code=a%7Cb", "system/*.rs", "system/Task.rs?code=a%7Cb", id="encoded"),
        pytest.param("system/Task.read", "system/Task.rs?code=a", "system/Task.rs?code=a", id="v1-cannot-say-it"),
        pytest.param("system/Task.rs?owner=a", "system/*.rs", "", id="not-enforceable"),
    ],
)  # fmt: skip
def test_restrictions_add_up(asked: str, registered: str, granted: str) -> None:
    assert narrow_scope(asked, registered, "system") == granted


# What a resource may carry, by which restrictions tell it from others.
KINDS = (frozenset[tuple[str, str]](), frozenset({("code", "a")}), frozenset({("code", "b")}),
         frozenset({("code", "a"), ("code", "b")}))  # fmt: skip


def allowed_by(text: str) -> set[tuple[str, str, frozenset[tuple[str, str]]]]:
    scopes = [scope for scope in parse_scopes(text) if scope.context == "system"]
    return {
        (name, letter, kind)
        for name in ("Observation", "Goal", "Task")
        for letter in "cruds"
        for kind in KINDS
        if any(scope.covers(letter, name) and kind.issuperset(scope.restriction) for scope in scopes)  # type: ignore[arg-type]
    }


@given(scope_texts, scope_texts)
def test_what_is_granted_is_exactly_what_both_allow(asked: str, registered: str) -> None:
    assert allowed_by(narrow_scope(asked, registered, "system")) == allowed_by(asked) & allowed_by(registered)


def test_a_registrable_scope_is_given_back_with_single_spaces() -> None:
    assert check_registrable(" system/*.rs   openid system/*.rs ") == "system/*.rs openid"


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        pytest.param("", "needs a scope", id="empty"),
        pytest.param("system/Goal.sr", "order c, r, u, d, s", id="letters-out-of-order"),
        pytest.param("system/Observation.rs?category:not=x", "without modifiers", id="modifier"),
        pytest.param("system/*.rs?category=x", "of one type", id="restriction-of-all-types"),
        pytest.param("system/Observation.read?category=x", "version 2", id="restriction-of-version-1"),
        pytest.param("system/Observation.rs?date=2026", "by codes and uris", id="restriction-by-date"),
        pytest.param("system/Observation.rs?patient=1", "by codes and uris", id="restriction-by-reference"),
        pytest.param("system/Observation.rs?kind=x", "no search parameter 'kind'", id="unknown-parameter"),
        pytest.param("system/Observation.rs?category=|", "not of the form", id="value-of-no-form"),
        pytest.param("Goal.rs", "write patient, user or system", id="no-context"),
        pytest.param("system/Gaol.rs", "no resource type 'Gaol'", id="unknown-type"),
        pytest.param("admin", "write patient, user or system", id="unknown-word"),
    ],
)
def test_an_unenforceable_scope_is_not_registered(scope: str, says: str) -> None:
    with pytest.raises(InvalidScopeTextError, match=says):
        check_registrable(scope, {"Goal", "Observation"})
