"""What a person has allowed apps, for the page on which they take it back (RFC 9700 §4.14; RFC 7009 by another door)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.auth.audit import AuthorizationAudit, AuthorizationEvent, RequestSource
from bhr_api.auth.signed_in import SignedIn
from bhr_api.store import grant_statements
from bhr_api.store import people_statements as statements


@dataclass(frozen=True, slots=True)
class ConnectedApp:
    """One grant that holds. `last_used_at` is when it last gave a token; `patient` is an id."""

    grant_id: str
    client_name: str
    scope: str
    patient: str | None
    granted_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class RememberedChoice:
    """An app that is let in again without asking."""

    client_id: str
    client_name: str
    scope: str
    decided_at: datetime


class ConnectedApps:
    """Lists and takes back what people granted; one for each worker."""

    def __init__(
        self, sessions: Callable[[], AsyncSession], audit: AuthorizationAudit, clock: Callable[[], datetime]
    ) -> None:
        self._sessions, self._audit, self._clock = sessions, audit, clock

    async def of(self, user: SignedIn) -> tuple[Sequence[ConnectedApp], Sequence[RememberedChoice]]:
        """What the user granted and what they let us remember, newest first."""
        async with self._sessions() as session, session.begin():
            found = grant_statements.live_grants_of(user.tenant, user.username, self._clock())
            rows = list(await session.execute(found))
            used = await _last_uses(session, user.tenant, [grant.grant_id for grant, _, _ in rows])
            apps = [
                ConnectedApp(
                    grant.grant_id,
                    client.name,
                    grant.scope,
                    grant.patient,
                    grant.created_at,
                    used.get(grant.grant_id),
                )
                for grant, _, client in rows
            ]
            choices = await session.execute(statements.consents_of(user.tenant, user.username))
            return apps, [RememberedChoice(row.client_id, name, row.scope, row.decided_at) for row, name in choices]

    async def revoke(self, user: SignedIn, grant_id: str, source: RequestSource) -> bool:
        """Take a grant back, with its tokens and the remembered choice; False where the user has no such grant."""
        now = self._clock()
        async with self._sessions() as session, session.begin():
            grant = await session.scalar(statements.grant_of(user.tenant, user.username, grant_id))
            if grant is None:
                return False
            await session.execute(grant_statements.revoke_grant(user.tenant, grant_id, now))
            await session.execute(grant_statements.revoke_tokens_of_grant(user.tenant, grant_id, now))
            # Who takes access back does not want it given again without being asked.
            await session.execute(grant_statements.forget_consent(user.tenant, user.username, grant.client_id))
            await self._note(session, user, grant.client_id, f"{user.username} took back {grant.scope}", source)
            return True

    async def forget(self, user: SignedIn, client_id: str, source: RequestSource) -> bool:
        """Ask again the next time; False where nothing was remembered."""
        async with self._sessions() as session, session.begin():
            forgotten: Any = await session.execute(
                grant_statements.forget_consent(user.tenant, user.username, client_id)
            )
            if forgotten.rowcount != 1:
                return False
            await self._note(session, user, client_id, f"{user.username} is to be asked again", source)
            return True

    async def _note(
        self, session: AsyncSession, user: SignedIn, client_id: str, detail: str, source: RequestSource
    ) -> None:
        address, request_id = source.address, source.request_id
        event = AuthorizationEvent(
            user.tenant, client_id, "revoke", "success", detail, address, request_id, user.fhir_user
        )
        await self._audit(event, session)


async def _last_uses(session: AsyncSession, tenant: int, grant_ids: list[str]) -> dict[str, datetime]:
    """When each grant last gave a token of either kind."""
    if not grant_ids:
        return {}
    used: dict[str, datetime] = {}
    for query in (statements.last_tokens(tenant, grant_ids), statements.last_refreshes(tenant, grant_ids)):
        for grant_id, issued_at in await session.execute(query):
            used[grant_id] = max(issued_at, used.get(grant_id, issued_at))
    return used
