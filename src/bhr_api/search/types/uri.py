"""uri parameters: whole URIs, compared exactly, or by whole segments of their paths (FHIR R4, search.html#uri)."""

from bhr_api.errors import UnsupportedModifierError
from bhr_api.search.body_values import InBody, has_body_values
from bhr_api.search.criteria import AnyToken, Criterion, either
from bhr_api.search.entry import IndexEntry
from bhr_api.search.escapes import unescape
from bhr_api.search.parameters import Parameter
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types.token import TypedValue
from bhr_api.store.sql import Binder

MODIFIERS = frozenset({"above", "below"})


def index(parameter: Parameter, values: list[TypedValue], entry: IndexEntry) -> None:
    """Leave each URI as it stands; a canonical resource's own also as what references to it are made of."""
    for _, value in values:
        if isinstance(value, str):
            entry.tokens.add(entry.hasher.code(parameter.resource_type, parameter.code, value))
            if parameter.code == "url":
                entry.tokens.add(entry.hasher.url(value))
                if entry.version:
                    entry.tokens.add(entry.hasher.url(f"{value}|{entry.version}"))


def match(parameter: Parameter, modifier: str | None, values: list[str], hasher: TokenHasher) -> Criterion:
    """Rows that have one of `values`, or one that is above or below it."""
    wanted = [unescape(value) for value in values]
    if modifier == "below":
        return either([_below(parameter, uri) for uri in wanted])
    if modifier == "above":
        wanted = [above for uri in wanted for above in _above(uri)]
    tokens = [hasher.code(parameter.resource_type, parameter.code, uri) for uri in wanted]
    if parameter.code == "url":
        # search.html#uri: a canonical resource is found by url|version, as a reference to it would name it.
        tokens += [hasher.url(uri) for uri in wanted if "|" in uri]
    return AnyToken(tuple(tokens))


def _above(uri: str) -> list[str]:
    """`uri` and what its path begins with, with and without the slash; "only URLs, and not URNs such as OIDs"."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return [uri]
    segments = rest.rstrip("/").split("/")
    heads = [f"{scheme}://{'/'.join(segments[:count])}" for count in range(1, len(segments) + 1)]
    return [uri, *(form for head in heads for form in (head, f"{head}/"))]


def _below(parameter: Parameter, uri: str) -> Criterion:
    """What lies under the path, and, of a canonical, its versions."""
    if not has_body_values(parameter, {}):
        raise UnsupportedModifierError(
            f"{parameter.code}:below", "the values of this parameter are held as hashes only"
        )
    head = uri.rstrip("/") if "://" in uri else uri

    def where(binder: Binder) -> str:
        place = binder.bind(head, "text")
        under = f" OR starts_with(b.value, {place} || '/')" if "://" in uri else ""
        return f"(b.value = {place} OR starts_with(b.value, {place} || '|'){under})"

    return InBody(parameter, {}, where)
