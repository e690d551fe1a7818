"""What a row must satisfy, before it is known which road the statement takes.

A criterion knows how to be written as SQL about the row `r` of `resource`. Only `AnyToken` can also drive the statement
through the GIN index; the compiler decides which one does (docs/decisions/0003-storage.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bhr_api.store.sql import Binder, all_of, any_of


class Criterion(Protocol):
    """A condition on a row of `resource`, named by its alias."""

    def sql(self, row: str, binder: Binder) -> str:
        """The condition as a filter: it never lures the planner into the GIN index."""
        ...


@dataclass(frozen=True, slots=True)
class AnyToken:
    """The row carries at least one of `tokens`; `is_ordered` when these have postings too."""

    tokens: tuple[int, ...]
    is_ordered: bool = False

    def sql(self, row: str, binder: Binder) -> str:
        """As a filter: IS TRUE hides the operator from the index."""
        return f"({self.driving_sql(row, binder)}) IS TRUE"

    def driving_sql(self, row: str, binder: Binder) -> str:
        """As the condition by which the GIN index finds the rows."""
        operator = "@>" if len(self.tokens) == 1 else "&&"
        return f"{row}.tokens {operator} {binder.bind(list(self.tokens), 'bigint[]')}"


@dataclass(frozen=True, slots=True)
class OfPatient:
    """The row is in the record of one of `patients` (self_tokens)."""

    patients: tuple[int, ...]

    def sql(self, row: str, binder: Binder) -> str:
        """Equality with one patient, so that the index on (patient, date) also gives the order."""
        if len(self.patients) == 1:
            return f"{row}.patient = {binder.bind(self.patients[0], 'bigint')}"
        return f"{row}.patient = ANY({binder.bind(list(self.patients), 'bigint[]')})"


@dataclass(frozen=True, slots=True)
class Not:
    """The row does not satisfy `criterion`."""

    criterion: Criterion

    def sql(self, row: str, binder: Binder) -> str:
        """Negation; a condition that is unknown counts as not satisfied."""
        return f"({self.criterion.sql(row, binder)}) IS NOT TRUE"


@dataclass(frozen=True, slots=True)
class Either:
    """The row satisfies at least one of `criteria`."""

    criteria: Sequence[Criterion]

    def sql(self, row: str, binder: Binder) -> str:
        """Disjunction."""
        return any_of([criterion.sql(row, binder) for criterion in self.criteria])


@dataclass(frozen=True, slots=True)
class Both:
    """The row satisfies all of `criteria`."""

    criteria: Sequence[Criterion]

    def sql(self, row: str, binder: Binder) -> str:
        """Conjunction."""
        return f"({all_of([criterion.sql(row, binder) for criterion in self.criteria])})"


@dataclass(frozen=True, slots=True)
class Written:
    """A condition written by a search-parameter type: `write(row, binder)` gives the SQL."""

    write: Callable[[str, Binder], str]

    def sql(self, row: str, binder: Binder) -> str:
        """What the type wrote."""
        return self.write(row, binder)


NOTHING = Written(lambda _row, _binder: "FALSE")


def either(criteria: Sequence[Criterion]) -> Criterion:
    """The disjunction, with all tokens gathered into one AnyToken so that one array answers them."""
    tokens = [token for criterion in criteria if isinstance(criterion, AnyToken) for token in criterion.tokens]
    others: list[Criterion] = [criterion for criterion in criteria if not isinstance(criterion, AnyToken)]
    if tokens:
        ordered = all(criterion.is_ordered for criterion in criteria if isinstance(criterion, AnyToken))
        others.insert(0, AnyToken(tuple(dict.fromkeys(tokens)), ordered))
    if not others:
        return NOTHING
    return others[0] if len(others) == 1 else Either(others)
