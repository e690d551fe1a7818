import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.access import parse_scopes
from bhr_api.auth.scopes import InvalidScopeTextError, check_registrable, narrow_scope

TYPES = ("Patient", "Goal", "*")
SUFFIXES = ("cruds", "rs", "r", "s", "cud", "cd", "read", "write", "*", "dus", "rs?category=x")
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


def allowed_by(text: str) -> set[tuple[str, str]]:
    scopes = [scope for scope in parse_scopes(text) if scope.context == "system"]
    return {(t, x) for t in ("Patient", "Goal", "Task") for x in "cruds" if any(s.covers(x, t) for s in scopes)}  # type: ignore[arg-type]


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
        pytest.param("system/Observation.rs?category=x", "not offered", id="restriction"),
        pytest.param("Goal.rs", "write patient, user or system", id="no-context"),
        pytest.param("system/Gaol.rs", "no resource type 'Gaol'", id="unknown-type"),
        pytest.param("admin", "write patient, user or system", id="unknown-word"),
    ],
)
def test_an_unenforceable_scope_is_not_registered(scope: str, says: str) -> None:
    with pytest.raises(InvalidScopeTextError, match=says):
        check_registrable(scope, {"Goal", "Observation"})
