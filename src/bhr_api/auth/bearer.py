"""Bearer tokens on the FHIR side: from an Authorization header to the caller (RFC 6750 §2.1, §3.1)."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from bhr_api.access import Caller, parse_scopes
from bhr_api.auth.person import person_of
from bhr_api.auth.strict_jwt import JwtError
from bhr_api.auth.trusted_issuers import TrustedIssuers
from bhr_api.errors import UnauthenticatedError
from bhr_api.opaque_strings import OpaqueString, parse_opaque
from bhr_api.store.oauth import LOOK_UP_BEARER, LOOK_UP_IDENTITY, TENANT_NUMBER

log = structlog.get_logger(__name__)

if TYPE_CHECKING:
    from bhr_api.store.database import Connection

# A revoked token is dead on every worker, on every machine, after at most this long. Notifications would be faster by a
# second, but they do not cross the nodes of a distributed database and are lost with a connection.
CACHE_SECONDS = 2.0
_MOST_CACHED = 10_000


@dataclass(frozen=True, slots=True)
class _Cached:
    caller: Caller
    reread_at: float
    expires_at: datetime


def _now() -> datetime:
    return datetime.now(UTC)


class TokenReader:
    """Reads access tokens for one worker: one look-up by primary key, remembered for `CACHE_SECONDS`."""

    def __init__(
        self,
        acquire: Callable[[], AbstractAsyncContextManager["Connection"]],
        clock: Callable[[], datetime] = _now,
        monotonic: Callable[[], float] = time.monotonic,
        issuers: TrustedIssuers | None = None,
    ) -> None:
        self._acquire, self._clock, self._monotonic = acquire, clock, monotonic
        self._issuers = issuers
        self._cache: dict[str, _Cached] = {}
        # A tenant's number never changes (it is the distribution column), so it is looked up once.
        self._tenants: dict[str, int] = {}

    async def caller(self, authorization_header: str | None) -> Caller:
        """Who holds the token of this header. Raises `UnauthenticatedError` for anything but a live access token."""
        cached = self._cache.get(authorization_header or "")
        if cached is not None and self._monotonic() < cached.reread_at and self._clock() < cached.expires_at:
            return cached.caller
        return await self._read(authorization_header)

    async def _read(self, header: str | None) -> Caller:
        self._cache.pop(header or "", None)
        if self._issuers and is_foreign(header):
            assert header is not None
            return await self._read_foreign(self._issuers, header)
        token = _token_in(header)
        assert header is not None
        reread_at = self._monotonic() + CACHE_SECONDS
        async with self._acquire() as connection:
            tenant = await self._tenant(token.tenant_name, connection)
            row = None if tenant is None else await connection.fetchrow(LOOK_UP_BEARER, tenant, token.digest)
            if tenant is None or row is None or row["expires_at"] <= self._clock():
                raise _not_valid()
            caller = await _caller(connection, tenant, row)
        self._remember(header, _Cached(caller, reread_at, row["expires_at"]))
        return caller

    async def _read_foreign(self, issuers: TrustedIssuers, header: str) -> Caller:
        """Who holds a token of another issuer: it is verified again as often as our own are looked up."""
        reread_at = self._monotonic() + CACHE_SECONDS
        try:
            token = await issuers.read(_text_of(header))
        except JwtError as error:
            log.info("foreign_token_refused", reason=str(error))
            raise _not_valid() from error
        async with self._acquire() as connection:
            tenant = await self._tenant(token.issuer.tenant, connection)
            if tenant is None:
                raise _not_valid()
            row = await connection.fetchrow(LOOK_UP_IDENTITY, tenant, token.issuer.issuer, token.subject)
            if row is not None and row["disabled_at"] is not None:
                raise _not_valid()
            person = None if row is None else await person_of(connection, tenant, row)
        caller = token.caller(tenant, person)
        self._remember(header, _Cached(caller, reread_at, token.expires_at))
        return caller

    async def caller_of(self, tenant: int, digest: bytes) -> Caller:
        """Who held the token of this digest, expired or not. Raises `UnauthenticatedError` when it was taken back."""
        async with self._acquire() as connection:
            row = await connection.fetchrow(LOOK_UP_BEARER, tenant, digest)
            if row is None:
                raise _not_valid()
            return await _caller(connection, tenant, row)

    async def _tenant(self, name: str, connection: "Connection") -> int | None:
        if name not in self._tenants:
            number: int | None = await connection.fetchval(TENANT_NUMBER, name)
            if number is None:
                return None
            self._tenants[name] = number
        return self._tenants[name]

    def _remember(self, header: str, cached: _Cached) -> None:
        self._cache[header] = cached
        if len(self._cache) > _MOST_CACHED:
            # Dictionaries keep the order of insertion, and entries are inserted anew at every reading: the oldest goes.
            del self._cache[next(iter(self._cache))]


async def _caller(connection: "Connection", tenant: int, row: Any) -> Caller:
    # Behind a token of the operator's, or of a client that acts for itself, no account stands.
    person = None if row["username"] is None else await person_of(connection, tenant, row)
    return Caller(tenant, row["client_id"], parse_scopes(row["scope"]), row["fhir_user"], row["patient"], person)


def digest_in(header: str | None) -> bytes | None:
    """The digest under which the token of this header is stored; None for a token of another issuer.

    Raises `UnauthenticatedError` for no token.
    """
    return None if is_foreign(header) else _token_in(header).digest


def is_foreign(header: str | None) -> bool:
    """Whether the header holds a token that is none of ours by its form: a JWT has two dots, an opaque string none."""
    return (header or "").count(".") == 2


def _text_of(header: str | None) -> str:
    scheme, _, text = (header or "").partition(" ")
    if scheme.lower() != "bearer":
        # RFC 6750 §3.1: a request without (known) credentials gets a challenge that names no error.
        raise UnauthenticatedError("Send an access token: Authorization: Bearer ...")
    return text.strip(" ")


def _token_in(header: str | None) -> OpaqueString:
    token = parse_opaque(_text_of(header), "at")
    if token is None:
        raise _not_valid()
    return token


def _not_valid() -> UnauthenticatedError:
    # One sentence for malformed, forged, expired and revoked: which of them it is, is nobody's business.
    return UnauthenticatedError("The access token is not valid here, or no longer.", error="invalid_token")
