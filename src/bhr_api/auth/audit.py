"""What the authorization server tells the audit log: one event for each decision."""

from dataclasses import dataclass
from typing import Literal, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

Action = Literal[
    "grant",
    "refuse",
    "revoke",
    "introspect",
    "authorize",
    "launch",
    "userinfo",
    "register",
    "login",
    "logout",
    "account",
]


@dataclass(frozen=True, slots=True)
class RequestSource:
    """Where a request came from and under which id it is logged."""

    address: str
    request_id: str


@dataclass(frozen=True, slots=True)
class AuthorizationEvent:
    """One decision. `outcome` is `success` or the OAuth error code; `detail` the granted scope or the exact reason.

    The reason may say more than the client was told; it holds no token, secret or assertion. `tenant` and `client_id`
    are None where the request named none that exists. `user` is the fhirUser (`Practitioner/1`) of who was signed in.
    """

    tenant: int | None
    client_id: str | None
    action: Action
    outcome: str
    detail: str
    source_address: str
    request_id: str
    user: str | None = None


class AuthorizationAudit(Protocol):
    """Keeps an event within the transaction of `session`, so that neither is stored without the other."""

    async def __call__(self, event: AuthorizationEvent, session: AsyncSession) -> None: ...
