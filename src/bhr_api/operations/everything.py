"""Patient/$everything and Encounter/$everything: a whole record with what supports it (FHIR R4).

operation-patient-everything.html, operation-encounter-everything.html. The members come first, from the newest on, and then
what they refer to. Row ids never change, so a page goes on where the last one ended, whatever others write meanwhile.
"""

from bhr_api.errors import InvalidParameterError, MalformedRequestError
from bhr_api.fhir import bundles
from bhr_api.fhir.dates import BEGINNING, FOREVER, Interval, instant_text, interval_of
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES
from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation
from bhr_api.interactions.read import part_asked
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.operations.compartment import CompartmentRows, Filters
from bhr_api.operations.focus import read_focus
from bhr_api.operations.inputs import Inputs
from bhr_api.operations.operation_links import OperationWalk
from bhr_api.operations.record_page import RecordPage, Row

MAXIMUM_COUNT = 1000
_PARTS = ("_summary", "_elements")
_OF_ENCOUNTER = ("_since", "_type", "_count", *_PARTS)
_OF_PATIENT = (*_OF_ENCOUNTER, "start", "end")


async def everything(context: Context, request: Request) -> Result:
    """A page of the record of the patient or encounter that the address, or the token, names."""
    resource_type = request.resource_type
    known = _OF_PATIENT if resource_type == "Patient" else _OF_ENCOUNTER
    inputs = Inputs(request, (*known, "_cursor"))
    id = request.id or _patient_in_context(context)
    count, filters = _count(inputs), _filters(inputs)
    part = part_asked([(name, str(value)) for name in _PARTS for value in inputs.all(name)])
    walk = OperationWalk(context, f"{resource_type}/{id}/$everything", inputs, known)
    async with context.connection() as connection:
        focus = await read_focus(context, connection, resource_type, id, "$everything")
        rows = CompartmentRows(
            focus, filters, context.visibility, context.hasher, context.base_url, walk.position.bound
        )
        page = RecordPage(rows, walk.position, count)
        await page.read(connection)
    patients = [patient for patient in dict.fromkeys(row.patient for row in page.rows) if patient is not None]
    await context.record(
        context.event(
            "$everything",
            200,
            resource_type=resource_type,
            resource_id=id,
            query=walk.applied,
            patients=patients,
        )
    )
    links = walk.links(page.following)
    entries = [_entry(context, row, part(row.body)) for row in page.rows]
    return Result(
        200, bundles.bundle("searchset", instant_text(context.now()), total=None, links=links, entries=entries)
    )


def _patient_in_context(context: Context) -> str:
    """The one patient of the token. R4: without one "the server may choose to return an error rather than all the records"."""
    if context.caller.patient is None:
        raise MalformedRequestError(
            "The token has no patient in its context, so name one: Patient/[id]/$everything.", code="required"
        )
    return context.caller.patient


def _entry(context: Context, row: Row, body: bytes) -> bytes:
    full_url = f"{context.base_url}/{RESOURCE_TYPES[row.resource_type - 1]}/{row.id}"
    return bundles.search_entry(full_url, body, "match" if row.is_member else "include")


def _count(inputs: Inputs) -> int:
    value = inputs.one("_count")
    if value is None:
        return MAXIMUM_COUNT
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()) or int(text[:9]) == 0:
        raise InvalidParameterError("_count", text, "it is a whole number from 1")
    return min(int(text[:9]), MAXIMUM_COUNT)


def _filters(inputs: Inputs) -> Filters:
    since = _interval(inputs, "_since")
    start, end = _interval(inputs, "start"), _interval(inputs, "end")
    care = (start[0] if start else BEGINNING, end[1] if end else FOREVER) if start or end else None
    return Filters(_types(inputs), since[0] if since else None, care)


def _interval(inputs: Inputs, name: str) -> Interval | None:
    text = inputs.text(name)
    if text is None:
        return None
    try:
        return interval_of(text)
    except ValueError as error:
        raise InvalidParameterError(name, text, str(error)) from error


def _types(inputs: Inputs) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for value in inputs.all("_type"):
        for name in str(value).split(","):
            if name not in RESOURCE_TYPE_NUMBERS:
                raise InvalidParameterError("_type", name, "it is no R4 resource type (names are case-sensitive)")
            found[name] = None
    return tuple(found)


PATIENT_EVERYTHING: Operation[Context] = Operation(
    "everything",
    "http://hl7.org/fhir/OperationDefinition/Patient-everything",
    frozenset({"type", "instance"}),
    everything,
    frozenset({"Patient"}),
)
ENCOUNTER_EVERYTHING: Operation[Context] = Operation(
    "everything",
    "http://hl7.org/fhir/OperationDefinition/Encounter-everything",
    frozenset({"instance"}),
    everything,
    frozenset({"Encounter"}),
)
