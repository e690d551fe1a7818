"""How each criterion of a search is used on the road that its statement takes, and what would shorten it (docs/explain.md)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bhr_api.operations.explained_plan import Execution
from bhr_api.search.chain import Chained, Referred
from bhr_api.search.criteria import AnyToken, Both, Criterion, Either, Heavy, Not, OfPatient
from bhr_api.search.parameters import MAIN_DATES, parameters_of
from bhr_api.search.query import SearchQuery
from bhr_api.search.roads import Road, RoadName
from bhr_api.search.types.date import OnLastUpdated, OnMainDate

MEANINGS: dict[RoadName, str] = {
    "record": "The record of the patient is read, by the index on patient, type and date.",
    "postings": "The postings of the code are walked in the order of the page.",
    "tokens": "The GIN index gives the resources that have the value.",
    "index": "An index gives the resources that meet the criterion that drives, or the planner walks in the order of the page.",
    "id": "The primary key gives the resources by their ids.",
    "order": "All resources of the type are walked in the order of the page, until the page is full.",
}

Use = Literal["drives", "bounds", "filters"]
_BEST_FIRST: tuple[Use, ...] = ("drives", "bounds")

_MANY_ROWS = 1_000
_WASTE = 20
_LARGE_PAGE = 200
# Keys that an index of the row itself is ordered by.
_INDEXED_KEYS = frozenset({"r.date_start", "r.last_updated"})


@dataclass(frozen=True, slots=True)
class UsedParameter:
    """A parameter that is a criterion, and how its conditions are used; `is_heavy`: very many resources have its value."""

    name: str
    criteria: tuple[Criterion, ...]
    use: Use
    is_heavy: bool


def used_parameter(
    name: str, criteria: Sequence[Criterion], road: Road, query: SearchQuery, heavy: Heavy
) -> UsedParameter:
    """How the `criteria` that a parameter spells are used."""
    uses = [_use(criterion, road, query) for criterion in criteria]
    best: Use = next((use for use in _BEST_FIRST if use in uses), "filters")
    is_heavy = not heavy.isdisjoint(token for criterion in criteria for token in _tokens(criterion))
    return UsedParameter(name, tuple(criteria), best, is_heavy)


def _use(criterion: Criterion, road: Road, query: SearchQuery) -> Use:
    if any(criterion is driving for driving in road.driving):
        return "drives"
    if road.name in ("record", "postings", "order") and len(query.order) == 1:
        key = query.order[0].expression
        if (key == "r.date_start" and isinstance(criterion, OnMainDate)) or (
            key == "r.last_updated" and isinstance(criterion, OnLastUpdated)
        ):
            return "bounds"
    return "filters"


def _tokens(criterion: Criterion) -> Iterator[int]:
    match criterion:
        case AnyToken():
            yield from criterion.tokens
        case Either() | Both():
            for part in criterion.criteria:
                yield from _tokens(part)
        case Not():
            yield from _tokens(criterion.criterion)
        case Chained() | Referred():
            for part in criterion.inner:
                yield from _tokens(part)


def most_work(executions: Sequence[Execution]) -> str | None:
    """A sentence about the node that looked at most rows; None where nothing was looked at."""
    visits = [visit for execution in executions for visit in execution.visits if visit.rows]
    if not visits:
        return None
    most = max(visits, key=lambda visit: visit.rows or 0)
    by = f" by the index {most.index}" if most.index else ""
    return f"Most rows, {most.rows}, were looked at in {most.table}{by} ({most.node}, {most.loops} times)."


def advice(query: SearchQuery, road: Road, used: Sequence[UsedParameter], executions: Sequence[Execution]) -> list[str]:
    """Sentences that say what would make the search faster."""
    found = list(_about_form(query, road, used))
    if any(_is_wasteful(execution) for execution in executions):
        found += _about_criteria(query, road, used)
    return found


def _is_wasteful(execution: Execution) -> bool:
    if execution.is_cut:
        return True
    return execution.rows_visited > max(_MANY_ROWS, _WASTE * (execution.rows_given or 0))


def _about_form(query: SearchQuery, road: Road, used: Sequence[UsedParameter]) -> Iterator[str]:
    """What is worth changing however many rows there are."""
    for one in used:
        if one.name in ("_content", "_text"):
            yield f"{one.name} reads the text of every resource that the other criteria leave; let them leave few."
    unindexed = [key.code for key in query.sort if key.expression not in _INDEXED_KEYS]
    if unindexed and road.name != "record":
        yield (
            f"To sort by {', '.join(unindexed)}, every match is found before the first is shown; by _lastUpdated or the main"
            " date of the type, the walk ends with the page."
        )
    if query.total == "accurate" or query.summary == "count":
        yield "An accurate count looks at every match; _total=estimate at no more than ten thousand."
    if query.count > _LARGE_PAGE:
        yield f"A page of {query.count} resources is large; a smaller _count answers sooner, and the next link goes on."
    if any(include.iterate for include in query.includes):
        yield "An include with :iterate goes on from whatever it finds; name the parameters that are needed."


def _about_criteria(query: SearchQuery, road: Road, used: Sequence[UsedParameter]) -> Iterator[str]:
    """What would leave fewer rows to look at."""
    served = parameters_of(query.resource_type)
    patient = next((code for code, parameter in served.items() if parameter.is_patient), None)
    criteria = [criterion for one in used for criterion in one.criteria]
    if patient is not None and not any(isinstance(criterion, OfPatient) for criterion in criteria):
        yield f"Name the patient ({patient}=...): a patient's record is read by an index of its own."
    main_date = MAIN_DATES.get(query.resource_type)
    if main_date is not None and not any(isinstance(criterion, OnMainDate) for criterion in criteria):
        yield f"Give a period ({main_date}=ge...): the walk in the order of {main_date} then ends with it."
    for one in used:
        if one.is_heavy and one.use == "filters":
            yield f"So many resources have the value of {one.name} that it only filters; add what fewer have."
        if one.use == "filters" and any(isinstance(criterion, Chained | Referred) for criterion in one.criteria):
            yield f"{one.name} is followed from each resource in turn; ask at its end for what few have, such as an identifier."
    if road.name == "order" and not criteria:
        yield "Nothing narrows the search: a criterion would."
