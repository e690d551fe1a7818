"""reference parameters: by id, Type/id, URL or canonical (FHIR R4, search.html#reference).

The token of a reference is the target's self_token xor the parameter's key, so that joins between referrer and target
need no table in between. Targets need not exist.
"""

import re
from typing import Any

from bhr_api.errors import InvalidParameterError
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES
from bhr_api.fhir.references import ID, parse_local
from bhr_api.search.criteria import AnyToken, Criterion, OfPatient
from bhr_api.search.entry import IndexEntry
from bhr_api.search.escapes import unescape
from bhr_api.search.parameters import Parameter
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types import token
from bhr_api.search.types.token import TypedValue

MODIFIERS = frozenset({"identifier", "above", "below"})

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+", re.ASCII)


def is_modifier(parameter: Parameter, modifier: str) -> bool:
    """`:identifier`, `:above`, `:below`, or the name of a type that the parameter can refer to."""
    return modifier in MODIFIERS or (
        modifier in RESOURCE_TYPE_NUMBERS and (not parameter.targets or modifier in parameter.targets)
    )


def index(parameter: Parameter, values: list[TypedValue], entry: IndexEntry) -> None:
    """Leave the target of each reference, and its identifier for `:identifier`."""
    key = entry.hasher.parameter(parameter.resource_type, parameter.code)
    for _, value in values:
        literal = value.get("reference") if isinstance(value, dict) else value
        if isinstance(literal, str):
            found = targets(literal, entry.hasher, entry.base_url, is_canonical=parameter.is_canonical)
            entry.tokens.update(target ^ key for target in found)
            if parameter.is_ordered:
                # Nobody asks for a canonical without version by that token; see `asked_targets`.
                asked = found[-1:] if parameter.is_canonical and "|" not in literal else found
                entry.ordered.update(target ^ key for target in asked)
        if isinstance(value, dict) and "identifier" in value:
            entry.tokens.update(_identifier_tokens(parameter, value["identifier"], entry.hasher))


def targets(literal: str, hasher: TokenHasher, base_url: str, *, is_canonical: bool = False) -> tuple[int, ...]:
    """What `literal` names: one local resource, or a URL.

    references.html#canonical: with a version it leads to that version, without to any; who searches by the url without
    version finds both, by the second of the two tokens.
    """
    if literal.startswith("#"):
        return ()
    local = parse_local(literal, base_url)
    if local is not None:
        return (hasher.resource(local.resource_type, local.id),)
    if not is_canonical:
        return (hasher.url(literal),)
    return (hasher.url(literal), hasher.any_version(literal.partition("|")[0]))


def _identifier_tokens(parameter: Parameter, identifier: dict[str, Any], hasher: TokenHasher) -> list[int]:
    code = f"{parameter.code}:identifier"
    return [
        found
        for system, value in token.codings([("Identifier", identifier)])
        for found in token.tokens_of(hasher, parameter.resource_type, code, system, value)
    ]


def match(
    parameter: Parameter, modifier: str | None, values: list[str], hasher: TokenHasher, base_url: str
) -> Criterion:
    """Rows that refer to one of `values`."""
    own = parameter.made_of[0] if parameter.made_of else parameter.code
    if modifier == "identifier":
        code = f"{own}:identifier"
        asked = [token.asked_token(hasher, parameter.resource_type, code, value) for value in values]
        return AnyToken(tuple(asked))
    found = [target for value in values for target in asked_targets(parameter, modifier, value, hasher, base_url)]
    if parameter.is_patient and all(name == "Patient" for name, _ in found):
        return OfPatient(tuple(dict.fromkeys(target for _, target in found)))
    key = hasher.parameter(parameter.resource_type, own)
    return AnyToken(tuple(dict.fromkeys(target ^ key for _, target in found)), parameter.is_ordered)


def asked_targets(
    parameter: Parameter, modifier: str | None, value: str, hasher: TokenHasher, base_url: str
) -> list[tuple[str, int]]:
    """(type or "", target) for everything that one query value may mean."""
    text = unescape(value)
    local = parse_local(text, base_url)
    if local is not None:
        if modifier not in (None, local.resource_type):
            raise InvalidParameterError(f"{parameter.code}:{modifier}", text, f"the reference must be to {modifier}")
        return [(local.resource_type, hasher.resource(local.resource_type, local.id))]
    if ID.fullmatch(text):
        types = (modifier,) if modifier else parameter.targets or RESOURCE_TYPES
        return [(name, hasher.resource(name, text)) for name in types]
    if modifier is None and _URI.fullmatch(text):
        is_any_version = parameter.is_canonical and "|" not in text
        return [("", hasher.any_version(text) if is_any_version else hasher.url(text))]
    raise InvalidParameterError(parameter.code, text, "a reference is id, Type/id or an absolute URL")
