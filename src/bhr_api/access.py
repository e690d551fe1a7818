"""Who is asking: the caller of a request, and what scopes and roles allow.

SMART App Launch 2.2, scopes-and-launch-context.html#scopes-for-requesting-fhir-resources. Each way in which something is
allowed is a `Permission`; a row may be seen when one of them holds (search/visibility.py makes SQL of them).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote

Letter = Literal["c", "r", "u", "d", "s"]
ScopeContext = Literal["patient", "user", "system"]
RelationKind = Literal["tenant", "team", "caseload", "self", "none"]
Restriction = tuple[tuple[str, str], ...]
"""Search parameters with their values, all of which a row has to meet; values may be alternatives, parted by commas."""

_V2 = re.compile(r"(patient|user|system)/(\*|[A-Za-z]+)\.(c?r?u?d?s?)(?:\?(.+))?")
_V1 = re.compile(r"(patient|user|system)/(\*|[A-Za-z]+)\.(read|write|\*)")
# SMART 2.2, "Scopes for requesting FHIR Resources": .read stands for rs, .write for cud, .* for cruds.
_V1_LETTERS = {"read": "rs", "write": "cud", "*": "cruds"}
# A parameter without modifier or chain: SMART leaves these out, and what is not understood must not widen a scope.
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z-]*")


@dataclass(frozen=True, slots=True)
class ResourceScope:
    """One `context/Type.cruds?restriction` scope; `text` is the form that was asked for and is given back."""

    context: ScopeContext
    resource_type: str
    letters: frozenset[str]
    text: str
    restriction: Restriction = ()

    def covers(self, letter: Letter, resource_type: str) -> bool:
        """Whether this scope allows the interaction `letter` on some resource of `resource_type`."""
        return letter in self.letters and self.resource_type in ("*", resource_type)


def parse_resource_scope(text: str) -> ResourceScope | None:
    """The scope that `text` spells, or None when it is none that can be enforced.

    SMART 2.2 fixes the order of the letters, so `.dus` or `.sr` is no scope; nothing that is not understood widens access.
    """
    match = _V2.fullmatch(text)
    if match and match[3]:
        restriction = _parse_restriction(match[4]) if match[4] else ()
        # A restriction names a parameter of one type.
        if restriction is None or (restriction and match[2] == "*"):
            return None
        return ResourceScope(match[1], match[2], frozenset(match[3]), text, restriction)  # type: ignore[arg-type]
    match = _V1.fullmatch(text)
    if match:
        return ResourceScope(match[1], match[2], frozenset(_V1_LETTERS[match[3]]), text)  # type: ignore[arg-type]
    return None


def _parse_restriction(query: str) -> Restriction | None:
    found = []
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if not (equals and value and _PARAMETER.fullmatch(name)):
            return None
        found.append((name, unquote(value)))
    return tuple(sorted(set(found)))


def restriction_text(restriction: Restriction) -> str:
    """The restriction as a scope spells it, with what a scope cannot hold encoded (RFC 6749 §3.3)."""
    return "&".join(f"{name}={quote(value, safe=':/|,.-_~$')}" for name, value in restriction)


def parse_scopes(text: str) -> tuple[ResourceScope, ...]:
    """The resource scopes in a space-separated `scope` value; other scopes (openid, launch, ...) are passed over."""
    found = (parse_resource_scope(part) for part in text.split(" "))
    return tuple(scope for scope in found if scope is not None)


@dataclass(frozen=True, slots=True)
class Role:
    """What a kind of person may do, and with whose records: `scopes` are `user/` ones.

    `tenant`: everybody's. `caseload`: of those whom the person is responsible for. `team`: of those whom the person's
    organizations are responsible for as well. `self`: the person's own. `none`: of nobody.
    """

    name: str
    scopes: tuple[ResourceScope, ...]
    relation: RelationKind


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account: `selves` are the references that stand for them, `teams` their organizations."""

    username: str
    selves: tuple[str, ...]
    teams: tuple[str, ...]
    roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose records a permission is about: `patient`'s, those of whoever `persons` are responsible for, or everybody's.

    With both, the patient's as long as one of the persons is responsible for them.
    """

    patient: str | None = None
    persons: tuple[str, ...] = ()


EVERYBODY = Reach()


@dataclass(frozen=True, slots=True)
class Permission:
    """One way in which interactions on resources of a type (or `*`) are allowed."""

    resource_type: str
    letters: frozenset[str]
    reach: Reach
    restriction: Restriction = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of an access token.

    `tenant` is the tenant's number, `client_id` the OAuth client, `user` the fhirUser (`Practitioner/1`) if a person
    signed in, `patient` the id of the patient in context, without which `patient/` scopes grant nothing. With a `person`
    nothing is allowed beyond what one of their roles allows.
    """

    tenant: int
    client_id: str
    scopes: tuple[ResourceScope, ...]
    user: str | None = None
    patient: str | None = None
    person: Person | None = None
    _permissions: Mapping[str, tuple[Permission, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_type: dict[str, dict[Permission, None]] = {}
        for scope in self.scopes:
            for permission in _permissions(scope, self):
                by_type.setdefault(permission.resource_type, {})[permission] = None
        object.__setattr__(self, "_permissions", {name: tuple(found) for name, found in by_type.items()})

    def permissions(self, letter: Letter, resource_type: str) -> Iterator[Permission]:
        """Each way in which the interaction on the type is allowed."""
        for name in (resource_type, "*"):
            for permission in self._permissions.get(name, ()):
                if letter in permission.letters:
                    yield permission

    @property
    def reaches(self) -> frozenset[Reach]:
        """Whose records anything at all is allowed with."""
        return frozenset(permission.reach for found in self._permissions.values() for permission in found)

    def may(self, letter: Letter, resource_type: str) -> bool:
        """Whether the interaction is allowed on some resource of the type."""
        return next(self.permissions(letter, resource_type), None) is not None

    def is_confined(self, letter: Letter, resource_type: str) -> bool:
        """Whether the interaction is allowed on some resources of the type only, if on any."""
        return not any(
            permission.reach == EVERYBODY and not permission.restriction
            for permission in self.permissions(letter, resource_type)
        )


def _permissions(scope: ResourceScope, caller: Caller) -> Iterable[Permission]:
    if scope.context == "patient" and caller.patient is None:
        return
    context = caller.patient if scope.context == "patient" else None
    if caller.person is None or scope.context == "system":
        yield Permission(scope.resource_type, scope.letters, Reach(context), scope.restriction)
        return
    for role in caller.person.roles:
        reach = _reach(role, caller.person, context)
        for allowed in role.scopes if reach is not None else ():
            if (common := intersection(scope, allowed)) is not None:
                yield Permission(common.resource_type, common.letters, reach or EVERYBODY, common.restriction)


def _reach(role: Role, person: Person, patient: str | None) -> Reach | None:
    """Whose records the role opens to the person, within the context of `patient` if there is one; None for nobody's."""
    match role.relation:
        case "tenant":
            return Reach(patient)
        case "caseload":
            return Reach(patient, person.selves)
        case "team":
            return Reach(patient, (*person.selves, *person.teams))
        case "self":
            own = [
                reference.removeprefix("Patient/") for reference in person.selves if reference.startswith("Patient/")
            ]
            return Reach(own[0]) if own and patient in (None, own[0]) else None
    return None


def intersection(scope: ResourceScope, other: ResourceScope) -> ResourceScope | None:
    """What both scopes allow, in the context of the first; None for nothing. Its text is in the words of version 2."""
    if "*" not in (scope.resource_type, other.resource_type) and scope.resource_type != other.resource_type:
        return None
    letters = scope.letters & other.letters
    if not letters:
        return None
    resource_type = other.resource_type if scope.resource_type == "*" else scope.resource_type
    restriction = tuple(sorted({*scope.restriction, *other.restriction}))
    return ResourceScope(
        scope.context,
        resource_type,
        letters,
        scope_text(scope.context, resource_type, letters, restriction),
        restriction,
    )


def scope_text(context: str, resource_type: str, letters: frozenset[str], restriction: Restriction) -> str:
    """The scope as version 2 spells it."""
    spelled = "".join(letter for letter in "cruds" if letter in letters)
    return f"{context}/{resource_type}.{spelled}" + (f"?{restriction_text(restriction)}" if restriction else "")
