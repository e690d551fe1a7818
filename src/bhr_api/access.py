"""Who is asking: the caller of a request, and what the caller's scopes allow.

SMART App Launch 2.2, scopes-and-launch-context.html#scopes-for-requesting-fhir-resources.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Letter = Literal["c", "r", "u", "d", "s"]
ScopeContext = Literal["patient", "user", "system"]

_V2 = re.compile(r"(patient|user|system)/(\*|[A-Za-z]+)\.(c?r?u?d?s?)")
_V1 = re.compile(r"(patient|user|system)/(\*|[A-Za-z]+)\.(read|write|\*)")
# SMART 2.2, "Scopes for requesting FHIR Resources": .read stands for rs, .write for cud, .* for cruds.
_V1_LETTERS = {"read": "rs", "write": "cud", "*": "cruds"}


@dataclass(frozen=True, slots=True)
class ResourceScope:
    """One `context/Type.cruds` scope; `text` is the form that was asked for and is given back."""

    context: ScopeContext
    resource_type: str
    letters: frozenset[str]
    text: str

    def covers(self, letter: Letter, resource_type: str) -> bool:
        """Whether this scope allows the interaction `letter` on `resource_type`."""
        return letter in self.letters and self.resource_type in ("*", resource_type)


def parse_resource_scope(text: str) -> ResourceScope | None:
    """The scope that `text` spells, or None when it is none that can be enforced.

    SMART 2.2 fixes the order of the letters, so `.dus` or `.sr` is no scope; nothing that is not understood widens access.
    """
    match = _V2.fullmatch(text)
    if match and match[3]:
        return ResourceScope(match[1], match[2], frozenset(match[3]), text)  # type: ignore[arg-type]
    match = _V1.fullmatch(text)
    if match:
        return ResourceScope(match[1], match[2], frozenset(_V1_LETTERS[match[3]]), text)  # type: ignore[arg-type]
    return None


def parse_scopes(text: str) -> tuple[ResourceScope, ...]:
    """The resource scopes in a space-separated `scope` value; other scopes (openid, launch, ...) are passed over."""
    found = (parse_resource_scope(part) for part in text.split(" "))
    return tuple(scope for scope in found if scope is not None)


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of an access token.

    `tenant` is the tenant's number, `client_id` the OAuth client, `user` the fhirUser (`Practitioner/1`) if a person
    signed in, `patient` the id of the patient in context, without which `patient/` scopes grant nothing.
    """

    tenant: int
    client_id: str
    scopes: tuple[ResourceScope, ...]
    user: str | None = None
    patient: str | None = None

    def may(self, letter: Letter, resource_type: str) -> bool:
        """Whether some scope allows the interaction on the type, whatever the patient."""
        return any(scope.covers(letter, resource_type) for scope in self._enforceable())

    def is_confined_to_patient(self, letter: Letter, resource_type: str) -> bool:
        """Whether every scope that allows the interaction is a `patient/` one, so that only that patient's rows count."""
        return not any(
            scope.covers(letter, resource_type) and (scope.context != "patient") for scope in self._enforceable()
        )

    def _enforceable(self) -> Iterable[ResourceScope]:
        return (scope for scope in self.scopes if scope.context != "patient" or self.patient is not None)
