"""The scope of an app that people sign in to (SMART App Launch 2.2, scopes-and-launch-context.html)."""

from collections.abc import Collection

from bhr_api.access import Role, ScopeContext
from bhr_api.auth.scopes import LAUNCH_SCOPES, grantable_scope, narrow_scope

# Resource scopes of an app act for a person; `system/` ones act for nobody and are left to backend services.
_CONTEXTS: tuple[ScopeContext, ...] = ("patient", "user")


def app_scope(requested: str, registered: str) -> str:
    """The part of `requested` that the client's registration allows, in the order that was asked; possibly empty."""
    allowed = set(registered.split())
    granted: dict[str, None] = {}
    for part in requested.split(" "):
        if part in LAUNCH_SCOPES:
            if part in allowed:
                granted[part] = None
            continue
        for context in _CONTEXTS:
            granted.update(dict.fromkeys(narrow_scope(part, registered, context).split()))
    return " ".join(granted)


def within_roles(scope: str, roles: Collection[Role]) -> str:
    """The part of `scope` that somebody with these roles may grant, in the same order; launch scopes stay."""
    granted: dict[str, None] = {}
    for part in scope.split():
        granted.update(dict.fromkeys([part] if part in LAUNCH_SCOPES else grantable_scope(part, roles).split()))
    return " ".join(granted)


def is_within(requested: str, granted: str) -> bool:
    """Whether `granted` covers every part of `requested` (RFC 6749 §6)."""
    return all(part in app_scope(part, granted).split() for part in requested.split(" ") if part)


def needs_patient(scope: str) -> bool:
    """Whether a token of this scope is about one patient."""
    return any(part == "launch/patient" or part.startswith("patient/") for part in scope.split())


def without_patient(scope: str) -> str:
    """What is left of `scope` where there is no patient."""
    return " ".join(part for part in scope.split() if part != "launch/patient" and not part.startswith("patient/"))
