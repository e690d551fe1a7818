"""The scope a client is given: what it asks for, within its registration (RFC 6749 §3.3; SMART App Launch 2.2).

scopes-and-launch-context.html#scopes-for-requesting-fhir-resources.
"""

from collections.abc import Collection, Iterator

from bhr_api.access import ResourceScope, ScopeContext, parse_resource_scope, parse_scopes

# Scopes that ask for launch context, identity or refresh tokens: registered as they are, never part of a backend grant.
LAUNCH_SCOPES = frozenset(
    {"openid", "fhirUser", "profile", "launch", "launch/patient", "launch/encounter", "online_access", "offline_access"}
)

_V1_SUFFIXES = {frozenset("rs"): "read", frozenset("cud"): "write", frozenset("cruds"): "*"}


class InvalidScopeTextError(ValueError):
    """A scope that cannot be registered, because it is misspelt or could not be enforced."""


def narrow_scope(requested: str, registered: str, context: ScopeContext) -> str:
    """The part of `requested` that `registered` allows in `context`, or an empty string.

    A scope wider than the registration is cut to it, type by type and letter by letter; one that is not understood is
    dropped, so that nothing is ever wider than both. A v1 scope comes back as v1 wherever v1 can spell what is left.
    """
    allowed = [scope for scope in parse_scopes(registered) if scope.context == context]
    granted: dict[str, None] = {}
    for asked in parse_scopes(requested):
        if asked.context == context:
            granted.update(dict.fromkeys(_within(asked, allowed)))
    return " ".join(granted)


def _within(asked: ResourceScope, allowed: Collection[ResourceScope]) -> Iterator[str]:
    types = {scope.resource_type: None for scope in allowed} if asked.resource_type == "*" else {asked.resource_type: 0}
    for resource_type in types:
        letters = {
            letter for scope in allowed if scope.resource_type in ("*", resource_type) for letter in scope.letters
        }
        if common := asked.letters & letters:
            yield f"{asked.context}/{resource_type}.{_spelled(common, asked)}"


def _spelled(letters: frozenset[str], asked: ResourceScope) -> str:
    asked_suffix = asked.text.rpartition(".")[2]
    if letters == asked.letters:
        return asked_suffix
    if asked_suffix in _V1_SUFFIXES.values() and letters in _V1_SUFFIXES:
        return _V1_SUFFIXES[letters]
    return "".join(letter for letter in "cruds" if letter in letters)


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


def _reason(part: str) -> str:
    if "?" in part:
        return "restrictions by search parameter are not offered"
    letters = part.rpartition(".")[2]
    if "/" in part and letters and set(letters) <= set("cruds"):
        return "the letters stand in the order c, r, u, d, s"
    return "write patient, user or system, a slash, a type or *, a dot, and letters of cruds, such as system/Goal.rs"
