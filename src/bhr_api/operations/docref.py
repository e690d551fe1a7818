"""DocumentReference/$docref: the documents about a patient (US Core, OperationDefinition docref).

The server has documents and makes none, so that `on-demand=true` finds nothing. Without dates "the most recent or current
document is in scope": those whose status is current.
"""

from collections.abc import Sequence
from typing import Any

from bhr_api.errors import InvalidParameterError, MalformedRequestError
from bhr_api.fhir import bundles
from bhr_api.fhir.dates import instant_text, interval_of
from bhr_api.fhir.references import ID
from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation
from bhr_api.interactions.paging import Walk
from bhr_api.interactions.read import require
from bhr_api.interactions.requests import Parameters, Request
from bhr_api.interactions.results import Result
from bhr_api.interactions.terminologies import search_context
from bhr_api.operations.inputs import Inputs
from bhr_api.operations.search_values import escaped, token_of
from bhr_api.search.compiler import compile_page
from bhr_api.search.criteria import NOTHING, Both, Criterion, Not, either
from bhr_api.search.query import SearchQuery, parse_query

_KNOWN = ("patient", "start", "end", "type", "on-demand", "profile", "_count")
_PATH = "DocumentReference/$docref"


async def docref(context: Context, request: Request) -> Result:
    """A searchset of the references that the parameters ask for; empty for a patient who is not known or seen."""
    require(context, "s", "DocumentReference", "$docref")
    inputs = Inputs(request, (*_KNOWN, "_cursor"))
    now = context.now()
    query = await _query(context, inputs)
    walk = Walk(context, query, _PATH, now)
    statement = compile_page(query, context.visibility, context.hasher, context.words.heavy, walk.position)
    async with context.connection() as connection:
        rows = walk.page(await connection.fetch(statement.sql, *statement.values))
    patients = [patient for patient in dict.fromkeys(row["patient"] for row in rows) if patient is not None]
    await context.record(
        context.event("$docref", 200, resource_type="DocumentReference", query=walk.applied, patients=patients)
    )
    entries = [
        bundles.search_entry(f"{context.base_url}/DocumentReference/{row['id']}", row["body"], "match") for row in rows
    ]
    return Result(200, bundles.bundle("searchset", instant_text(now), total=None, links=walk.links, entries=entries))


async def _query(context: Context, inputs: Inputs) -> SearchQuery:
    query = await _search(context, [("patient", _patient(inputs)), *_paging(inputs)])
    for alternatives in (_types(inputs), _profiles(inputs)):
        if alternatives:
            found = [one for pair in alternatives for one in (await _search(context, [pair])).criteria]
            query.criteria.append(either(found))
    query.criteria.append(await _in_time(context, inputs))
    if inputs.flag("on-demand"):
        query.criteria.append(NOTHING)
    query.applied = [(name, _text(value)) for name in _KNOWN for value in inputs.all(name)]
    query.cursor = inputs.text("_cursor")
    return query


async def _search(context: Context, parameters: Parameters) -> SearchQuery:
    return parse_query("DocumentReference", parameters, await search_context(context, parameters, context.now()))


def _patient(inputs: Inputs) -> str:
    patient = inputs.text("patient")
    if patient is None:
        raise MalformedRequestError("$docref needs a patient, such as patient=[id].", code="required")
    # Some clients send a reference where the definition has an id.
    id = patient.removeprefix("Patient/")
    if not ID.fullmatch(id):
        raise InvalidParameterError("patient", patient, "it is the id of a patient")
    return f"Patient/{id}"


def _paging(inputs: Inputs) -> Parameters:
    count = inputs.one("_count")
    return [] if count is None else [("_count", str(count))]


def _types(inputs: Inputs) -> Parameters:
    return [("type", _text(given)) for given in inputs.all("type")]


def _text(value: Any) -> str:
    """A Coding as a search has it."""
    if isinstance(value, dict):
        return token_of(value["system"], value.get("code", "")) if "system" in value else escaped(value.get("code", ""))
    return str(value)


def _profiles(inputs: Inputs) -> Parameters:
    """The profile that a document follows is its format; a profile of the reference itself is taken as well."""
    return [(name, escaped(str(value))) for value in inputs.all("profile") for name in ("format", "_profile")]


async def _in_time(context: Context, inputs: Inputs) -> Criterion:
    """The care overlaps the time: context.period does, or the document's own date where it has no such period."""
    outside = [
        f"{prefix}{value}" for prefix, name in (("eb", "start"), ("sa", "end")) if (value := _date(inputs, name))
    ]
    if not outside:
        return (await _search(context, [("status", "current")])).criteria[0]
    by_care = await _overlapping(context, "period", outside, [("period:missing", "false")])
    by_date = await _overlapping(context, "date", outside, [("period:missing", "true"), ("date:missing", "false")])
    return either([by_care, by_date])


async def _overlapping(context: Context, name: str, outside: Sequence[str], more: Parameters) -> Criterion:
    """What neither ends before the time nor begins after it."""
    apart = await _search(context, [(name, value) for value in outside])
    return Both([*(await _search(context, more)).criteria, *(Not(one) for one in apart.criteria)])


def _date(inputs: Inputs, name: str) -> str | None:
    value = inputs.text(name)
    if value is not None:
        try:
            interval_of(value)
        except ValueError as error:
            raise InvalidParameterError(name, value, str(error)) from error
    return value


DOCREF: Operation[Context] = Operation(
    "docref",
    "http://hl7.org/fhir/us/core/OperationDefinition/docref",
    frozenset({"type"}),
    docref,
    frozenset({"DocumentReference"}),
)
