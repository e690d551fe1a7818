"""From a query to one SQL statement, on the road that this compiler chooses.

The planner's estimates are wrong by the number of tenants, since a tenant's keyed tokens are correlated with the tenant; so
the road is chosen here and written so that the planner has no other (docs/decisions/0003-storage.md). In this order: the
patients' records; the posting rows of a code; the GIN index by tokens that are not heavy; an index in the order of the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.search.criteria import AnyToken, Criterion, OfPatient
from bhr_api.search.cursor import Position
from bhr_api.search.include import MAXIMUM_INCLUDED, reached_sql
from bhr_api.search.order import SortKey, after, order_by
from bhr_api.search.query import SearchQuery
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.visibility import Visibility
from bhr_api.store.sql import Binder, all_of


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its values."""

    sql: str
    values: list[object]


@dataclass(frozen=True, slots=True)
class _Road:
    """How rows are come by: the FROM clause, the conditions of the criteria in it, and the columns that order a page."""

    source: str
    conditions: list[str]
    keys: tuple[SortKey, ...]
    row_id: str = "r.row_id"


def compile_page(
    query: SearchQuery,
    visibility: Visibility,
    hasher: TokenHasher,
    heavy: frozenset[int],
    position: Position,
) -> Statement:
    """The statement for one page after `position`, one row more than a page to tell whether another follows.

    Its rows are (mode, resource_type, id, version, last_updated, patient, body, row_id, sort values as text); mode is match
    or include. `heavy` are the tenant's tokens that must not drive the statement.
    """
    binder = visibility.binder()
    road = _choose_road(query, visibility, binder, heavy)
    values = ", ".join([f"({key.expression})::text" for key in road.keys])
    conditions = [*road.conditions, _walk_condition(road, position, binder)]
    matched = f"""
        SELECT r.resource_type, r.id, r.version, r.last_updated, r.patient, r.body, r.row_id, ARRAY[{values}]::text[] AS sort,
            r.tokens, r.self_token
        FROM {road.source}
        WHERE {all_of(conditions)}
        ORDER BY {order_by(road.keys, road.row_id)} LIMIT {query.count + 1}
    """
    columns = "resource_type, id, version, last_updated, patient, body, row_id"
    if not query.includes:
        sql = f"SELECT 'match' AS mode, {columns}, sort FROM ({matched}) AS matched"
        return Statement(sql, binder.values)
    sql = f"""
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
    return Statement(sql, binder.values)


def compile_count(
    query: SearchQuery, visibility: Visibility, heavy: frozenset[int], bound: int, limit: int | None = None
) -> Statement:
    """The statement that counts the matches that the caller may see, up to `limit` if there is one."""
    binder = visibility.binder()
    road = _choose_road(query, visibility, binder, heavy)
    conditions = [*road.conditions, f"r.row_id <= {binder.bind(bound, 'bigint')}"]
    matched = f"FROM {road.source} WHERE {all_of(conditions)}"
    sql = (
        f"SELECT count(*) {matched}"
        if limit is None
        else f"SELECT count(*) FROM (SELECT 1 {matched} LIMIT {limit}) AS m"
    )
    return Statement(sql, binder.values)


def compile_match(query: SearchQuery, visibility: Visibility, heavy: frozenset[int], limit: int) -> Statement:
    """The statement for a conditional interaction: (id, version) of up to `limit` matches."""
    binder = visibility.binder()
    road = _choose_road(query, visibility, binder, heavy)
    sql = f"SELECT r.id, r.version FROM {road.source} WHERE {all_of(road.conditions)} LIMIT {limit}"
    return Statement(sql, binder.values)


def _walk_condition(road: _Road, position: Position, binder: Binder) -> str:
    """Rows after the last page's last one, and none that were made after the walk began (DESIGN promise 3)."""
    not_newer = f"{road.row_id} <= {binder.bind(position.bound, 'bigint')}"
    if position.row_id == 0:
        return not_newer
    return f"{after(road.keys, road.row_id, position.values, position.row_id, binder)} AND {not_newer}"


def _choose_road(query: SearchQuery, visibility: Visibility, binder: Binder, heavy: frozenset[int]) -> _Road:
    number = RESOURCE_TYPE_NUMBERS[query.resource_type]
    visible = visibility.of_type(query.resource_type, "s", "r", binder)
    conditions = [visible, f"r.resource_type = {number}"]
    tokens = [criterion for criterion in query.criteria if isinstance(criterion, AnyToken)]
    light = [criterion for criterion in tokens if not heavy.intersection(criterion.tokens)]
    posted = _posted(tokens, light, query)
    if _is_within_patients(query.criteria) or "r.patient = " in visible:
        driving: Sequence[Criterion] = ()
    elif posted is not None:
        token = binder.bind(posted.tokens[0], "bigint")
        rest = [criterion.sql("r", binder) for criterion in query.criteria if criterion is not posted]
        source = f"posting p JOIN resource r ON r.tenant = $1 AND r.resource_type = {number} AND r.row_id = p.row_id"
        keys = tuple(replace(key, expression="p.date_start") for key in query.sort)
        return _Road(source, [f"p.tenant = $1 AND p.token = {token}", *conditions, *rest], keys, "p.row_id")
    else:
        driving = light
    for criterion in query.criteria:
        if isinstance(criterion, AnyToken) and criterion in driving:
            conditions.append(criterion.driving_sql("r", binder))
        else:
            conditions.append(criterion.sql("r", binder))
    return _Road("resource r", conditions, query.sort)


def _is_within_patients(criteria: Sequence[Criterion]) -> bool:
    return any(isinstance(criterion, OfPatient) for criterion in criteria)


def _posted(tokens: Sequence[AnyToken], light: Sequence[AnyToken], query: SearchQuery) -> AnyToken | None:
    """The criterion to walk by postings: one value of an ordered parameter, unless another light token narrows more."""
    for criterion in tokens:
        others = [one for one in light if one is not criterion]
        if criterion.is_ordered and len(criterion.tokens) == 1 and not others and _is_posting_order(query):
            return criterion
    return None


def _is_posting_order(query: SearchQuery) -> bool:
    return not query.sort or (len(query.sort) == 1 and query.sort[0].expression == "r.date_start")
