"""The restrictions of scopes, `patient/Observation.rs?category=survey`, as tokens that a row carries.

SMART App Launch 2.2, scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters. A restriction
is enforced wherever a row is met, a version in the history among them, so it must be decided by what every version
keeps: the tokens of its codes and uris. Others are refused (`reason_against`), never passed over.
"""

from collections.abc import Collection
from functools import lru_cache

from bhr_api.access import Restriction
from bhr_api.errors import RefusalError
from bhr_api.search.criteria import AnyToken
from bhr_api.search.escapes import split_commas
from bhr_api.search.parameters import ROW_PARAMETERS, Parameter, parameters_of
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types import token, uri

Demands = tuple[tuple[int, ...], ...]
"""For each parameter the tokens of which a row has to carry one."""

_ENFORCEABLE = ("token", "uri")


def reason_against(resource_type: str, restriction: Restriction) -> str | None:
    """Why the restriction cannot be enforced; None where it can."""
    for code, _ in restriction:
        parameter = parameters_of(resource_type).get(code)
        if parameter is None:
            return f"{resource_type} has no search parameter {code!r}"
        if parameter.type not in _ENFORCEABLE or parameter.code in ROW_PARAMETERS or parameter.made_of:
            return f"a scope can be restricted by codes and uris, and {code!r} is neither"
    if demands(resource_type, restriction, _PROBE) is None:
        return "a value is not of the form that the search parameter takes"
    return None


@lru_cache(maxsize=4096)
def demands(resource_type: str, restriction: Restriction, hasher: TokenHasher) -> Demands | None:
    """The tokens that the restriction asks for; None where it cannot be enforced, so that it allows nothing."""
    found = []
    for code, value in restriction:
        parameter = parameters_of(resource_type).get(code)
        tokens = None if parameter is None else _tokens(parameter, value, hasher)
        if not tokens:
            return None
        found.append(tokens)
    return tuple(found)


def _tokens(parameter: Parameter, value: str, hasher: TokenHasher) -> tuple[int, ...] | None:
    if parameter.type not in _ENFORCEABLE or parameter.code in ROW_PARAMETERS or parameter.made_of:
        return None
    values = [one for one in split_commas(value) if one]
    try:
        if parameter.type == "token":
            criterion = token.match(parameter, values, hasher)
        else:
            criterion = uri.match(parameter, None, values, hasher)
    except RefusalError:
        return None
    return criterion.tokens if isinstance(criterion, AnyToken) else None


def are_met(wanted: Demands, tokens: Collection[int]) -> bool:
    """Whether a version with these tokens meets all demands."""
    carried = frozenset(tokens)
    return all(not carried.isdisjoint(alternatives) for alternatives in wanted)


_PROBE = TokenHasher(bytes(32))
