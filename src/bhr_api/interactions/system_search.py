"""search of the whole server, or of several types by `_type` (FHIR R4, http.html#search).

"The parameters that can be used are those common to all types": a parameter must be one of each type that is searched.
"""

from datetime import datetime

from bhr_api.errors import ForbiddenError, InvalidParameterError, MalformedRequestError, UnsupportedParameterError
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES
from bhr_api.interactions.context import Context
from bhr_api.interactions.read import require
from bhr_api.interactions.requests import SERVER_WRITTEN, Request
from bhr_api.interactions.results import Result
from bhr_api.interactions.search import answer
from bhr_api.interactions.terminologies import search_context
from bhr_api.search.order import LAST_CHANGED
from bhr_api.search.query import MAXIMUM_INCLUDES, SearchQuery, parse_query


async def search_system(context: Context, request: Request) -> Result:
    """A searchset of the matches of every type that is asked for and that the caller may search."""
    now = context.now()
    return await answer(context, request, await system_queries(context, request, now), "", now)


async def system_queries(context: Context, request: Request, now: datetime) -> list[SearchQuery]:
    """What is asked of each type. Raises ForbiddenError, InvalidParameterError, UnsupportedParameterError."""
    types = _types(context, request)
    others = [(name, value) for name, value in request.parameters if name != "_type"]
    asked_in = await search_context(context, others, now)
    # What a query may lead to is counted for each type; the terminology is that of all.
    queries = [parse_query(name, others, asked_in.afresh()) for name in types]
    _take_one_order(queries)
    _take_all_includes(queries)
    asked = [(name, value) for name, value in request.parameters if name == "_type" and value]
    queries[0].applied[:0] = asked
    return queries


def _types(context: Context, request: Request) -> list[str]:
    named = [
        name for parameter, value in request.parameters if parameter == "_type" for name in value.split(",") if name
    ]
    for name in named:
        if name not in RESOURCE_TYPE_NUMBERS:
            raise InvalidParameterError("_type", name, "it is a list of R4 resource types, joined by commas")
        if name in SERVER_WRITTEN:
            raise UnsupportedParameterError("_type", f"{name} is searched by itself: GET {name}?...")
        require(context, "s", name, "search")
    types = list(dict.fromkeys(named)) or [
        name for name in RESOURCE_TYPES if name not in SERVER_WRITTEN and context.caller.may("s", name)
    ]
    if not types:
        raise ForbiddenError("The token has no scope to search any type.")
    return types


def _take_one_order(queries: list[SearchQuery]) -> None:
    """All types are walked by the same keys: as asked, or what changed last first."""
    if not all(query.sort for query in queries):
        for query in queries:
            query.sort = (LAST_CHANGED,)
    kinds = {tuple((key.code, key.type, key.descending) for key in query.order) for query in queries}
    if len(kinds) > 1:
        raise UnsupportedParameterError(
            "_sort", "the values of this parameter are of another kind in each of the types"
        )


def _take_all_includes(queries: list[SearchQuery]) -> None:
    """The page is of all types, and so is what comes with it: `_include=*` stands for the references of each."""
    includes = list(dict.fromkeys(include for query in queries for include in query.includes))
    if len(includes) > MAXIMUM_INCLUDES:
        raise MalformedRequestError(
            f"_include=* of more than {MAXIMUM_INCLUDES} types is too much at once; name the types, as in _type=Patient,Goal.",
            code="too-costly",
        )
    queries[0].includes = includes
