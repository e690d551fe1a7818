"""token parameters by value set and hierarchy: `:in`, `:above`, `:below` (FHIR R4, search.html#token and #modifiers).

What cannot be told is refused, never answered with nothing.
"""

from collections.abc import Iterable

from bhr_api.errors import InvalidParameterError, TooCostlyError
from bhr_api.fhir.terminology.errors import CannotExpandError, UnknownValueSetError
from bhr_api.fhir.terminology.terminology import Terminology
from bhr_api.search.body_values import InBody
from bhr_api.search.criteria import NOTHING, AnyToken, Criterion, either
from bhr_api.search.escapes import escaped, split_pipes, unescape
from bhr_api.search.parameters import Parameter, implied_systems, is_of_media_types
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types import token
from bhr_api.store.sql import Binder

MODIFIERS = frozenset({"in", "above", "below"})

MAXIMUM_CODES = 10_000
"""Of the value sets and hierarchies that one value asks for."""


def match(
    parameter: Parameter, modifier: str, values: list[str], hasher: TokenHasher, terminology: Terminology
) -> Criterion:
    """Rows with a code of a value set, or with one that is above or below another.

    Raises InvalidParameterError, CannotExpandError, TooCostlyError where the terminology cannot tell the codes.
    """
    name = f"{parameter.code}:{modifier}"
    try:
        return either([_match_one(parameter, modifier, value, hasher, terminology) for value in values])
    except UnknownValueSetError as error:
        reason = "it is the canonical of a ValueSet that is stored or in a loaded package"
        raise InvalidParameterError(name, ",".join(values), reason) from error
    except CannotExpandError as error:
        sentence = f"Search parameter {name!r}: {error.issues[0].diagnostics}"
        raise CannotExpandError(sentence, expression=f"http.{name}") from error


def _match_one(
    parameter: Parameter, modifier: str, value: str, hasher: TokenHasher, terminology: Terminology
) -> Criterion:
    if modifier == "in":
        return _in_value_set(parameter, unescape(value), hasher, terminology)
    if modifier == "below" and "|" not in value and is_of_media_types(parameter):
        return _below_media_type(parameter, unescape(value))
    system, code = [*split_pipes(value), ""][:2]
    if not system or not code:
        raise InvalidParameterError(f"{parameter.code}:{modifier}", value, "it is system|code")
    reached = terminology.ancestors if modifier == "above" else terminology.descendants
    return _one_of(parameter, [(system, one) for one in reached(system, code)], hasher)


def _in_value_set(parameter: Parameter, value_set: str, hasher: TokenHasher, terminology: Terminology) -> Criterion:
    systems = terminology.whole_systems(value_set)
    if systems is not None:
        # Any code of the systems: they need not be loaded.
        return token.match(parameter, [f"{escaped(system)}|" for system in systems], hasher)
    entries = terminology.expand(value_set, allow_abstract=True).entries
    return _one_of(parameter, [(entry.system, entry.code) for entry in entries], hasher)


def _below_media_type(parameter: Parameter, wanted: str) -> Criterion:
    """search.html#mimetype: `text` finds text/xml, and `text/xml` that with any parameters. Letter case means nothing."""

    def where(binder: Binder) -> str:
        whole, place = "lower(b.value)", binder.bind(wanted.strip().lower(), "text")
        base = f"btrim(split_part({whole}, ';', 1))"
        return f"({whole} = {place} OR {base} = {place} OR split_part({base}, '/', 1) = {place})"

    return InBody(parameter, {}, where)


def _one_of(parameter: Parameter, codes: Iterable[tuple[str, str]], hasher: TokenHasher) -> Criterion:
    implied = implied_systems(parameter)
    tokens: dict[int, None] = {}
    for system, code in codes:
        tokens[hasher.system_code(parameter.resource_type, parameter.code, system, code)] = None
        if system in implied:
            tokens[hasher.system_code(parameter.resource_type, parameter.code, "", code)] = None
    if len(tokens) > MAXIMUM_CODES:
        raise TooCostlyError(
            f"{parameter.code} is asked for {len(tokens)} codes; at most {MAXIMUM_CODES} are searched."
        )
    return AnyToken(tuple(tokens), parameter.is_ordered) if tokens else NOTHING
