"""The scope a client is given: what it asks for, within its registration (RFC 6749 §3.3; SMART App Launch 2.2).

scopes-and-launch-context.html#scopes-for-requesting-fhir-resources.
"""

from collections.abc import Collection, Iterable, Iterator

from bhr_api.access import (
    ResourceScope,
    Restriction,
    Role,
    ScopeContext,
    intersection,
    parse_resource_scope,
    parse_scopes,
    scope_text,
)
from bhr_api.search.restrictions import reason_against

# Scopes that ask for launch context, identity or refresh tokens: registered as they are, never part of a backend grant.
LAUNCH_SCOPES = (
    "openid",
    "fhirUser",
    "profile",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
)

_V1_SUFFIXES = {frozenset("rs"): "read", frozenset("cud"): "write", frozenset("cruds"): "*"}


class InvalidScopeTextError(ValueError):
    """A scope that cannot be registered, because it is misspelt or could not be enforced."""


def narrow_scope(requested: str, registered: str, context: ScopeContext) -> str:
    """The part of `requested` that `registered` allows in `context`, or an empty string.

    A scope wider than the registration is cut to it, type by type, letter by letter and by its restrictions; one that is
    not understood or could not be enforced is dropped, so that nothing is ever wider than both. A v1 scope comes back as v1
    wherever v1 can spell what is left.
    """
    allowed = [scope for scope in parse_scopes(registered) if scope.context == context]
    return _common(requested, (context,), allowed)


def grantable_scope(requested: str, roles: Iterable[Role]) -> str:
    """The part of the `patient/` and `user/` scopes of `requested` that somebody with these roles may grant."""
    allowed = [scope for role in roles if role.relation != "none" for scope in role.scopes]
    return _common(requested, ("patient", "user"), allowed)


def _common(requested: str, contexts: Collection[ScopeContext], allowed: Collection[ResourceScope]) -> str:
    granted: dict[str, None] = {}
    for asked in parse_scopes(requested):
        if asked.context in contexts and reason_against(asked.resource_type, asked.restriction) is None:
            granted.update(dict.fromkeys(_within(asked, allowed)))
    return " ".join(granted)


def _within(asked: ResourceScope, allowed: Collection[ResourceScope]) -> Iterator[str]:
    found: dict[tuple[str, Restriction], frozenset[str]] = {}
    for scope in allowed:
        if (common := intersection(asked, scope)) is not None:
            key = common.resource_type, common.restriction
            found[key] = found.get(key, frozenset()) | common.letters
    for (resource_type, restriction), letters in found.items():
        wider = [
            other_letters
            for (other_type, other), other_letters in found.items()
            if other_type in ("*", resource_type) and set(other) < set(restriction)
        ]
        # What a less restricted one allows already need not be said again.
        if left := letters.difference(*wider):
            yield _spelled(asked, resource_type, left, restriction)


def _spelled(asked: ResourceScope, resource_type: str, letters: frozenset[str], restriction: Restriction) -> str:
    if (resource_type, letters, restriction) == (asked.resource_type, asked.letters, asked.restriction):
        return asked.text
    if asked.text.rpartition(".")[2] in _V1_SUFFIXES.values() and letters in _V1_SUFFIXES and not restriction:
        return f"{asked.context}/{resource_type}.{_V1_SUFFIXES[letters]}"
    return scope_text(asked.context, resource_type, letters, restriction)


def check_registrable(scope: str, resource_types: Collection[str] | None = None) -> str:
    """`scope` with single spaces, every part of it enforceable and, if `resource_types` are given, of one of them.

    Raises `InvalidScopeTextError` naming the first part that is not.
    """
    parts = scope.split()
    if not parts:
        raise InvalidScopeTextError('A client needs a scope, for example "system/*.rs" or "system/Observation.cruds".')
    for part in parts:
        if part not in LAUNCH_SCOPES:
            _check_resource_scope(part, resource_types)
    return " ".join(dict.fromkeys(parts))


def _check_resource_scope(part: str, resource_types: Collection[str] | None) -> None:
    parsed = parse_resource_scope(part)
    if parsed is None:
        raise InvalidScopeTextError(f"{part!r} is no scope that can be enforced: {_reason(part)}.")
    if resource_types is not None and parsed.resource_type not in resource_types and parsed.resource_type != "*":
        raise InvalidScopeTextError(f"{part!r}: R4 has no resource type {parsed.resource_type!r}.")
    if (reason := reason_against(parsed.resource_type, parsed.restriction)) is not None:
        raise InvalidScopeTextError(f"{part!r}: {reason}.")


def _reason(part: str) -> str:
    if "?" in part:
        return "a restriction is parameter=value, without modifiers or chains, of one type, in the words of version 2"
    letters = part.rpartition(".")[2]
    if "/" in part and letters and set(letters) <= set("cruds"):
        return "the letters stand in the order c, r, u, d, s"
    return "write patient, user or system, a slash, a type or *, a dot, and letters of cruds, such as system/Goal.rs"
