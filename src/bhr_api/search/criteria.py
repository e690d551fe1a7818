"""What a row must satisfy, before it is known which road the statement takes.

A criterion knows how to be written as SQL about the row `r` of `resource`, as a filter that never drives the statement. What
can also find the rows says so: `AnyToken` through the GIN index, `InIndex` by `seeds`; the compiler decides which one does
(docs/decisions/0003-storage.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
class InIndex:
    """The row has an entry of a parameter in one of the index tables that is as any of `where` asks.

    Each of `where` writes SQL about the alias `i` of `table`. `is_narrow`: few rows of a tenant are expected.
    """

    table: str
    resource_type: int
    parameter: int
    where: tuple[Callable[[Binder], str], ...]
    is_narrow: bool = False

    def sql(self, row: str, binder: Binder) -> str:
        """As a filter: one probe a row. OFFSET 0 keeps the planner from making a join or a hash of the whole index of it."""
        conditions = any_of([write(binder) for write in self.where])
        return (
            f"EXISTS (SELECT FROM {self.table} i WHERE i.tenant = $1 AND i.row_id = {row}.row_id"
            f" AND i.parameter = {self.parameter} AND {conditions} OFFSET 0)"
        )

    def seeds(self, binder: Binder) -> list[str]:
        """SELECTs that together give the row_ids of the rows, in any order and perhaps repeatedly."""
        return [
            f"SELECT i.row_id FROM {self.table} i WHERE i.tenant = $1 AND i.resource_type = {self.resource_type}"
            f" AND i.parameter = {self.parameter} AND {write(binder)}"
            for write in self.where
        ]


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
    """The disjunction, with what one array or one index answers gathered into one criterion."""
    tokens = [criterion for criterion in criteria if isinstance(criterion, AnyToken)]
    indexed: dict[tuple[str, int, int, bool], InIndex] = {}
    others: list[Criterion] = []
    if tokens:
        values = dict.fromkeys(token for criterion in tokens for token in criterion.tokens)
        others.append(AnyToken(tuple(values), all(criterion.is_ordered for criterion in tokens)))
    for criterion in criteria:
        if isinstance(criterion, InIndex):
            place = criterion.table, criterion.resource_type, criterion.parameter, criterion.is_narrow
            before = indexed.get(place)
            indexed[place] = replace(criterion, where=before.where + criterion.where) if before else criterion
        elif not isinstance(criterion, AnyToken):
            others.append(criterion)
    others += indexed.values()
    if not others:
        return NOTHING
    return others[0] if len(others) == 1 else Either(others)


def conjuncts(criterion: Criterion) -> Sequence[Criterion]:
    """The parts that must all be satisfied."""
    return criterion.criteria if isinstance(criterion, Both) else (criterion,)


def has_seeds(criterion: Criterion) -> bool:
    """Whether an index gives the row_ids among which is every row that satisfies `criterion`."""
    match criterion:
        case InIndex():
            return True
        case Both():
            return any(has_seeds(part) for part in criterion.criteria)
        case Either():
            return all(has_seeds(part) for part in criterion.criteria)
        case _:
            return False


def seeds(criterion: Criterion, binder: Binder) -> list[str]:
    """SELECTs of these row_ids, for a criterion that has them."""
    match criterion:
        case InIndex():
            return criterion.seeds(binder)
        case Both():
            return seeds(next(part for part in criterion.criteria if has_seeds(part)), binder)
        case Either():
            return [select for part in criterion.criteria for select in seeds(part, binder)]
        case _:
            raise TypeError(f"{type(criterion).__name__} has no seeds")
