"""What a row must satisfy, before it is known which road the statement takes.

A criterion knows how to be written as SQL about a row of `resource`: as a filter, which never drives the statement, and, where
an index can find its rows, as what drives it. `conditions` and the compiler decide which one does
(docs/decisions/0003-storage.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bhr_api.store.sql import Binder, all_of, any_of, hidden

Heavy = frozenset[int]
"""Tokens of so many rows that they must not drive a statement."""

FEW = 64
"""Rows to begin from where each has to be followed to others: beyond it, walking the page's order meets a match sooner."""


def at_most_few(select: str) -> str:
    """The condition that `select` has at most `FEW` rows, of which no more are counted."""
    return f"(SELECT count(*) FROM ({select} LIMIT {FEW + 1}) AS few) <= {FEW}"


def among(row: str, seeds: Sequence[str], *, is_fixed: bool) -> str:
    """The condition that the row is one of `seeds`.

    `is_fixed`: they are looked up first, and then the rows by them; else the planner may walk the rows and ask for each.
    """
    select = " UNION ALL ".join(seeds)
    return f"{row}.row_id = ANY(ARRAY({select}))" if is_fixed else f"{row}.row_id IN ({select})"


class Criterion:
    """A condition on a row of `resource`, named by its alias. One without an index is a filter only."""

    __slots__ = ()

    def sql(self, row: str, binder: Binder) -> str:
        """The condition as a filter: it never lures the planner into an index."""
        raise NotImplementedError

    def has_seeds(self, heavy: Heavy) -> bool:
        """Whether an index gives the row_ids among which is every row that satisfies it."""
        return False

    def is_narrow(self, heavy: Heavy) -> bool:
        """Whether few rows of a tenant are expected to satisfy it, and its index finds them."""
        return False

    def seeds(self, binder: Binder, heavy: Heavy) -> list[str]:
        """SELECTs of these row_ids, in any order and perhaps repeatedly, where `has_seeds`."""
        raise NotImplementedError

    def driving_sql(self, row: str, binder: Binder, heavy: Heavy) -> str:
        """The condition as the one by which the planner may find the rows, where `has_seeds`."""
        return f"{among(row, self.seeds(binder, heavy), is_fixed=self.is_narrow(heavy))} AND {self.sql(row, binder)}"


@dataclass(frozen=True, slots=True)
class AnyToken(Criterion):
    """The row carries at least one of `tokens`; `is_ordered` when these have postings too."""

    tokens: tuple[int, ...]
    is_ordered: bool = False

    def sql(self, row: str, binder: Binder) -> str:
        """As a filter: the operator is hidden from the index."""
        return hidden(self._carries(row, binder))

    def has_seeds(self, heavy: Heavy) -> bool:
        """The GIN index gives the rows of tokens that are not heavy."""
        return not heavy.intersection(self.tokens)

    def is_narrow(self, heavy: Heavy) -> bool:
        """What is not heavy is narrow."""
        return self.has_seeds(heavy)

    def seeds(self, binder: Binder, heavy: Heavy) -> list[str]:
        """The rows of the tokens, which are of one type and parameter."""
        return [f"SELECT g.row_id FROM resource g WHERE {hidden('g.tenant = $1')} AND {self._carries('g', binder)}"]

    def few(self, binder: Binder, heavy: Heavy) -> str:
        """Whether there are at most `FEW` of these rows, as a condition that is decided once."""
        return at_most_few(f"SELECT FROM resource g WHERE {hidden('g.tenant = $1')} AND {self._carries('g', binder)}")

    def driving_sql(self, row: str, binder: Binder, heavy: Heavy) -> str:
        """The operator by itself."""
        return self._carries(row, binder)

    def _carries(self, row: str, binder: Binder) -> str:
        operator = "@>" if len(self.tokens) == 1 else "&&"
        return f"{row}.tokens {operator} {binder.bind(list(self.tokens), 'bigint[]')}"


@dataclass(frozen=True, slots=True)
class OfPatient(Criterion):
    """The row is in the record of one of `patients` (self_tokens). Its index serves the plain condition."""

    patients: tuple[int, ...]

    def sql(self, row: str, binder: Binder) -> str:
        """Equality with one patient, so that the index on (patient, date) also gives the order."""
        if len(self.patients) == 1:
            return f"{row}.patient = {binder.bind(self.patients[0], 'bigint')}"
        return f"{row}.patient = ANY({binder.bind(list(self.patients), 'bigint[]')})"

    def is_narrow(self, heavy: Heavy) -> bool:
        """A record is small."""
        return True


@dataclass(frozen=True, slots=True)
class WithId(Criterion):
    """The row has one of `ids`. The primary key serves the plain condition."""

    ids: tuple[str, ...]

    def sql(self, row: str, binder: Binder) -> str:
        """Membership in the list."""
        return f"{row}.id = ANY({binder.bind(list(self.ids), 'text[]')})"

    def is_narrow(self, heavy: Heavy) -> bool:
        """One row for each."""
        return True


@dataclass(frozen=True, slots=True)
class InIndex(Criterion):
    """The row has an entry of a parameter in one of the index tables that is as any of `where` asks.

    Each of `where` writes SQL about the alias `i` of `table`. `is_selective`: few rows of a tenant are expected.
    """

    table: str
    resource_type: int
    parameter: int
    where: tuple[Callable[[Binder], str], ...]
    is_selective: bool = False

    def sql(self, row: str, binder: Binder) -> str:
        """As a filter: one probe a row. OFFSET 0 keeps the planner from making a join or a hash of the whole index of it."""
        conditions = any_of([write(binder) for write in self.where])
        return (
            f"EXISTS (SELECT FROM {self.table} i WHERE i.tenant = $1 AND i.row_id = {row}.row_id"
            f" AND i.parameter = {self.parameter} AND {conditions} OFFSET 0)"
        )

    def has_seeds(self, heavy: Heavy) -> bool:
        """Its table is an index."""
        return True

    def is_narrow(self, heavy: Heavy) -> bool:
        """As it was made."""
        return self.is_selective

    def seeds(self, binder: Binder, heavy: Heavy) -> list[str]:
        """One range of the index for each alternative."""
        return [
            f"SELECT i.row_id FROM {self.table} i WHERE i.tenant = $1 AND i.resource_type = {self.resource_type}"
            f" AND i.parameter = {self.parameter} AND {write(binder)}"
            for write in self.where
        ]

    def driving_sql(self, row: str, binder: Binder, heavy: Heavy) -> str:
        """The index says all that there is to know."""
        return among(row, self.seeds(binder, heavy), is_fixed=self.is_narrow(heavy))


@dataclass(frozen=True, slots=True)
class Not(Criterion):
    """The row does not satisfy `criterion`."""

    criterion: Criterion

    def sql(self, row: str, binder: Binder) -> str:
        """Negation; a condition that is unknown counts as not satisfied."""
        return f"({self.criterion.sql(row, binder)}) IS NOT TRUE"


@dataclass(frozen=True, slots=True)
class Either(Criterion):
    """The row satisfies at least one of `criteria`."""

    criteria: Sequence[Criterion]

    def sql(self, row: str, binder: Binder) -> str:
        """Disjunction."""
        return any_of([criterion.sql(row, binder) for criterion in self.criteria])

    def has_seeds(self, heavy: Heavy) -> bool:
        """Every alternative must have them."""
        return all(criterion.has_seeds(heavy) for criterion in self.criteria)

    def is_narrow(self, heavy: Heavy) -> bool:
        """Every alternative must be narrow."""
        return self.has_seeds(heavy) and all(criterion.is_narrow(heavy) for criterion in self.criteria)

    def seeds(self, binder: Binder, heavy: Heavy) -> list[str]:
        """Those of all alternatives."""
        return [select for criterion in self.criteria for select in criterion.seeds(binder, heavy)]


@dataclass(frozen=True, slots=True)
class Both(Criterion):
    """The row satisfies all of `criteria`."""

    criteria: Sequence[Criterion]

    def sql(self, row: str, binder: Binder) -> str:
        """Conjunction."""
        return f"({all_of([criterion.sql(row, binder) for criterion in self.criteria])})"

    def has_seeds(self, heavy: Heavy) -> bool:
        """Those of one part are enough."""
        return any(criterion.has_seeds(heavy) for criterion in self.criteria)

    def is_narrow(self, heavy: Heavy) -> bool:
        """So is the narrowness of the part whose seeds are taken."""
        return self.has_seeds(heavy) and self._best(heavy).is_narrow(heavy)

    def seeds(self, binder: Binder, heavy: Heavy) -> list[str]:
        """Those of the best part."""
        return self._best(heavy).seeds(binder, heavy)

    def _best(self, heavy: Heavy) -> Criterion:
        return best_seeded(self.criteria, heavy)[0]


@dataclass(frozen=True, slots=True)
class FilterOnly(Criterion):
    """What `criterion` says, kept from driving a statement."""

    criterion: Criterion

    def sql(self, row: str, binder: Binder) -> str:
        """The same filter."""
        return self.criterion.sql(row, binder)


@dataclass(frozen=True, slots=True)
class Written(Criterion):
    """A condition written by a search-parameter type: `write(row, binder)` gives the SQL."""

    write: Callable[[str, Binder], str]

    def sql(self, row: str, binder: Binder) -> str:
        """What the type wrote."""
        return self.write(row, binder)


EVERYTHING = Written(lambda _row, _binder: "TRUE")
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
            place = criterion.table, criterion.resource_type, criterion.parameter, criterion.is_selective
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


def light_tokens(criteria: Sequence[Criterion], heavy: Heavy) -> list[AnyToken]:
    """The token criteria that the GIN index may find the rows by."""
    return [criterion for criterion in criteria if isinstance(criterion, AnyToken) and criterion.has_seeds(heavy)]


def best_seeded(criteria: Sequence[Criterion], heavy: Heavy) -> list[Criterion]:
    """The one criterion, if any, whose index may find the rows: a narrow one rather than another."""
    seeded = [criterion for criterion in criteria if criterion.has_seeds(heavy)]
    return ([criterion for criterion in seeded if criterion.is_narrow(heavy)] or seeded)[:1]


def drivers(criteria: Sequence[Criterion], heavy: Heavy) -> list[Criterion]:
    """The criteria whose indexes find the rows; none where the rows are named by their ids."""
    if any(isinstance(criterion, WithId) for criterion in criteria):
        return []
    return [*light_tokens(criteria, heavy)] or best_seeded(criteria, heavy)


def conditions(criteria: Sequence[Criterion], row: str, binder: Binder, heavy: Heavy) -> list[str]:
    """The conditions of all `criteria`: the best of them find the rows, the others filter."""
    driving = drivers(criteria, heavy)
    return [
        criterion.driving_sql(row, binder, heavy) if criterion in driving else criterion.sql(row, binder)
        for criterion in criteria
    ]


def are_tokens(driving: Sequence[Criterion]) -> bool:
    """Whether the GIN index finds the rows.

    It has them of one tenant and type, since the tokens are keyed by both. Conditions on these go without saying, and plain
    they would lure the planner into reading another index of the whole type besides: they are to be hidden.
    """
    return any(isinstance(criterion, AnyToken) for criterion in driving)
