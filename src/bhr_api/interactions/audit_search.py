"""read and search of AuditEvent: its parameters compile to columns of the audit table (FHIR R4, auditevent.html).

The audit trail is for those who answer for the whole tenant: a token confined to a patient sees none of it. Who reads
it leaves an event too.
"""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from bhr_api.errors import ForbiddenError, Issue, UnsupportedParameterError
from bhr_api.fhir import bundles, json_text
from bhr_api.fhir.dates import instant_text
from bhr_api.fhir.subset import subset
from bhr_api.interactions.audit_parameters import condition_of
from bhr_api.interactions.audit_rendering import audit_event
from bhr_api.interactions.context import Context
from bhr_api.interactions.read import not_found
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.search.cursor import Position
from bhr_api.search.meaning import SearchContext
from bhr_api.search.query import SearchQuery, is_passed_over, parse_query
from bhr_api.store import audit_reading
from bhr_api.store.audit import AuditEvent
from bhr_api.store.audit_reading import Place
from bhr_api.store.database import Connection
from bhr_api.store.sql import Binder

# How many events `_total=estimate` counts at most.
ESTIMATE_LIMIT = 10_000
_SORTED_BY_TIME = frozenset({"date", "_lastUpdated"})
# What shapes the answer rather than choosing events, and named queries: read as for any other type.
_CONTROLS = frozenset({"_count", "_total", "_summary", "_elements", "_sort", "_cursor", "_format", "_pretty", "_query"})


async def read_audit_event(context: Context, id: str) -> Result:
    """The AuditEvent of that id. Raises NotFoundError, ForbiddenError for a token confined to a patient."""
    _refuse_confined(context, "r")
    event_id = audit_reading.event_id_of(id)
    async with context.connection() as connection:
        event = None if event_id is None else await audit_reading.find(connection, context.tenant, event_id)
        if event is None:
            raise not_found("AuditEvent", id)
        body = (await _rendered(context, connection, [event]))[0]
    await context.record(
        context.event("read", 200, resource_type="AuditEvent", resource_id=id, version=1, patients=event.patients)
    )
    return Result(200, body, "AuditEvent", id, 1, event.recorded)


async def search_audit_events(context: Context, request: Request) -> Result:
    """A searchset of audit events, newest first unless `_sort=date` turns it round.

    Raises UnsupportedParameterError, InvalidParameterError, ForbiddenError for a token confined to a patient.
    """
    _refuse_confined(context, "s")
    now = context.now()
    query = _parse(context, request, now)
    path = f"Patient/{request.id}/AuditEvent" if request.id else "AuditEvent"
    applied = _encoded(query.applied)
    position = _position(context, query, f"{path}?{applied}", now)
    events, bodies, total = await _fetch(context, request, query, position, now)
    links = _links(context, query, path, applied, events, position)
    shown = events[: query.count]
    await _record(context, request, applied, shown)
    entries = [_entry(context, query, event, body) for event, body in zip(shown, bodies, strict=True)]
    if query.ignored:
        entries.append(bundles.outcome_entry([_ignored(name) for name in query.ignored]))
    return Result(200, bundles.bundle("searchset", instant_text(now), total=total, links=links, entries=entries))


def _refuse_confined(context: Context, letter: str) -> None:
    if context.caller.is_confined(letter, "AuditEvent"):  # type: ignore[arg-type]
        raise ForbiddenError(
            "The audit trail tells of everybody's requests; a token for some of the records does not open it."
            f" It needs a scope such as system/AuditEvent.{letter}."
        )


def _parse(context: Context, request: Request, now: datetime) -> SearchQuery:
    """The query. Its criteria are in the parameters that it applied; here it is only seen that each compiles."""
    controls = [pair for pair in request.parameters if pair[0].partition(":")[0] in _CONTROLS]
    query = parse_query(
        "AuditEvent",
        controls,
        SearchContext(context.hasher, context.base_url, now, context.visibility, context.lenient),
    )
    _refuse_other_orders(query, lenient=context.lenient)
    criteria = []
    for name, value in request.parameters:
        if not value or name.partition(":")[0] in _CONTROLS:
            continue
        try:
            condition_of(name, value, context, now, Binder())
        except UnsupportedParameterError as error:
            if not is_passed_over(error, lenient=context.lenient):
                raise
            query.ignored.append(name)
        else:
            criteria.append((name, value))
    query.applied[:0] = criteria
    return query


def _refuse_other_orders(query: SearchQuery, *, lenient: bool) -> None:
    if len(query.sort) <= 1 and all(key.code in _SORTED_BY_TIME for key in query.sort):
        return
    if not lenient:
        raise UnsupportedParameterError("_sort", "audit events are sorted by date or -date")
    query.sort = ()
    query.applied = [pair for pair in query.applied if pair[0] != "_sort"]
    query.ignored.append("_sort")


def _conditions(
    context: Context, request: Request, query: SearchQuery, position: Position, now: datetime, binder: Binder
) -> list[str]:
    asked = [condition_of(name, value, context, now, binder) for name, value in query.applied if name not in _CONTROLS]
    if request.id:
        # compartmentdefinition-patient: an AuditEvent is in the compartment by `patient`.
        asked.append(condition_of("patient", f"Patient/{request.id}", context, now, binder))
    # Events of requests after the walk began stay out of it (DESIGN promise 3).
    bound = audit_reading.from_milliseconds(position.bound)
    return [*asked, f"e.recorded <= {binder.bind(bound, 'timestamptz')}"]


def _position(context: Context, query: SearchQuery, text: str, now: datetime) -> Position:
    if query.cursor is not None:
        return context.words.seal.open(query.cursor, text, context.holder)
    return Position((), 0, audit_reading.to_milliseconds(now))


async def _fetch(
    context: Context, request: Request, query: SearchQuery, position: Position, now: datetime
) -> tuple[list[AuditEvent], list[bytes], int | None]:
    """One event more than a page, to tell whether another follows; the page as JSON; the total if it is wanted."""
    events: list[AuditEvent] = []
    bodies: list[bytes] = []
    total: int | None = None
    async with context.connection() as connection:
        if query.summary != "count":
            binder = context.visibility.binder()
            conditions = _conditions(context, request, query, position, now, binder)
            place = Place(datetime.fromisoformat(position.values[0]), position.row_id) if position.values else None
            ascending = bool(query.sort) and not query.sort[0].descending
            events = await audit_reading.page(
                connection, conditions, binder, after=place, ascending=ascending, limit=query.count + 1
            )
            bodies = await _rendered(context, connection, events[: query.count])
        if query.summary == "count" or query.total != "none":
            binder = context.visibility.binder()
            conditions = _conditions(context, request, query, position, now, binder)
            limit = ESTIMATE_LIMIT if query.total == "estimate" else None
            total = await audit_reading.count(connection, conditions, binder, limit)
    return events, bodies, total


async def _rendered(context: Context, connection: Connection, events: Sequence[AuditEvent]) -> list[bytes]:
    tokens = list(dict.fromkeys(token for event in events for token in event.patients))
    ids = await audit_reading.patient_ids(connection, context.tenant, tokens)
    return [json_text.dumps(audit_event(event, ids, context.base_url)) for event in events]


def _links(
    context: Context, query: SearchQuery, path: str, applied: str, events: Sequence[AuditEvent], position: Position
) -> list[bundles.Link]:
    base = f"{context.base_url}/{path}"
    first = f"{base}?{applied}" if applied else base
    more = f"{first}{'&' if applied else '?'}_cursor="
    links = [("self", f"{more}{query.cursor}" if query.cursor else first)]
    if query.summary == "count":
        return links
    links.append(("first", first))
    if len(events) > query.count:
        last = events[query.count - 1]
        following = Position((last.recorded.isoformat(),), last.event_id, position.bound)
        links.append(("next", more + context.words.seal.seal(following, f"{path}?{applied}", context.holder)))
    return links


def _entry(context: Context, query: SearchQuery, event: AuditEvent, body: bytes) -> bytes:
    if query.elements or query.summary in ("true", "text", "data"):
        body = subset(body, summary=query.summary, elements=query.elements)
    url = f"{context.base_url}/AuditEvent/{audit_reading.id_of(event.event_id)}"
    return bundles.search_entry(url, body, "match")


def _encoded(parameters: Sequence[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name, safe=':*-_.')}={quote(value, safe=':/,|$*-_.')}" for name, value in parameters)


def _ignored(name: str) -> Issue:
    return Issue("warning", "not-supported", f"The parameter {name!r} is not known here and was not applied.")


async def _record(context: Context, request: Request, applied: str, events: Sequence[AuditEvent]) -> None:
    patients = list(dict.fromkeys(token for event in events for token in event.patients))
    await context.record(
        context.event(request.interaction, 200, resource_type="AuditEvent", query=applied, patients=patients)
    )
