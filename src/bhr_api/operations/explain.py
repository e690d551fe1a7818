"""[type]/$explain: how a search is answered, and what it costs, instead of its answer (docs/explain.md).

The parameters are those of the search. Its statement is run and its rows are thrown away, so that what is told was measured.
Counts of visited rows tell of the whole tenant; so this is for those who may search the whole tenant.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bhr_api.errors import ForbiddenError, RefusalError
from bhr_api.fhir import json_text
from bhr_api.fhir.canonical import CANONICAL_BASE
from bhr_api.fhir.definitions import Resource
from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation
from bhr_api.interactions.paging import Walk
from bhr_api.interactions.read import require
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.interactions.search import ESTIMATE_LIMIT
from bhr_api.interactions.terminologies import search_context
from bhr_api.operations.explained_plan import Execution, Visit, execute
from bhr_api.operations.explained_road import MEANINGS, UsedParameter, advice, most_work, used_parameter
from bhr_api.operations.inputs import Inputs
from bhr_api.search.compiler import Statement, compile_count, compile_page
from bhr_api.search.criteria import Criterion
from bhr_api.search.cursor import Position
from bhr_api.search.meaning import SearchContext
from bhr_api.search.query import SearchQuery, is_passed_over, parse_query
from bhr_api.search.roads import Road

_PLACEHOLDER = re.compile(r"\$([0-9]+)::(\w+(?:\[\])?)")
_UNASKED = frozenset({"_format", "_pretty"})
_IN_ORDER = Road("order")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One parameter read by itself: the criteria that it spells, or why it is refused."""

    name: str
    criteria: Sequence[Criterion] = ()
    refusal: RefusalError | None = None


async def explain(context: Context, request: Request) -> Result:
    """A Parameters resource: road, criteria, statements with what they took, what was refused or ignored, and advice.

    A search that is refused is answered too, with its refusal. Raises ForbiddenError without a `system/` scope for the search.
    """
    _require_whole_tenant(context, request.resource_type)
    given = Inputs(request, None).texts()
    now = context.now()
    search = await search_context(context, given, now)
    asked = [_read(request.resource_type, pair, search) for pair in dict.fromkeys(given)]
    told = [_passed_over(name) for name, value in request.parameters if not value and name not in _UNASKED]
    applied = None
    try:
        query = parse_query(request.resource_type, given, search.afresh())
        walk = Walk(context, query, request.resource_type, now)
    except RefusalError as error:
        told += _refusals(asked, error, lenient=search.lenient)
    else:
        applied = walk.applied
        told += [_ignored(one) for one in asked if one.refusal is not None]
        told += await _explained(context, query, walk.position, asked)
    await context.record(context.event("$explain", 200, resource_type=request.resource_type, query=applied))
    return Result(200, json_text.dumps({"resourceType": "Parameters", "parameter": told}))


def _require_whole_tenant(context: Context, resource_type: str) -> None:
    require(context, "s", resource_type, "$explain")
    caller = context.caller
    is_of_system = any(scope.context == "system" and scope.covers("s", resource_type) for scope in caller.scopes)
    if caller.patient is not None or not is_of_system or caller.is_confined("s", resource_type):
        raise ForbiddenError(
            "$explain tells of all records of the tenant; it needs a token without a patient and with a scope such as"
            f" system/{resource_type}.s."
        )


def _read(resource_type: str, pair: tuple[str, str], search: SearchContext) -> _Asked:
    try:
        query = parse_query(resource_type, [pair], replace(search.afresh(), lenient=False))
    except RefusalError as error:
        return _Asked(pair[0], refusal=error)
    return _Asked(pair[0], query.criteria)


def _refusals(asked: Sequence[_Asked], error: RefusalError, *, lenient: bool) -> Iterator[Resource]:
    """Of each parameter, and of the search as a whole where that is another."""
    known = {one.refusal.issues[0].diagnostics for one in asked if one.refusal is not None}
    if error.issues[0].diagnostics not in known:
        yield _refused(None, error)
    for one in asked:
        if one.refusal is not None:
            yield _ignored(one) if is_passed_over(one.refusal, lenient=lenient) else _refused(one.name, one.refusal)


def _refused(name: str | None, error: RefusalError) -> Resource:
    issue = error.issues[0]
    parts = [] if name is None else [_part("parameter", "String", name)]
    parts += [_part("status", "Integer", error.status), _part("code", "Code", issue.code)]
    return {"name": "refused", "part": [*parts, _part("reason", "String", issue.diagnostics)]}


def _ignored(asked: _Asked) -> Resource:
    assert asked.refusal is not None
    reason = asked.refusal.issues[0].diagnostics
    return {"name": "ignored", "part": [_part("parameter", "String", asked.name), _part("reason", "String", reason)]}


def _passed_over(name: str) -> Resource:
    reason = "It has no value."
    return {"name": "ignored", "part": [_part("parameter", "String", name), _part("reason", "String", reason)]}


async def _explained(
    context: Context, query: SearchQuery, position: Position, asked: Sequence[_Asked]
) -> list[Resource]:
    statements = list(_statements(context, query, position))
    async with context.connection() as connection:
        executions = [await execute(connection, statement) for _, statement in statements]
    roads = list(_taken(statements[0][1], executions[0]))
    road = next((one for one, rows in roads if rows is not None), roads[-1][0])
    used = list(_used(query, asked, road, context.words.heavy))
    told = [*(_road(one, rows, len(roads)) for one, rows in roads), *(_criterion(one) for one in used)]
    for (kind, statement), execution in zip(statements, executions, strict=True):
        told.append(_statement(kind, statement, execution))
    work = most_work(executions)
    if work is not None:
        told.append(_part("mostWork", "String", work))
    return told + [_part("advice", "String", sentence) for sentence in advice(query, road, used, executions)]


def _statements(context: Context, query: SearchQuery, position: Position) -> Iterator[tuple[str, Statement]]:
    """Those that the search would run, by what they give."""
    heavy = context.words.heavy
    if query.summary != "count":
        yield "page", compile_page(query, context.visibility, context.hasher, heavy, position)
    if query.summary == "count" or query.total != "none":
        limit = ESTIMATE_LIMIT if query.total == "estimate" else None
        yield "count", compile_count(query, context.visibility, heavy, position, limit)


def _used(query: SearchQuery, asked: Sequence[_Asked], road: Road, heavy: frozenset[int]) -> Iterator[UsedParameter]:
    """The query's criteria stand in the order of its parameters, and are as many as these spell one by one."""
    criteria = iter(query.criteria)
    for one in asked:
        own = [next(criteria) for _ in one.criteria]
        if own:
            yield used_parameter(one.name, own, road, query, heavy)


def _taken(statement: Statement, execution: Execution) -> Iterator[tuple[Road, int | None]]:
    """Each road of the statement with the rows that were looked at on it; None on one that is not known to be taken."""
    roads = statement.roads or (_IN_ORDER,)
    if len(roads) == 1:
        yield roads[0], None if execution.is_cut else execution.rows_visited
    else:
        yield from zip(roads, execution.rows_by_way or [None] * len(roads), strict=True)


def _road(road: Road, rows: int | None, number: int) -> Resource:
    """Of several roads it is told, too, whether the statement took this one and how far it went."""
    parts = [_part("code", "Code", road.name), _part("meaning", "String", MEANINGS[road.name])]
    if number > 1:
        parts.append(_part("isTaken", "Boolean", rows is not None))
        parts += [] if rows is None else [_part("rowsVisited", "UnsignedInt", rows)]
    return {"name": "road", "part": parts}


def _criterion(used: UsedParameter) -> Resource:
    parts = [_part("parameter", "String", used.name), _part("use", "Code", used.use)]
    return {"name": "criterion", "part": [*parts, _part("isHeavy", "Boolean", used.is_heavy)]}


def _statement(kind: str, statement: Statement, execution: Execution) -> Resource:
    sql = " ".join(statement.sql.split())
    roads = list(_taken(statement, execution))
    taken = [road for road, rows in roads if rows is not None] or [road for road, _ in roads]
    parts = [
        _part("kind", "Code", kind),
        *(_part("road", "Code", road.name) for road in taken),
        _part("sql", "String", sql),
        _part("values", "String", _types_of_values(sql)),
        _part("isCut", "Boolean", execution.is_cut),
    ]
    if not execution.is_cut:
        parts += [
            _part("planningMilliseconds", "Decimal", execution.planning_milliseconds),
            _part("milliseconds", "Decimal", execution.milliseconds),
            _part("rowsGiven", "UnsignedInt", execution.rows_given),
            _part("rowsVisited", "UnsignedInt", execution.rows_visited),
        ]
    return {"name": "statement", "part": parts + [_node(visit) for visit in execution.visits]}


def _types_of_values(sql: str) -> str:
    """The placeholders with their types: what is bound to them is the tenant's keyed hashes."""
    types = {int(place): name for place, name in _PLACEHOLDER.findall(sql)} | {1: "integer (the tenant)"}
    return ", ".join(f"${place} {types[place]}" for place in sorted(types))


def _node(visit: Visit) -> Resource:
    named = [("kind", "String", visit.node), ("table", "String", visit.table), ("index", "String", visit.index)]
    counts = [("rows", visit.rows), ("loops", visit.loops), ("buffers", visit.buffers)]
    told = [*named, *((name, "UnsignedInt", value) for name, value in counts)]
    return {"name": "node", "part": [_part(*one) for one in told if one[2] is not None]}


def _part(name: str, type: str, value: Any) -> Resource:
    return {"name": name, f"value{type}": value}


EXPLAIN: Operation[Context] = Operation(
    "explain", f"{CANONICAL_BASE}/OperationDefinition/explain", frozenset({"type"}), explain
)
