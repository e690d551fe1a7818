"""From a query to one SQL statement: a page, a count, the matches of a condition.

Which road it takes to the rows is chosen in `roads.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bhr_api.search import include
from bhr_api.search.criteria import Heavy
from bhr_api.search.cursor import Position, Rest
from bhr_api.search.order import Order
from bhr_api.search.query import SearchQuery
from bhr_api.search.roads import Road, Way, choose_road, only_postings, walk_condition, ways_by_record, ways_of
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.visibility import Visibility
from bhr_api.store.sql import Binder, all_of


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its values, and the roads of its ways to the rows, in their order, where they were chosen here.

    Of two roads that begin with a condition, one is taken when the statement runs.
    """

    sql: str
    values: list[object]
    roads: tuple[Road, ...] = ()


def compile_page(
    query: SearchQuery,
    visibility: Visibility,
    hasher: TokenHasher,
    heavy: Heavy,
    position: Position,
) -> Statement:
    """The statement for one page beyond `position`, one row more than a page to tell whether another follows.

    Its rows are (mode, resource_type, id, version, last_updated, patient, body, row_id, sort values as text); mode is match
    or include. Of the included rows it gives one more than a page may hold, too, in no order; for the rest of a page no
    matches. `heavy` are the tenant's tokens that must not drive the statement.
    """
    if position.rest is not None:
        return _compile_rest([query], visibility, hasher, position.rest)
    binder = visibility.binder()
    ways = ways_of(query, visibility, heavy, position, binder)
    matched = _merged([query], [(way, _matched(query, way, position, binder)) for way in ways], position)
    return Statement(_whole_page(matched, query, visibility, hasher, binder), binder.values, _roads(ways))


def _roads(ways: Sequence[Way]) -> tuple[Road, ...]:
    return tuple(way.chosen for way in ways)


def compile_system_page(
    queries: Sequence[SearchQuery],
    visibility: Visibility,
    hasher: TokenHasher,
    heavy: Heavy,
    position: Position,
) -> Statement:
    """The same for a search of several types, whose `queries` differ by their types alone: a page of each, merged."""
    if position.rest is not None:
        return _compile_rest(queries, visibility, hasher, position.rest)
    binder = visibility.binder()
    pages = [
        (way, _matched(query, way, position, binder))
        for query in queries
        for way in ways_of(query, visibility, heavy, position, binder)
    ]
    matched = _merged(queries, pages, position)
    return Statement(_whole_page(matched, queries[0], visibility, hasher, binder), binder.values)


def _matched(query: SearchQuery, way: Way, position: Position, binder: Binder) -> str:
    """SELECT of the rows of a page that come by one way, in its order, with the values that order them."""
    order = Order(way.keys, way.row_id, position.backward)
    values = ", ".join([f"({key.expression})::text" for key in way.keys])
    keys = "".join([f", {key.expression} AS key{place}" for place, key in enumerate(way.keys)])
    where = [*way.conditions, walk_condition(order, position, binder)]
    return f"""
        SELECT r.resource_type, r.id, r.version, r.last_updated, r.patient, r.body, r.row_id, ARRAY[{values}]::text[] AS sort,
            r.tokens, r.self_token{keys}
        FROM {way.source}
        WHERE {all_of(where)}
        ORDER BY {order.sql()} LIMIT {query.count + 1}
    """


def _merged(queries: Sequence[SearchQuery], pages: Sequence[tuple[Way, str]], position: Position) -> str:
    """The page that the first rows of all `pages` are."""
    if len(pages) == 1:
        return pages[0][1]
    keys = tuple(replace(key, expression=f"m.key{place}") for place, key in enumerate(queries[0].order))
    order = Order(keys, "m.row_id", position.backward)
    branches = " UNION ALL ".join([f"({page})" for _, page in pages])
    given = dict.fromkeys(way.given for way, _ in pages if way.given)
    with_clause = f"WITH {', '.join(given)} " if given else ""
    return f"{with_clause}SELECT * FROM ({branches}) AS m ORDER BY {order.sql()} LIMIT {queries[0].count + 1}"


def _whole_page(matched: str, query: SearchQuery, visibility: Visibility, hasher: TokenHasher, binder: Binder) -> str:
    """The rows of `matched`, with what they include."""
    columns = "resource_type, id, version, last_updated, patient, body, row_id"
    if not query.includes:
        return f"SELECT 'match' AS mode, {columns}, sort FROM ({matched}) AS matched"
    return f"""
        WITH RECURSIVE matched AS MATERIALIZED ({matched}),
        page AS MATERIALIZED (SELECT * FROM matched LIMIT {query.count}),
        {include.reached_sql(query.includes, visibility, hasher, binder)},
        {_included("TRUE")}
        SELECT 'match' AS mode, {columns}, sort, 0 AS pinned FROM matched
        UNION ALL
        {_INCLUDED_ROWS}
    """


_INCLUDED_ROWS = """
    SELECT 'include' AS mode, r.resource_type, r.id, r.version, r.last_updated, r.patient, r.body, r.row_id,
        NULL::text[] AS sort, pinned
    FROM included JOIN resource r ON r.tenant = $1 AND r.resource_type = included.resource_type
        AND r.row_id = included.row_id
    WHERE pinned = 0
    UNION ALL
    SELECT 'include' AS mode, r.resource_type, r.id, r.version, r.last_updated, r.patient, r.body, r.row_id,
        NULL::text[] AS sort, pinned
    FROM included JOIN resource_history r ON r.tenant = $1 AND r.resource_type = included.resource_type
        AND r.id = included.id AND r.version = included.pinned
    WHERE pinned > 0
"""


def _included(condition: str) -> str:
    """The table of the first rows in their order that were reached, are under `condition` and no matches."""
    return f"""
        included AS (
            SELECT DISTINCT row_id, pinned, resource_type, id FROM reached
            WHERE depth > 0 AND {condition} AND (pinned > 0 OR row_id NOT IN (SELECT row_id FROM page))
            ORDER BY row_id, pinned LIMIT {include.MAXIMUM_INCLUDED + 1}
        )
    """


def _compile_rest(queries: Sequence[SearchQuery], visibility: Visibility, hasher: TokenHasher, rest: Rest) -> Statement:
    """The statement for more of what a page includes: what its matches, as they are now, lead to after the last one."""
    binder = visibility.binder()
    types = [query.resource_type for query in queries]
    matches = binder.bind(rest.matches, "bigint[]")
    last = f"({binder.bind(rest.last, 'bigint')}, {binder.bind(rest.pinned, 'integer')})"
    bound = binder.bind(rest.bound, "bigint")
    sql = f"""
        WITH RECURSIVE page AS MATERIALIZED (
            SELECT r.* FROM resource r WHERE {visibility.of_types(types, "s", "r", binder)} AND r.row_id = ANY({matches})
        ),
        {include.reached_sql(queries[0].includes, visibility, hasher, binder)},
        {_included(f"(row_id, pinned) > {last} AND row_id <= {bound}")}
        {_INCLUDED_ROWS}
    """
    return Statement(sql, binder.values)


def compile_count(
    query: SearchQuery, visibility: Visibility, heavy: Heavy, position: Position, limit: int | None = None
) -> Statement:
    """The statement that counts the matches of the walk that the caller may see, up to `limit` if there is one."""
    binder = visibility.binder()
    posted = only_postings(query, visibility, binder)
    ways = [posted] if posted else ways_by_record(query, visibility, heavy, binder)
    if not ways:
        ways = [choose_road(query, visibility, binder, heavy)]
    matched = " UNION ALL ".join([_counted(way, position, binder) for way in ways])
    if limit is not None:
        matched += f" LIMIT {limit}"
    return Statement(f"SELECT count(*) FROM ({matched}) AS m", binder.values, _roads(ways))


def _counted(way: Way, position: Position, binder: Binder) -> str:
    """SELECT of a row for each match that comes by one way."""
    where = list(way.conditions)
    if position.row_id != 0:
        where.append(f"{way.row_id} <= {binder.bind(position.bound, 'bigint')}")
    return f"SELECT 1 FROM {way.source} WHERE {all_of(where)}"


def compile_match(query: SearchQuery, visibility: Visibility, heavy: Heavy, limit: int) -> Statement:
    """The statement for a conditional interaction: (id, version) of up to `limit` matches."""
    binder = visibility.binder()
    road = choose_road(query, visibility, binder, heavy)
    sql = f"SELECT r.id, r.version FROM {road.source} WHERE {all_of(road.conditions)} LIMIT {limit}"
    return Statement(sql, binder.values, (road.chosen,))
