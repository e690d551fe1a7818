"""Whether an element is what fixed[x] says, or has what pattern[x] says (FHIR R4, elementdefinition-definitions.html).

Both take the JSON of an element: its value and, for a primitive, what stands beside it under `_name`.
"""

from typing import Any


def is_exactly(value: Any, companion: Any, fixed: tuple[Any, Any]) -> bool:
    """Whether the element is what is fixed: the same value, and neither more nor fewer children.

    The ids of elements are for references within the instance and take no part.
    """
    return _same(value, fixed[0]) and _same(_without_id(companion), _without_id(fixed[1]))


def contains(value: Any, companion: Any, pattern: tuple[Any, Any]) -> bool:
    """Whether all of the pattern is found in the element; there may be more."""
    return _contains(value, pattern[0]) and (pattern[1] is None or _contains(companion, pattern[1]))


def _same(value: Any, fixed: Any) -> bool:
    # In Python True equals 1; in FHIR a boolean is no integer.
    if isinstance(fixed, dict):
        return (
            isinstance(value, dict)
            and value.keys() == fixed.keys()
            and all(_same(value[name], member) for name, member in fixed.items())
        )
    if isinstance(fixed, list):
        return (
            isinstance(value, list)
            and len(value) == len(fixed)
            and all(_same(ours, theirs) for ours, theirs in zip(value, fixed, strict=True))
        )
    return bool(value == fixed) and isinstance(value, bool) == isinstance(fixed, bool)


def _without_id(companion: Any) -> Any:
    if not isinstance(companion, dict) or "id" not in companion:
        return companion
    return {name: member for name, member in companion.items() if name != "id"} or None


def _contains(value: Any, pattern: Any) -> bool:
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and _contains(value[name], member) for name, member in pattern.items()
        )
    if isinstance(pattern, list):
        # "each element provided in the pattern[x] array must (recursively) match at least one element from the
        # instance array": one element may serve several.
        return isinstance(value, list) and all(any(_contains(one, wanted) for one in value) for wanted in pattern)
    return _same(value, pattern)
