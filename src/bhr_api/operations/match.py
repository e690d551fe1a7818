"""Patient/$match: who among the patients a description is of (FHIR R4, patient-operation-match.html).

Candidates are found by searches that an index answers: by identifier, by names with a date of birth, by telecom. Each is then
compared with the description (`match_score`).
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from bhr_api.errors import InvalidParameterError, Issue, MalformedRequestError
from bhr_api.fhir import bundles, json_text
from bhr_api.fhir.dates import instant_text
from bhr_api.fhir.definitions import Resource
from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation
from bhr_api.interactions.read import require
from bhr_api.interactions.requests import Parameters, Request
from bhr_api.interactions.results import Result
from bhr_api.interactions.sent_resources import check_resource
from bhr_api.interactions.terminologies import search_context
from bhr_api.operations.inputs import Inputs
from bhr_api.operations.match_score import Match, compared
from bhr_api.operations.search_values import escaped, token_of
from bhr_api.search.compiler import compile_page
from bhr_api.search.cursor import Position
from bhr_api.search.query import parse_query

CANDIDATES_OF_EACH = 100
MAXIMUM_MATCHES = 50
MATCH_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
_EVERYTHING = Position((), 0, (1 << 63) - 1)
_MOST_VALUES = 20


class Matched(NamedTuple):
    """A patient with how well the description fits."""

    match: Match
    id: str
    patient: int
    body: bytes


async def match(context: Context, request: Request) -> Result:
    """A searchset of the patients who may be meant, "ordered from most likely to least likely"."""
    require(context, "s", "Patient", "$match")
    inputs = Inputs(request, ("resource", "onlyCertainMatches", "count"), resource_name="resource")
    sent = _description(inputs)
    roads = list(_roads(sent))
    if not roads:
        raise MalformedRequestError(
            "$match needs an identifier, a telecom, or two of family name, given name and birth date.", code="required"
        )
    maximum, only_certain = _count(inputs), inputs.flag("onlyCertainMatches") or False
    found = sorted(await _candidates(context, sent, roads), key=_likelihood)
    matched, advice = _chosen(found, only_certain=only_certain)
    matched = matched[:maximum]
    # What describes a person is not written down; who was told of is.
    await context.record(
        context.event("$match", 200, resource_type="Patient", patients=[one.patient for one in matched])
    )
    entries = [_entry(context, one) for one in matched]
    if advice is not None:
        entries.append(bundles.outcome_entry([advice]))
    links = [("self", f"{context.base_url}/Patient/$match")]
    body = bundles.bundle("searchset", instant_text(context.now()), total=len(matched), links=links, entries=entries)
    return Result(200, body)


def _description(inputs: Inputs) -> Resource:
    sent = inputs.resource("resource")
    if sent is None:
        raise MalformedRequestError("$match needs a resource: what is known of a patient.", code="required")
    # R4: it need not be complete, "but it does have to be a valid instance".
    check_resource(sent, "Patient")
    return sent


def _roads(sent: Resource) -> Iterator[Parameters]:
    """The searches for candidates; each has a criterion that few patients meet, and an index for it."""
    identifiers = [one for one in sent.get("identifier", ()) if "value" in one]
    if identifiers:
        values = [
            token_of(one["system"], one["value"]) if "system" in one else escaped(one["value"]) for one in identifiers
        ]
        yield [("identifier", ",".join(values[:_MOST_VALUES]))]
    families = _any_of(name.get("family") for name in sent.get("name", ()))
    given = _any_of(text for name in sent.get("name", ()) for text in name.get("given", ()))
    birth = [("birthdate", sent["birthDate"])] if "birthDate" in sent else []
    if families and birth:
        yield [("family", families), *birth]
    if families and given:
        yield [("family", families), ("given", given)]
    if given and birth:
        yield [("given", given), *birth]
    telecoms = _any_of(one.get("value") for one in sent.get("telecom", ()))
    if telecoms:
        yield [("telecom", telecoms)]


def _any_of(texts: Any) -> str:
    return ",".join([escaped(text) for text in texts if text][:_MOST_VALUES])


async def _candidates(context: Context, sent: Resource, roads: Sequence[Parameters]) -> list[Matched]:
    found: dict[str, Matched] = {}
    for road in roads:
        query = parse_query("Patient", road, await search_context(context, road, context.now()))
        query.count = CANDIDATES_OF_EACH
        statement = compile_page(query, context.visibility, context.hasher, context.words.heavy, _EVERYTHING)
        async with context.connection() as connection:
            rows = await connection.fetch(statement.sql, *statement.values)
        for row in rows:
            if row["id"] not in found:
                fit = compared(sent, json_text.parse(row["body"]))
                found[row["id"]] = Matched(fit, row["id"], row["patient"], row["body"])
    return list(found.values())


def _likelihood(one: Matched) -> tuple[Decimal, str]:
    return -one.match.score, one.id


def _chosen(found: Sequence[Matched], *, only_certain: bool) -> tuple[list[Matched], Issue | None]:
    """R4: with onlyCertainMatches, "if there are multiple potential matches, then the match should not return the results"."""
    likely = [one for one in found if one.match.grade != "certainly-not"]
    if not only_certain:
        return likely, None
    certain = [one for one in likely if one.match.grade == "certain"]
    if len(certain) == 1:
        return certain, None
    number = f"{len(certain)} patients match with certainty" if certain else "No patient matches with certainty"
    sentence = (
        f"{number}, and {len(likely) - len(certain)} less surely; say more of the patient, or review all matches."
    )
    return [], Issue("information", "informational", sentence)


def _entry(context: Context, one: Matched) -> bytes:
    """R4: with "a search score from 0 to 1", and the match-grade extension."""
    score = format(one.match.score.normalize(), "f")
    search = b'{"extension":[{"url":%b,"valueCode":"%b"}],"mode":"match","score":%b}' % (
        bundles.quoted(MATCH_GRADE),
        one.match.grade.encode(),
        score.encode(),
    )
    full_url = bundles.quoted(f"{context.base_url}/Patient/{one.id}")
    return b'{"fullUrl":%b,"resource":%b,"search":%b}' % (full_url, one.body, search)


def _count(inputs: Inputs) -> int:
    value = inputs.one("count")
    if value is None:
        return MAXIMUM_MATCHES
    text = str(value)
    if not (text.isascii() and text.isdecimal()) or int(text[:9]) == 0:
        raise InvalidParameterError("count", text, "it is a whole number from 1")
    return min(int(text[:9]), MAXIMUM_MATCHES)


MATCH: Operation[Context] = Operation(
    "match",
    "http://hl7.org/fhir/OperationDefinition/Patient-match",
    frozenset({"type"}),
    match,
    frozenset({"Patient"}),
)
