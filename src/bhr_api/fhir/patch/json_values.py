"""JSON values as patches treat them: copied, compared and measured (RFC 6902 §4.6; RFC 8259)."""

from decimal import Decimal
from typing import Any


def copied(value: Any) -> Any:
    """The same value in objects and arrays of its own; texts and numbers, which nothing changes, are shared."""
    if isinstance(value, dict):
        return {name: copied(content) for name, content in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def same_json(left: Any, right: Any) -> bool:
    """Whether two values are equal as RFC 6902 §4.6 has it: numbers by their amount, and true is not 1."""
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(same_json(content, right[name]) for name, content in left.items())
        )
    if isinstance(left, list):
        return (
            isinstance(right, list)
            and len(left) == len(right)
            and all(same_json(mine, other) for mine, other in zip(left, right, strict=True))
        )
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    return type(left) is type(right) and bool(left == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def is_deeper(value: Any, levels: int) -> bool:
    """Whether objects and arrays nest in each other more than `levels` times; never recurses deeper than that."""
    if isinstance(value, dict):
        return levels < 1 or any(is_deeper(content, levels - 1) for content in value.values())
    if isinstance(value, list):
        return levels < 1 or any(is_deeper(item, levels - 1) for item in value)
    return False
