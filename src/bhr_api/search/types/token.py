"""token parameters: codes, identifiers, booleans and the like, by system and code (FHIR R4, search.html#token).

Codes are compared exactly. R4 leaves case to the code system; what a search adds by folding, a conditional write would
merge, so it is not done (docs/search.md).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bhr_api.errors import InvalidParameterError, UnsupportedModifierError
from bhr_api.search.body_values import TEXTS, InBody, has_body_values
from bhr_api.search.criteria import EVERYTHING, AnyToken, Criterion, either
from bhr_api.search.entry import IndexEntry
from bhr_api.search.escapes import split_pipes, unescape
from bhr_api.search.folding import normalised, normalised_sql
from bhr_api.search.parameters import Parameter, implied_systems
from bhr_api.search.tokens import TokenHasher

MODIFIERS = frozenset({"not", "text", "of-type", "in", "not-in", "above", "below"})
# The modifiers that deny, and what they deny.
NEGATIONS: Mapping[str | None, str | None] = {"not": None, "not-in": "in"}

TypedValue = tuple[str, Any]


def codings(values: list[TypedValue]) -> Iterator[tuple[str | None, str]]:
    """(system or None, code) of each value, by the table in search.html#token."""
    for type_code, value in values:
        if type_code == "CodeableConcept":
            for coding in value.get("coding", ()):
                if coding and "code" in coding:
                    yield coding.get("system"), coding["code"]
        elif type_code == "Coding":
            if "code" in value:
                yield value.get("system"), value["code"]
        elif type_code == "Identifier":
            if "value" in value:
                yield value.get("system"), value["value"]
        elif type_code == "ContactPoint":
            if "value" in value:
                yield value.get("use"), value["value"]
        elif isinstance(value, bool):
            yield None, "true" if value else "false"
        elif isinstance(value, str):
            yield None, value


def index(parameter: Parameter, values: list[TypedValue], entry: IndexEntry) -> None:
    """Leave `code`, `system|code` (or `|code`) and `system|` for each coding."""
    for system, code in codings(values):
        found = tokens_of(entry.hasher, parameter.resource_type, parameter.code, system, code)
        entry.tokens.update(found)
        if parameter.is_ordered:
            # Nobody walks a population by `system|` alone.
            entry.ordered.update(found[:2])
    for type_code, value in values:
        if type_code == "Identifier" and "value" in value:
            entry.tokens.update(
                _typed(parameter, system, code, value["value"], entry.hasher)
                for system, code in codings([("CodeableConcept", value.get("type", {}))])
                if system is not None
            )


def tokens_of(
    hasher: TokenHasher, resource_type: str, parameter: str, system: str | None, code: str
) -> tuple[int, ...]:
    """All tokens by which a search can ask for the coding."""
    forms = (
        hasher.code(resource_type, parameter, code),
        hasher.system_code(resource_type, parameter, system or "", code),
    )
    return forms if system is None else (*forms, hasher.system(resource_type, parameter, system))


def asked_token(hasher: TokenHasher, resource_type: str, parameter: str, value: str) -> int:
    """The token of one query value: `code`, `system|code`, `|code` or `system|`."""
    parts = split_pipes(value)
    if len(parts) == 1:
        return hasher.code(resource_type, parameter, parts[0])
    if len(parts) != 2 or not (parts[0] or parts[1]):
        raise InvalidParameterError(parameter, value, "a token is code, system|code, |code or system|")
    system, code = parts
    if not code:
        return hasher.system(resource_type, parameter, system)
    return hasher.system_code(resource_type, parameter, system, code)


def match(parameter: Parameter, values: list[str], hasher: TokenHasher) -> Criterion:
    """Rows that have one of `values`."""
    if parameter.is_mandatory and any(_is_implied_system(parameter, value) for value in values):
        return EVERYTHING
    asked = [asked_token(hasher, parameter.resource_type, parameter.code, value) for value in values]
    implied = [_under_implied_system(parameter, value, hasher) for value in values if "|" in value]
    found = [*asked, *(token for token in implied if token is not None)]
    is_ordered = parameter.is_ordered and not any(value.endswith("|") for value in values)
    return either([AnyToken((token,), is_ordered) for token in found])


def match_by(parameter: Parameter, modifier: str | None, values: list[str], hasher: TokenHasher) -> Criterion:
    """Rows that have one of `values`, as the modifier `text` or `of-type` says."""
    match modifier:
        case "text":
            return either([_of_text(parameter, unescape(value)) for value in values])
        case "of-type":
            return AnyToken(tuple(_of_type(parameter, value, hasher) for value in values))
    return match(parameter, values, hasher)


def _of_text(parameter: Parameter, text: str) -> Criterion:
    """:text: the text or display begins so, as in a string search."""
    if not has_body_values(parameter, TEXTS):
        raise UnsupportedModifierError(f"{parameter.code}:text", "the values of this parameter have no text")
    return InBody(
        parameter,
        TEXTS,
        lambda binder: f"starts_with({normalised_sql('b.value')}, {binder.bind(normalised(text), 'text')})",
    )


def _of_type(parameter: Parameter, value: str, hasher: TokenHasher) -> int:
    """:of-type: `system|code|value`, where system and code are of Identifier.type."""
    parts = split_pipes(value)
    if len(parts) != 3 or not all(parts):
        raise InvalidParameterError(f"{parameter.code}:of-type", value, "it is system|code|value, all three given")
    system, code, number = parts
    return _typed(parameter, system, code, number, hasher)


def _typed(parameter: Parameter, system: str, code: str, value: str, hasher: TokenHasher) -> int:
    return hasher.system_code(parameter.resource_type, f"{parameter.code}:of-type", f"{system}|{code}", value)


def _is_implied_system(parameter: Parameter, value: str) -> bool:
    """Whether `system|` asks for whatever the `code` elements of the parameter hold."""
    system, code, *_ = [*split_pipes(value), "", ""]
    return not code and system in implied_systems(parameter)


def _under_implied_system(parameter: Parameter, value: str, hasher: TokenHasher) -> int | None:
    """What `system|code` asks of `code` elements, whose system is implied."""
    system, code, *_ = [*split_pipes(value), ""]
    if not system or system not in implied_systems(parameter):
        return None
    if not code:
        return hasher.present(parameter.resource_type, parameter.code)
    return hasher.system_code(parameter.resource_type, parameter.code, "", code)
