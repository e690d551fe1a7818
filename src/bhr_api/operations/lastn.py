"""Observation/$lastn: the newest observations of each code (FHIR R4, observation-operation-lastn.html)."""

from contextlib import aclosing
from urllib.parse import quote

from bhr_api.errors import (
    InvalidParameterError,
    Issue,
    MalformedRequestError,
    TooCostlyError,
    UnsupportedParameterError,
)
from bhr_api.fhir import bundles
from bhr_api.fhir.dates import instant_text
from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation
from bhr_api.interactions.read import require
from bhr_api.interactions.requests import Parameters, Request
from bhr_api.interactions.results import Result
from bhr_api.operations.found_observations import Found, found_observations, query_of
from bhr_api.operations.inputs import Inputs
from bhr_api.operations.newest_by_code import NewestByCode, codes_of
from bhr_api.search.query import SearchQuery

MAXIMUM_RESULTS = 1000
# What shapes the pages of a search; the answer here is one bundle in the order that the operation has.
_SHAPE = frozenset({"_sort", "_count", "_include", "_revinclude", "_total", "_summary", "_elements", "_cursor"})


async def lastn(context: Context, request: Request) -> Result:
    """A searchset of the newest `max` observations of each code among those that the other parameters find."""
    require(context, "s", "Observation", "$lastn")
    given = Inputs(request, None).texts()
    criteria = [(name, value) for name, value in given if name != "max"]
    maximum = _maximum([value for name, value in given if name == "max"])
    _require_criteria(context, criteria)
    query = await query_of(context, criteria)
    found = await _newest(context, query, maximum)
    applied = _encoded([*query.applied, *(pair for pair in given if pair[0] == "max")])
    patients = [patient for patient in dict.fromkeys(one.patient for one in found) if patient is not None]
    await context.record(context.event("$lastn", 200, resource_type="Observation", query=applied, patients=patients))
    links = [("self", f"{context.base_url}/Observation/$lastn?{applied}")]
    entries = [bundles.search_entry(f"{context.base_url}/Observation/{one.id}", one.body, "match") for one in found]
    total = len(entries)
    if query.ignored:
        entries.append(bundles.outcome_entry([_ignored(name) for name in query.ignored]))
    body = bundles.bundle("searchset", instant_text(context.now()), total=total, links=links, entries=entries)
    return Result(200, body)


async def _newest(context: Context, query: SearchQuery, maximum: int) -> list[Found]:
    newest: NewestByCode[Found] = NewestByCode(maximum)
    async with context.connection() as connection, aclosing(found_observations(context, connection, query)) as found:
        async for one in found:
            # What is kept needs its text only.
            newest.add(codes_of(one.resource), one.taken, one._replace(resource={}))
            if len(newest) > 2 * MAXIMUM_RESULTS:
                break
    if len(newest) > MAXIMUM_RESULTS:
        raise TooCostlyError(f"The answer would hold more than {MAXIMUM_RESULTS} observations; narrow the criteria.")
    return newest.newest()


def _maximum(given: list[str]) -> int:
    if not given:
        return 1
    text = given[0]
    if len(given) > 1 or not (text.isascii() and text.isdecimal()) or int(text[:9]) == 0:
        raise InvalidParameterError("max", text, "it is one whole number from 1")
    return min(int(text[:9]), MAXIMUM_RESULTS)


def _require_criteria(context: Context, criteria: Parameters) -> None:
    """R4: "The request for a lastn query SHALL include" a subject, and a category or a parameter about codes."""
    codes = [name.partition(":")[0] for name, _ in criteria]
    shaping = next((code for code in codes if code in _SHAPE), None)
    if shaping is not None:
        raise UnsupportedParameterError(shaping, "$lastn answers with one bundle, the newest first")
    is_about_one = context.visibility.is_of_one_patient("Observation", "s")
    if not is_about_one and not any(code.partition(".")[0] in ("patient", "subject") for code in codes):
        raise MalformedRequestError("$lastn needs a patient or subject, such as patient=[id].", code="required")
    if not any(code == "category" or "code" in code.split("-") for code in codes):
        raise MalformedRequestError("$lastn needs a category or code, such as category=survey.", code="required")


def _encoded(parameters: Parameters) -> str:
    return "&".join(f"{quote(name, safe=':*-_.')}={quote(value, safe=':/,|$*-_.')}" for name, value in parameters)


def _ignored(name: str) -> Issue:
    return Issue("warning", "not-supported", f"The parameter {name!r} is not known here and was not applied.")


LASTN: Operation[Context] = Operation(
    "lastn",
    "http://hl7.org/fhir/OperationDefinition/Observation-lastn",
    frozenset({"type"}),
    lastn,
    frozenset({"Observation"}),
)
