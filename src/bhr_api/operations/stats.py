"""Observation/$stats: statistics over a patient's measurements (FHIR R4, observation-operation-stats.html)."""

from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from typing import Any

from bhr_api.fhir import json_text, ucum
from bhr_api.fhir.dates import interval_of
from bhr_api.fhir.definitions import Resource
from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation
from bhr_api.interactions.read import require
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.operations.found_observations import Found, found_observations, query_of
from bhr_api.operations.inputs import Inputs
from bhr_api.operations.measurements import Coding, Measurements, Series
from bhr_api.operations.search_values import escaped
from bhr_api.operations.statistics import STATISTICS, SYSTEM, Figure, figures
from bhr_api.operations.stats_inputs import KNOWN, Asked, asked_of
from bhr_api.store.database import Connection

_MEMBERS_AT_ONCE = 500
_NONE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "not-applicable"}]}


async def stats(context: Context, request: Request) -> Result:
    """Parameters with one Observation of statistics for each code, and the observations they rest on if asked for."""
    require(context, "s", "Observation", "$stats")
    asked = asked_of(Inputs(request, KNOWN), context.now())
    gathered = Measurements(asked.codings, context.base_url)
    sources = _Sources(asked.limit)
    async with context.connection() as connection:
        await _gather(context, connection, asked, gathered, sources)
        await _gather_members(context, connection, asked, gathered, sources)
    # Before the audit, since units that do not agree are a refusal.
    told = [_observation(asked, coding, series) for coding, series in gathered.told()]
    await context.record(
        context.event("$stats", 200, resource_type="Observation", query=asked.applied, patients=list(sources.patients))
    )
    return Result(200, _parameters(told, sources.bodies))


class _Sources:
    """Whose observations were reckoned with, and the text of the newest `limit` of them."""

    def __init__(self, limit: int) -> None:
        self.patients: dict[int, None] = {}
        self.bodies: list[bytes] = []
        self._limit = limit
        self._seen: set[str] = set()

    def add(self, one: Found) -> None:
        if one.id in self._seen:
            return
        self._seen.add(one.id)
        if one.patient is not None:
            self.patients[one.patient] = None
        if len(self.bodies) < self._limit:
            self.bodies.append(one.body)


async def _gather(
    context: Context, connection: Connection, asked: Asked, gathered: Measurements, sources: _Sources
) -> None:
    query = await query_of(context, asked.criteria)
    async with aclosing(found_observations(context, connection, query)) as found:
        async for one in found:
            gathered.add(one.resource, _time_of(one.resource))
            sources.add(one)


async def _gather_members(
    context: Context, connection: Connection, asked: Asked, gathered: Measurements, sources: _Sources
) -> None:
    """Observations that panels refer to, as far as they are of the same subject and not in error."""
    ids = list(gathered.members)
    for start in range(0, len(ids), _MEMBERS_AT_ONCE):
        named = ",".join(escaped(id) for id in ids[start : start + _MEMBERS_AT_ONCE])
        query = await query_of(context, [("_id", named), *asked.about_subject])
        async with aclosing(found_observations(context, connection, query)) as found:
            async for one in found:
                gathered.add_member(one.resource, _time_of(one.resource))
                sources.add(one)


def _time_of(observation: Resource) -> datetime | None:
    """When it was measured: the beginning of a period."""
    period = observation.get("effectivePeriod", {})
    text = observation.get("effectiveDateTime") or observation.get("effectiveInstant") or period.get("start")
    return None if text is None else interval_of(text)[0]


def _observation(asked: Asked, coding: Coding, series: Series) -> Resource:
    """R4: with "a subject, effectivePeriod, and code reflecting the input parameters. The status is fixed to `final`"."""
    sample = series.sample(coding)
    told = [(code, figure) for code in asked.statistics for figure in figures(code, sample)]
    code = {**({"system": coding.system} if coding.system else {}), "code": coding.code}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [code]},
        "subject": {"reference": asked.subject},
        **({"effectivePeriod": asked.period} if asked.period else {}),
        "component": [_component(statistic, figure, *series.unit) for statistic, figure in told],
    }


def _component(statistic: str, figure: Figure, unit: str, display: str) -> Resource:
    coding = {"system": SYSTEM, "code": statistic, "display": STATISTICS[statistic][0]}
    code = {"coding": [coding], **({"text": figure.text} if figure.text else {})}
    if figure.value is None:
        return {"code": code, "dataAbsentReason": _NONE}
    return {"code": code, "valueQuantity": _quantity(figure.value, *_unit(figure.dimension, unit, display))}


def _unit(dimension: str, unit: str, display: str) -> tuple[str, str]:
    """(code, display). UCUM 2.1 §7: products are read from left to right, and an exponent stands at a simple unit only."""
    match dimension:
        case "unit":
            return unit, display
        case "unit/d":
            return f"{unit}/d", f"{display}/d"
        case "unit2":
            squared = f"{unit}{unit}" if unit.startswith("/") else f"{unit}.{unit}"
            return squared, squared
    return "1", ""


def _quantity(value: Decimal, code: str, display: str) -> dict[str, Any]:
    named = {"unit": display} if display else {}
    return {"value": value, **named, "system": ucum.SYSTEM, "code": code}


def _parameters(told: list[Resource], sources: list[bytes]) -> bytes:
    parts = [b'{"name":"statistics","resource":%b}' % json_text.dumps(one) for one in told]
    parts += [b'{"name":"source","resource":%b}' % body for body in sources]
    return b'{"resourceType":"Parameters","parameter":[%b]}' % b",".join(parts)


STATS: Operation[Context] = Operation(
    "stats",
    "http://hl7.org/fhir/OperationDefinition/Observation-stats",
    frozenset({"type"}),
    stats,
    frozenset({"Observation"}),
)
