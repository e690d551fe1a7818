"""Access tokens of other issuers: an organisation's own identity provider speaks for its people (docs/identity-providers.md).

RFC 9068 where the provider follows it. Each issuer is trusted for one tenant, one audience, the algorithms named and no more
than the scope named; a `user/` scope needs an account that is linked to the token's subject, whose roles limit it as ever.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bhr_api.access import Caller, Person, ResourceScope, parse_scopes
from bhr_api.auth.foreign_keys import Algorithm, check_signature, public_keys
from bhr_api.auth.jwks_url import PublishedKeySets, check_key_set_url
from bhr_api.auth.scopes import check_registrable, narrow_scope
from bhr_api.auth.strict_jwt import JwtError, check_times, parse_jwt
from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.fhir.references import parse_local

# RFC 9068 §2.1 says at+jwt; most providers say JWT.
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
# What an id_token has and an access token has not (OpenID Connect Core §2, §3.1.3.6); Keycloak says it by `typ`.
_OF_ID_TOKENS = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})


def _registrable(scope: str) -> str:
    return check_registrable(scope, RESOURCE_TYPES)


class TrustedIssuer(BaseModel):
    """One issuer and how its tokens are read. Claims are named exactly as they stand in the token.

    `scope` is the most that its tokens are believed; `scope_claim` holds a string with spaces or a list.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str
    audience: str
    jwks_uri: Annotated[str, AfterValidator(check_key_set_url)]
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256",)
    tenant: str = "default"
    scope: Annotated[str, AfterValidator(_registrable)]
    scope_claim: str = "scope"
    patient_claim: str = "patient"
    user_claim: str = "fhirUser"
    client_claim: str = "azp"


class TrustedIssuersError(ValueError):
    """The file of trusted issuers cannot be used; the message says where and why."""


def read_trusted_issuers(path: Path | None) -> tuple[TrustedIssuer, ...]:
    """The issuers of a JSON file: a list of objects with the members of TrustedIssuer. Raises TrustedIssuersError."""
    if path is None:
        return ()
    try:
        found = TypeAdapter(tuple[TrustedIssuer, ...]).validate_json(path.read_bytes())
    except OSError as error:
        raise TrustedIssuersError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise TrustedIssuersError(f"{path}: {place}: {first['msg']}.") from error
    issuers = [one.issuer for one in found]
    if len(set(issuers)) < len(issuers):
        raise TrustedIssuersError(f"{path}: an issuer stands in it twice.")
    return found


@dataclass(frozen=True, slots=True)
class ForeignToken:
    """A token of a trusted issuer that was found right: its subject, what it says of the caller, and when it ends."""

    issuer: TrustedIssuer
    subject: str
    client_id: str
    scope: str
    patient: str | None
    user: str | None
    expires_at: datetime

    def caller(self, tenant: int, person: Person | None) -> Caller:
        """The caller; without an account `user/` scopes allow nothing, for no role says how far they go."""
        scopes: Sequence[ResourceScope] = parse_scopes(self.scope)
        if person is None:
            scopes = [scope for scope in scopes if scope.context != "user"]
        user = self.user if person is None else person.selves[0]
        return Caller(tenant, self.client_id, tuple(scopes), user, self.patient, person)


class TrustedIssuers:
    """Reads the tokens of trusted issuers for one worker; their keys are fetched as those of clients are."""

    def __init__(self, issuers: Sequence[TrustedIssuer], base_url: str, clock: Callable[[], datetime]) -> None:
        self._issuers: Mapping[str, TrustedIssuer] = {one.issuer: one for one in issuers}
        self._base_url, self._clock = base_url, clock
        self._key_sets = PublishedKeySets(clock, public_keys)

    def __bool__(self) -> bool:
        return bool(self._issuers)

    async def read(self, text: str) -> ForeignToken:
        """What the token says. Raises JwtError for anything but a live access token of a trusted issuer for this server."""
        token = parse_jwt(text)
        issuer = self._issuers.get(str(token.claims.get("iss")))
        if issuer is None:
            raise JwtError("The issuer is not trusted here.")
        if str(token.header.get("typ", "JWT")).lower() not in _TYPES or "jku" in token.header:
            raise JwtError("The token's header is not that of an access token.")
        await check_signature(text, token, self._key_sets, issuer.jwks_uri, issuer.algorithms)
        return self._checked(issuer, token.claims)

    def _checked(self, issuer: TrustedIssuer, claims: Mapping[str, Any]) -> ForeignToken:
        audience = claims.get("aud")
        if issuer.audience not in (audience if isinstance(audience, list) else [audience]):
            raise JwtError("The token is for another audience.")
        if claims.get("typ") == "ID" or claims.keys() & _OF_ID_TOKENS:
            raise JwtError("An id_token is no access token.")
        expires_at = check_times(claims, self._clock())
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise JwtError("The token has no subject.")
        client = claims.get(issuer.client_claim) or claims.get("client_id") or subject
        # PostgreSQL stores neither NUL nor half a character: one such event would hold up the audit of the whole worker.
        if not f"{subject}{client}".isprintable():
            raise JwtError("The token's subject or client is no printable text.")
        return ForeignToken(
            issuer,
            subject,
            f"{issuer.issuer}#{client}",
            _scope(issuer, claims),
            self._id_of(claims.get(issuer.patient_claim), "Patient"),
            self._user(claims.get(issuer.user_claim)),
            datetime.fromtimestamp(expires_at, UTC),
        )

    def _id_of(self, claim: Any, resource_type: str) -> str | None:
        """The id that a claim names: by itself, as `Patient/id`, or as a URL of this server."""
        if not isinstance(claim, str) or not claim:
            return None
        local = parse_local(claim if "/" in claim else f"{resource_type}/{claim}", self._base_url)
        return local.id if local is not None and local.resource_type == resource_type else None

    def _user(self, claim: Any) -> str | None:
        local = parse_local(claim, self._base_url) if isinstance(claim, str) else None
        return None if local is None else f"{local.resource_type}/{local.id}"


def _scope(issuer: TrustedIssuer, claims: Mapping[str, Any]) -> str:
    """What the token says within what its issuer is believed."""
    said = claims.get(issuer.scope_claim)
    text = " ".join(part for part in said if isinstance(part, str)) if isinstance(said, list) else str(said or "")
    found = (narrow_scope(text, issuer.scope, context) for context in ("patient", "user", "system"))
    return " ".join(part for part in found if part)
