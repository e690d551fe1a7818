"""search of a type (FHIR R4, http.html#search and search.html)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bhr_api.errors import Issue
from bhr_api.fhir import bundles, json_text
from bhr_api.fhir.dates import instant_text
from bhr_api.fhir.definitions import PATIENT_COMPARTMENT, RESOURCE_TYPES
from bhr_api.fhir.references import parse_local
from bhr_api.fhir.subset import subset
from bhr_api.interactions.audit_search import search_audit_events
from bhr_api.interactions.context import Context
from bhr_api.interactions.paging import Walk
from bhr_api.interactions.read import require
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.interactions.terminologies import search_context
from bhr_api.search.chain import Chained, hops_of
from bhr_api.search.compiler import Statement, compile_count, compile_page, compile_system_page
from bhr_api.search.criteria import either
from bhr_api.search.cursor import Position
from bhr_api.search.parameters import parameters_of
from bhr_api.search.query import SearchQuery, parse_query
from bhr_api.search.types import reference

# A sort key or page of a search that is not narrowed may have to look at every row; `estimate` looks at no more than these.
ESTIMATE_LIMIT = 10_000


async def search(context: Context, request: Request) -> Result:
    """A searchset bundle of the matches that the caller may see. Raises UnsupportedParameterError, InvalidParameterError."""
    require(context, "s", request.resource_type, "search")
    if request.resource_type == "AuditEvent":
        return await search_audit_events(context, request)
    now = context.now()
    query = await _parse(context, request, now)
    if request.interaction == "search-compartment":
        _confine_to_compartment(context, query, request.id)
    path = request.resource_type if not request.id else f"Patient/{request.id}/{request.resource_type}"
    return await answer(context, request, [query], path, now)


async def check_search(context: Context, request: Request) -> None:
    """Refuse now what `search` would refuse before it looks at the record."""
    require(context, "s", request.resource_type, "search")
    if request.resource_type != "AuditEvent":
        await _parse(context, request, context.now())


async def _parse(context: Context, request: Request, now: datetime) -> SearchQuery:
    asked_in = await search_context(context, request.parameters, now)
    return parse_query(request.resource_type, request.parameters, asked_in)


async def answer(
    context: Context, request: Request, queries: Sequence[SearchQuery], path: str, now: datetime
) -> Result:
    """The bundle of the matches of `queries`, which differ by their types alone, as a page of the walk at `path`."""
    query = queries[0]
    walk = Walk(context, query, path, now)
    rows, total = await _fetch(context, queries, walk.position)
    matches = walk.page([row for row in rows if row["mode"] == "match"])
    included, is_more = walk.included(matches, [row for row in rows if row["mode"] == "include"])
    await _record(context, request, walk.applied, [*matches, *included])
    entries = [_entry(context, query, row) for row in (*matches, *included)]
    issues = [_ignored(name) for name in query.ignored]
    if any(_leaves_version(context, one, row["body"]) for one in _chains(queries) for row in matches):
        issues.append(_LEFT_VERSION)
    if is_more:
        issues.append(_incomplete(walk.links[-1][0]))
    if issues:
        entries.append(bundles.outcome_entry(issues))
    body = bundles.bundle("searchset", instant_text(now), total=total, links=walk.links, entries=entries)
    return Result(200, body)


def _confine_to_compartment(context: Context, query: SearchQuery, patient: str) -> None:
    """Patient/[id]/[type]: whatever refers to the patient by a compartment parameter (R4 compartmentdefinition-patient)."""
    served = parameters_of(query.resource_type)
    codes = [code for code in PATIENT_COMPARTMENT.get(query.resource_type, ()) if code in served]
    target = [f"Patient/{patient}"]
    query.criteria.append(
        either([reference.match(served[code], None, target, context.hasher, context.base_url) for code in codes])
    )


async def _fetch(
    context: Context, queries: Sequence[SearchQuery], position: Position
) -> tuple[Sequence[Any], int | None]:
    query = queries[0]
    wants_total = query.summary == "count" or query.total != "none"
    rows: Sequence[Any] = ()
    total: int | None = None
    async with context.connection() as connection:
        if query.summary != "count":
            statement = _page(context, queries, position)
            rows = await connection.fetch(statement.sql, *statement.values)
        if wants_total:
            total = 0
            for one in queries:
                limit = ESTIMATE_LIMIT if query.total == "estimate" else None
                statement = compile_count(one, context.visibility, context.words.heavy, position, limit)
                total += await connection.fetchval(statement.sql, *statement.values)
    return rows, total


def _page(context: Context, queries: Sequence[SearchQuery], position: Position) -> Statement:
    visibility, hasher, heavy = context.visibility, context.hasher, context.words.heavy
    if len(queries) == 1:
        return compile_page(queries[0], visibility, hasher, heavy, position)
    return compile_system_page(queries, visibility, hasher, heavy, position)


def _entry(context: Context, query: SearchQuery, row: Any) -> bytes:
    body: bytes = row["body"]
    if query.elements or query.summary in ("true", "text", "data"):
        body = subset(body, summary=query.summary, elements=query.elements if row["mode"] == "match" else ())
    full_url = f"{context.base_url}/{RESOURCE_TYPES[row['resource_type'] - 1]}/{row['id']}"
    return bundles.search_entry(full_url, body, row["mode"])


_LEFT_VERSION = Issue(
    "warning",
    "informational",
    "The reference of a match names a version, and a chain of this search looked at the current one.",
)


def _chains(queries: Sequence[SearchQuery]) -> list[Chained]:
    criteria = [criterion for query in queries for criterion in query.criteria]
    return [hop for criterion in criteria for hop in hops_of(criterion) if isinstance(hop, Chained)]


def _leaves_version(context: Context, chain: Chained, body: bytes) -> bool:
    """Whether the chain goes from the resource to another version than its reference names, as far as can be told."""
    if b"/_history/" not in body:
        return False
    resource = json_text.parse(body)
    if resource["resourceType"] != chain.parameter.resource_type:
        return False
    literals = [value.get("reference") for _, value in chain.parameter.extract(resource) if isinstance(value, dict)]
    found = [parse_local(literal, context.base_url) for literal in literals if isinstance(literal, str)]
    return any(one is not None and one.version is not None and one.resource_type == chain.other for one in found)


def _ignored(name: str) -> Issue:
    return Issue("warning", "not-supported", f"The parameter {name!r} is not known here and was not applied.")


def _incomplete(relation: str) -> Issue:
    return Issue(
        "warning",
        "incomplete",
        f"The matches include more resources than one page holds; the link {relation!r} leads to the others.",
    )


async def _record(context: Context, request: Request, applied: str, rows: Sequence[Any]) -> None:
    patients = [patient for patient in dict.fromkeys(row["patient"] for row in rows) if patient is not None]
    await context.record(
        context.event(
            request.interaction, 200, resource_type=request.resource_type or None, query=applied, patients=patients
        )
    )
