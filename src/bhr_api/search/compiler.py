"""From a query to one SQL statement, on the road that this compiler chooses.

The planner's estimates are wrong by the number of tenants, since a tenant's keyed tokens are correlated with the tenant; so
the road is chosen here and written so that the planner has no other (docs/decisions/0003-storage.md). In this order: the
patients' records; the posting rows of a code; the GIN index by tokens that are not heavy; an index in the order of the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.search.criteria import (
    AnyToken,
    Criterion,
    Heavy,
    OfPatient,
    WithId,
    best_seeded,
    conditions,
    light_tokens,
)
from bhr_api.search.cursor import Position
from bhr_api.search.include import MAXIMUM_INCLUDED, reached_sql
from bhr_api.search.order import Order, SortKey
from bhr_api.search.query import SearchQuery
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types.date import OnMainDate
from bhr_api.search.visibility import Visibility
from bhr_api.store.sql import Binder, all_of

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
class Statement:
    """SQL with its values, and the road that it takes where one was chosen here."""

    sql: str
    values: list[object]
    road: Road | None = None


@dataclass(frozen=True, slots=True)
class _Road:
    """How rows are come by: the FROM clause, the conditions of the criteria in it, and the columns that order a page."""

    source: str
    conditions: list[str]
    keys: tuple[SortKey, ...]
    chosen: Road
    row_id: str = "r.row_id"


def compile_page(
    query: SearchQuery,
    visibility: Visibility,
    hasher: TokenHasher,
    heavy: Heavy,
    position: Position,
) -> Statement:
    """The statement for one page beyond `position`, one row more than a page to tell whether another follows.

    Its rows are (mode, resource_type, id, version, last_updated, patient, body, row_id, sort values as text); mode is match
    or include. `heavy` are the tenant's tokens that must not drive the statement.
    """
    binder = visibility.binder()
    matched, road = _matched(query, visibility, heavy, position, binder)
    return Statement(_whole_page(matched, query, visibility, hasher, binder), binder.values, road.chosen)


def compile_system_page(
    queries: Sequence[SearchQuery],
    visibility: Visibility,
    hasher: TokenHasher,
    heavy: Heavy,
    position: Position,
) -> Statement:
    """The same for a search of several types, whose `queries` differ by their types alone: a page of each, merged."""
    binder = visibility.binder()
    branches = [f"({_matched(query, visibility, heavy, position, binder)[0]})" for query in queries]
    keys = tuple(replace(key, expression=f"m.key{place}") for place, key in enumerate(queries[0].order))
    order = Order(keys, "m.row_id", position.backward)
    merged = f"SELECT * FROM ({' UNION ALL '.join(branches)}) AS m ORDER BY {order.sql()} LIMIT {queries[0].count + 1}"
    return Statement(_whole_page(merged, queries[0], visibility, hasher, binder), binder.values)


def _matched(
    query: SearchQuery, visibility: Visibility, heavy: Heavy, position: Position, binder: Binder
) -> tuple[str, _Road]:
    """SELECT of the rows of a page of one type, in its order, with the values that order them."""
    road = _merged_postings(query, visibility, position, binder) or _choose_road(query, visibility, binder, heavy)
    order = Order(road.keys, road.row_id, position.backward)
    values = ", ".join([f"({key.expression})::text" for key in road.keys])
    keys = "".join([f", {key.expression} AS key{place}" for place, key in enumerate(road.keys)])
    where = [*road.conditions, _walk_condition(order, position, binder)]
    sql = f"""
        SELECT r.resource_type, r.id, r.version, r.last_updated, r.patient, r.body, r.row_id, ARRAY[{values}]::text[] AS sort,
            r.tokens, r.self_token{keys}
        FROM {road.source}
        WHERE {all_of(where)}
        ORDER BY {order.sql()} LIMIT {query.count + 1}
    """
    return sql, road


def _whole_page(matched: str, query: SearchQuery, visibility: Visibility, hasher: TokenHasher, binder: Binder) -> str:
    """The rows of `matched`, with what they include."""
    columns = "resource_type, id, version, last_updated, patient, body, row_id"
    if not query.includes:
        return f"SELECT 'match' AS mode, {columns}, sort FROM ({matched}) AS matched"
    return f"""
        WITH RECURSIVE matched AS MATERIALIZED ({matched}),
        page AS MATERIALIZED (SELECT * FROM matched LIMIT {query.count}),
        {reached_sql(query.includes, visibility, hasher, binder)},
        included AS (
            SELECT DISTINCT resource_type, row_id FROM reached
            WHERE depth > 0 AND row_id NOT IN (SELECT row_id FROM page) LIMIT {MAXIMUM_INCLUDED + 1}
        )
        SELECT 'match' AS mode, {columns}, sort FROM matched
        UNION ALL
        SELECT 'include', r.resource_type, r.id, r.version, r.last_updated, r.patient, r.body, r.row_id, NULL
        FROM included JOIN resource r ON r.tenant = $1 AND r.resource_type = included.resource_type
            AND r.row_id = included.row_id
    """


def compile_count(
    query: SearchQuery, visibility: Visibility, heavy: Heavy, position: Position, limit: int | None = None
) -> Statement:
    """The statement that counts the matches of the walk that the caller may see, up to `limit` if there is one."""
    binder = visibility.binder()
    road = _only_postings(query, visibility, binder) or _choose_road(query, visibility, binder, heavy)
    where = list(road.conditions)
    if position.row_id != 0:
        where.append(f"{road.row_id} <= {binder.bind(position.bound, 'bigint')}")
    matched = f"FROM {road.source} WHERE {all_of(where)}"
    sql = (
        f"SELECT count(*) {matched}"
        if limit is None
        else f"SELECT count(*) FROM (SELECT 1 {matched} LIMIT {limit}) AS m"
    )
    return Statement(sql, binder.values, road.chosen)


def compile_match(query: SearchQuery, visibility: Visibility, heavy: Heavy, limit: int) -> Statement:
    """The statement for a conditional interaction: (id, version) of up to `limit` matches."""
    binder = visibility.binder()
    road = _choose_road(query, visibility, binder, heavy)
    sql = f"SELECT r.id, r.version FROM {road.source} WHERE {all_of(road.conditions)} LIMIT {limit}"
    return Statement(sql, binder.values, road.chosen)


def _walk_condition(order: Order, position: Position, binder: Binder) -> str:
    """Rows beyond the last page's last one, and none that were made after the walk began (DESIGN promise 3).

    The first page shows all that was committed when its statement began: a bound, which is a moment of the server's clock,
    could show some rows of a transaction and not the others.
    """
    if position.row_id == 0:
        return "TRUE"
    not_newer = f"{order.row_id} <= {binder.bind(position.bound, 'bigint')}"
    return f"{order.after(position.values, position.row_id, binder)} AND {not_newer}"


def _only_postings(query: SearchQuery, visibility: Visibility, binder: Binder) -> _Road | None:
    """Where a posting is all that there is to know about a match: one row for each, in one range of their index."""
    if len(query.criteria) != 1 or not visibility.is_tenant_wide(query.resource_type, "s"):
        return None
    criterion = query.criteria[0]
    if not _has_postings(criterion, 1):
        return None
    chosen = Road("postings", (criterion,))
    return _Road(f"({_posting(criterion.tokens[0], binder)}) AS p", [], (), chosen, "p.row_id")


def _merged_postings(query: SearchQuery, visibility: Visibility, position: Position, binder: Binder) -> _Road | None:
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
    beyond = _walk_condition(order, position, binder)
    walks = [
        f"(SELECT p.*, {binder.bind(list(criterion.tokens[:place]), 'bigint[]')} AS earlier"
        f" FROM ({_posting(token, binder)}) AS p WHERE {beyond} ORDER BY {order.sql()} LIMIT {query.count + 1})"
        for place, token in enumerate(criterion.tokens)
    ]
    number = RESOURCE_TYPE_NUMBERS[query.resource_type]
    source = f"({' UNION ALL '.join(walks)}) AS p {_POSTED_ROW} AND r.resource_type = {number}"
    chosen = Road("postings", (criterion,))
    return _Road(source, ["(r.tokens && p.earlier) IS NOT TRUE"], keys, chosen, "p.row_id")


def _choose_road(query: SearchQuery, visibility: Visibility, binder: Binder, heavy: Heavy) -> _Road:
    number = RESOURCE_TYPE_NUMBERS[query.resource_type]
    visible = [visibility.of_type(query.resource_type, "s", "r", binder), f"r.resource_type = {number}"]
    if _is_within_patients(query, visibility):
        filters = [criterion.sql("r", binder) for criterion in query.criteria]
        named = tuple(criterion for criterion in query.criteria if isinstance(criterion, OfPatient))
        return _Road("resource r", [*visible, *filters], query.order, Road("record", named))
    posted = _posted(query, heavy)
    if posted is not None:
        rest = [criterion.sql("r", binder) for criterion in query.criteria if criterion is not posted]
        bounds = [
            criterion.start_bounds("p.date_start", binder)
            for criterion in query.criteria
            if isinstance(criterion, OnMainDate)
        ]
        source = f"({_posting(posted.tokens[0], binder)}) AS p {_POSTED_ROW} AND r.resource_type = {number}"
        return _Road(source, [*bounds, *visible, *rest], _posting_keys(query), Road("postings", (posted,)), "p.row_id")
    written = conditions(query.criteria, "r", binder, heavy)
    return _Road("resource r", [*visible, *written], query.order, _searched(query.criteria, heavy))


def _searched(criteria: Sequence[Criterion], heavy: Heavy) -> Road:
    """The road of `conditions`."""
    light = light_tokens(criteria, heavy)
    if light:
        return Road("tokens", tuple(light))
    seeded = best_seeded(criteria, heavy)
    if seeded:
        return Road("index", tuple(seeded))
    named = tuple(criterion for criterion in criteria if isinstance(criterion, WithId))
    return Road("id", named) if named else Road("order")


def _is_within_patients(query: SearchQuery, visibility: Visibility) -> bool:
    confined = not visibility.is_tenant_wide(query.resource_type, "s")
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
