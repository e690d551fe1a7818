"""uri parameters: whole URIs, compared exactly (FHIR R4, search.html#uri)."""

from bhr_api.search.criteria import AnyToken, Criterion
from bhr_api.search.entry import IndexEntry
from bhr_api.search.escapes import unescape
from bhr_api.search.parameters import Parameter
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types.token import TypedValue

MODIFIERS: frozenset[str] = frozenset()


def index(parameter: Parameter, values: list[TypedValue], entry: IndexEntry) -> None:
    """Leave each URI as it stands; a canonical resource's own also as what references to it are made of."""
    for _, value in values:
        if isinstance(value, str):
            entry.tokens.add(entry.hasher.code(parameter.resource_type, parameter.code, value))
            if parameter.code == "url":
                entry.tokens.add(entry.hasher.url(value))


def match(parameter: Parameter, values: list[str], hasher: TokenHasher) -> Criterion:
    """Rows that have one of `values`."""
    return AnyToken(tuple(hasher.code(parameter.resource_type, parameter.code, unescape(value)) for value in values))
