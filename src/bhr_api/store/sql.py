"""SQL text with bound values: fragments are constants of this program, every value is a parameter."""

from typing import Any


class Binder:
    """Collects the values of one statement; `bind` gives back the placeholder to write.

    The same value bound twice under the same type takes one placeholder.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[tuple[str, Any], str] = {}
        self._aliases = 0

    def alias(self) -> str:
        """A name for one more row of a table, which no other has in the statement."""
        self._aliases += 1
        return f"x{self._aliases}"

    def bind(self, value: Any, sql_type: str) -> str:
        """`$n::sql_type` for `value`."""
        key = (sql_type, tuple(value) if isinstance(value, list) else value)
        place = self._places.get(key)
        if place is None:
            self.values.append(value)
            place = self._places[key] = f"${len(self.values)}::{sql_type}"
        return place


def hidden(condition: str) -> str:
    """The same condition as one that no index answers: a filter that does not lure the planner (docs/storage.md)."""
    return f"({condition}) IS TRUE"


def all_of(conditions: list[str]) -> str:
    """The conjunction of SQL conditions; TRUE when there are none."""
    return " AND ".join(conditions) if conditions else "TRUE"


def any_of(conditions: list[str]) -> str:
    """The disjunction of SQL conditions, in brackets; FALSE when there are none."""
    if not conditions:
        return "FALSE"
    return conditions[0] if len(conditions) == 1 else "(" + " OR ".join(conditions) + ")"
