"""The roads of a search: which index finds its rows, and how the statement is written so that the planner has no other.

The planner's estimates are wrong by the number of tenants, since a tenant's keyed tokens are correlated with the tenant; so
the road is chosen here (docs/decisions/0003-storage.md). In this order: the patients' records; the posting rows of a code;
the GIN index by tokens that are not heavy; one criterion with an index of its own; an index in the order of the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.search.chain import hops_of
from bhr_api.search.criteria import (
    AnyToken,
    Criterion,
    Either,
    FilterOnly,
    Heavy,
    Not,
    OfPatient,
    WithId,
    are_tokens,
    conditions,
    drivers,
)
from bhr_api.search.cursor import Position
from bhr_api.search.order import Order, SortKey
from bhr_api.search.query import SearchQuery
from bhr_api.search.types.date import OnMainDate
from bhr_api.search.visibility import Visibility
from bhr_api.store.sql import Binder, all_of, hidden

# The walks of so many postings are merged; more values than that find the rows by the GIN index.
_MERGED = 16
_POSTED_ROW = "JOIN resource r ON r.tenant = $1 AND r.row_id = p.row_id"


RoadName = Literal["record", "postings", "tokens", "index", "id", "order"]


@dataclass(frozen=True, slots=True)
class Road:
    """Which of the roads of docs/storage.md a statement takes, and the criteria by which it finds the rows."""

    name: RoadName
    driving: tuple[Criterion, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """How rows are come by: the FROM clause, the conditions of the criteria in it, and the columns that order a page."""

    source: str
    conditions: list[str]
    keys: tuple[SortKey, ...]
    chosen: Road
    row_id: str = "r.row_id"
    given: str = ""

    def only_if(self, condition: str, given: str) -> "Way":
        """The way, open where `condition` holds, which asks the table that `given` defines for the WITH clause."""
        return replace(self, conditions=[condition, *self.conditions], given=given)


def walk_condition(order: Order, position: Position, binder: Binder) -> str:
    """Rows beyond the last page's last one, and none that were made after the walk began (DESIGN promise 3).

    The first page shows all that was committed when its statement began: a bound, which is a moment of the server's clock,
    could show some rows of a transaction and not the others.
    """
    if position.row_id == 0:
        return "TRUE"
    not_newer = f"{order.row_id} <= {binder.bind(position.bound, 'bigint')}"
    return f"{order.after(position.values, position.row_id, binder)} AND {not_newer}"


def only_postings(query: SearchQuery, visibility: Visibility, binder: Binder) -> Way | None:
    """Where a posting is all that there is to know about a match: one row for each, in one range of their index."""
    if len(query.criteria) != 1 or not visibility.is_tenant_wide(query.resource_type, "s"):
        return None
    criterion = query.criteria[0]
    if not _has_postings(criterion, 1):
        return None
    chosen = Road("postings", (criterion,))
    return Way(f"({_posting(criterion.tokens[0], binder)}) AS p", [], (), chosen, "p.row_id")


def _merged_postings(query: SearchQuery, visibility: Visibility, position: Position, binder: Binder) -> Way | None:
    """Where a search asks for several values of an ordered parameter and no more: the beginnings of their walks together.

    A row that carries several of the values counts in the first of these walks, so a page's worth of each is enough.
    """
    if (
        len(query.criteria) != 1
        or not visibility.is_tenant_wide(query.resource_type, "s")
        or not _is_posting_order(query)
    ):
        return None
    criterion = query.criteria[0]
    if not _has_postings(criterion, _MERGED):
        return None
    keys = _posting_keys(query)
    order = Order(keys, "p.row_id", position.backward)
    beyond = walk_condition(order, position, binder)
    walks = [
        f"(SELECT p.*, {binder.bind(list(criterion.tokens[:place]), 'bigint[]')} AS earlier"
        f" FROM ({_posting(token, binder)}) AS p WHERE {beyond} ORDER BY {order.sql()} LIMIT {query.count + 1})"
        for place, token in enumerate(criterion.tokens)
    ]
    number = RESOURCE_TYPE_NUMBERS[query.resource_type]
    source = f"({' UNION ALL '.join(walks)}) AS p {_POSTED_ROW} AND r.resource_type = {number}"
    chosen = Road("postings", (criterion,))
    return Way(source, ["(r.tokens && p.earlier) IS NOT TRUE"], keys, chosen, "p.row_id")


def choose_road(query: SearchQuery, visibility: Visibility, binder: Binder, heavy: Heavy) -> Way:
    """The one way to all rows that the query is about, in any order."""
    number = RESOURCE_TYPE_NUMBERS[query.resource_type]
    visible = [visibility.of_type(query.resource_type, "s", "r", binder), f"r.resource_type = {number}"]
    if _is_within_patients(query, visibility):
        filters = [criterion.sql("r", binder) for criterion in query.criteria]
        named = tuple(criterion for criterion in query.criteria if isinstance(criterion, OfPatient))
        return Way("resource r", [*visible, *filters], query.order, Road("record", named))
    posted = _posted(query, heavy)
    if posted is not None:
        # The row is come to by its number; a period, plain, would lure the planner into joining the whole of it.
        rest = [hidden(criterion.sql("r", binder)) for criterion in query.criteria if criterion is not posted]
        bounds = [
            criterion.start_bounds("p.date_start", binder)
            for criterion in query.criteria
            if isinstance(criterion, OnMainDate)
        ]
        source = f"({_posting(posted.tokens[0], binder)}) AS p {_POSTED_ROW} AND r.resource_type = {number}"
        return Way(source, [*bounds, *visible, *rest], _posting_keys(query), Road("postings", (posted,)), "p.row_id")
    driving = drivers(query.criteria, heavy)
    if are_tokens(driving):
        visible = [hidden(all_of(visible))]
    written = conditions(query.criteria, "r", binder, heavy)
    return Way("resource r", [*visible, *written], query.order, _searched(query.criteria, driving))


def ways_of(query: SearchQuery, visibility: Visibility, heavy: Heavy, position: Position, binder: Binder) -> list[Way]:
    """The ways to the rows of a page, which are merged; of two, each begins with a condition that shuts one of them.

    Where a search leads to other rows, it depends on how many there are whether it is better to begin from them: a walk
    in the page's order asks each row that it meets. They are counted, as far as `FEW`, when the statement runs.
    """
    merged = _merged_postings(query, visibility, position, binder)
    if merged is not None:
        return [merged]
    in_record = ways_by_record(query, visibility, heavy, binder)
    if in_record:
        return in_record
    driver = None if _is_within_patients(query, visibility) else _uncertain(query.criteria, heavy)
    if driver is None:
        return [choose_road(query, visibility, binder, heavy)]
    parts = [driver] if isinstance(driver, AnyToken) else hops_of(driver)
    few = binder.alias()
    given = f"{few} (holds) AS MATERIALIZED (SELECT {all_of([part.few(binder, heavy) for part in parts])})"
    from_few = [one if one is driver else FilterOnly(one) for one in query.criteria]
    # A code may still be walked by its postings.
    known = heavy.union(*(one.tokens for one in query.criteria if isinstance(one, AnyToken)))
    from_all = [FilterOnly(one) if hops_of(one) else one for one in query.criteria]
    return [
        choose_road(replace(query, criteria=from_few, sort=query.order), visibility, binder, heavy).only_if(
            f"(SELECT holds FROM {few})", given
        ),
        choose_road(replace(query, criteria=from_all, sort=query.order), visibility, binder, known).only_if(
            f"NOT (SELECT holds FROM {few})", given
        ),
    ]


def ways_by_record(query: SearchQuery, visibility: Visibility, heavy: Heavy, binder: Binder) -> list[Way]:
    """Where a record is an alternative to tokens, as in a compartment: the way by each, no row by both; else none.

    FHIR R4, compartmentdefinition-patient.html: what is in a compartment refers to the patient by one of several parameters.
    """
    if _is_within_patients(query, visibility):
        return []
    for criterion in query.criteria:
        record, tokens = _record_or_tokens(criterion, heavy)
        if record is not None and tokens is not None:
            others = [other for other in query.criteria if other is not criterion]
            alternatives = [record], [tokens, Not(record)]
            return [
                choose_road(replace(query, criteria=[*others, *one], sort=query.order), visibility, binder, heavy)
                for one in alternatives
            ]
    return []


def _record_or_tokens(criterion: Criterion, heavy: Heavy) -> tuple[OfPatient | None, AnyToken | None]:
    """The two alternatives that `criterion` consists of, where either is narrow."""
    parts = criterion.criteria if isinstance(criterion, Either) else ()
    if len(parts) != 2 or not all(part.is_narrow(heavy) for part in parts):
        return None, None
    record = next((part for part in parts if isinstance(part, OfPatient)), None)
    return record, next((part for part in parts if isinstance(part, AnyToken)), None)


def _uncertain(criteria: Sequence[Criterion], heavy: Heavy) -> Criterion | None:
    """What a search that leads to other rows would begin from."""
    if not any(hops_of(one) for one in criteria) or any(isinstance(one, WithId) for one in criteria):
        return None
    seeded = [one for one in criteria if (hops_of(one) or isinstance(one, AnyToken)) and one.has_seeds(heavy)]
    # A code need not be begun from: where it is not, its postings are walked.
    tokens = [one for one in seeded if isinstance(one, AnyToken) and not one.is_ordered]
    return next(iter([*tokens, *(one for one in seeded if hops_of(one)), *seeded]), None)


def _searched(criteria: Sequence[Criterion], driving: Sequence[Criterion]) -> Road:
    """The road of `conditions`."""
    if driving:
        return Road("tokens" if isinstance(driving[0], AnyToken) else "index", tuple(driving))
    named = tuple(criterion for criterion in criteria if isinstance(criterion, WithId))
    return Road("id", named) if named else Road("order")


def _is_within_patients(query: SearchQuery, visibility: Visibility) -> bool:
    confined = visibility.is_of_one_patient(query.resource_type, "s")
    return confined or any(isinstance(criterion, OfPatient) for criterion in query.criteria)


def _posted(query: SearchQuery, heavy: Heavy) -> AnyToken | None:
    """The criterion to walk by postings: one value of an ordered parameter, unless another one narrows more."""
    if not _is_posting_order(query):
        return None
    for criterion in query.criteria:
        others = [other for other in query.criteria if other is not criterion]
        if _has_postings(criterion, 1) and not any(other.is_narrow(heavy) for other in others):
            return criterion
    return None


def _has_postings(criterion: Criterion, values: int) -> TypeGuard[AnyToken]:
    """Whether `criterion` asks for up to so many values of an ordered parameter."""
    return isinstance(criterion, AnyToken) and criterion.is_ordered and len(criterion.tokens) <= values


def _is_posting_order(query: SearchQuery) -> bool:
    order = query.order
    return not order or (len(order) == 1 and order[0].expression == "r.date_start")


def _posting_keys(query: SearchQuery) -> tuple[SortKey, ...]:
    return tuple(replace(key, expression="p.date_start") for key in query.order)


def _posting(token: int, binder: Binder) -> str:
    return f"SELECT row_id, date_start FROM posting WHERE tenant = $1 AND token = {binder.bind(token, 'bigint')}"
