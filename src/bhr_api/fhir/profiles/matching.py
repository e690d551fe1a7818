"""Whether an element is what fixed[x] says, or has what pattern[x] says (FHIR R4, elementdefinition-definitions.html).

Both are about the JSON of an element: its value and, for a primitive, what stands beside it under `_name`.
"""

from collections.abc import Callable
from typing import Any

Match = Callable[[Any, Any], bool]
"""(value, companion) -> whether the element is right."""

_Test = Callable[[Any], bool]


def exactly(fixed: tuple[Any, Any]) -> Match:
    """Whether an element is what is fixed: the same value, and neither more nor fewer children.

    The ids of primitive elements are for references within the instance and take no part.
    """
    is_value, beside = _same(fixed[0]), _without_id(fixed[1])
    if beside is None:
        return lambda value, companion: is_value(value) and (companion is None or _without_id(companion) is None)
    is_beside = _same(beside)
    return lambda value, companion: is_value(value) and is_beside(_without_id(companion))


def containing(pattern: tuple[Any, Any]) -> Match:
    """Whether all of the pattern is found in an element; there may be more."""
    has_value = _having(pattern[0])
    if pattern[1] is None:
        return lambda value, _companion: has_value(value)
    has_beside = _having(pattern[1])
    return lambda value, companion: has_value(value) and has_beside(companion)


def _same(fixed: Any) -> _Test:
    if isinstance(fixed, dict):
        members = [(name, _same(member)) for name, member in fixed.items()]
        return lambda value: (
            isinstance(value, dict)
            and len(value) == len(members)
            and all(name in value and test(value[name]) for name, test in members)
        )
    if isinstance(fixed, list):
        tests = [_same(one) for one in fixed]
        return lambda value: (
            isinstance(value, list)
            and len(value) == len(tests)
            and all(test(one) for test, one in zip(tests, value, strict=True))
        )
    # In Python True equals 1; in FHIR a boolean is no integer.
    is_boolean = isinstance(fixed, bool)
    return lambda value: bool(value == fixed) and isinstance(value, bool) == is_boolean


def _without_id(companion: Any) -> Any:
    if not isinstance(companion, dict) or "id" not in companion:
        return companion
    return {name: member for name, member in companion.items() if name != "id"} or None


def _having(pattern: Any) -> _Test:
    if isinstance(pattern, dict):
        return _having_members([(name, _having(member)) for name, member in pattern.items()])
    if isinstance(pattern, list):
        return _having_entries([_having(one) for one in pattern])
    return _same(pattern)


def _having_members(members: list[tuple[str, _Test]]) -> _Test:
    def test(value: Any) -> bool:
        if type(value) is not dict:
            return False
        # A loop takes half of the time of all() over a generator, and most slices are told by a pattern.
        for name, has in members:  # noqa: SIM110
            if name not in value or not has(value[name]):
                return False
        return True

    return test


def _having_entries(entries: list[_Test]) -> _Test:
    def test(value: Any) -> bool:
        # "each element provided in the pattern[x] array must (recursively) match at least one element from the
        # instance array": one element may serve several.
        return type(value) is list and all(any(has(one) for one in value) for has in entries)

    return test
