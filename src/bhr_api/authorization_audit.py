"""The audit of the authorization server: its events go into the audit table within its own transaction."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.auth.audit import AuthorizationAudit, AuthorizationEvent
from bhr_api.store.audit_table import AuditRow
from bhr_api.store.row_ids import RowIds

_STATUS = {"success": 200, "invalid_client": 401, "login_failed": 401, "temporarily_unavailable": 429}
# Tenants begin at 1: events of requests that name no tenant that exists are kept under 0.
NO_TENANT = 0


def audit_into_table(row_ids: RowIds, clock: Callable[[], datetime]) -> AuthorizationAudit:
    """The hook that keeps each event; `outcome` and `detail` stand in the query column."""

    async def keep(event: AuthorizationEvent, session: AsyncSession) -> None:
        row = {
            "tenant": NO_TENANT if event.tenant is None else event.tenant,
            "recorded": clock(),
            "event_id": row_ids.next(),
            "interaction": f"oauth-{event.action}",
            "status": _STATUS.get(event.outcome, 400),
            "client_id": event.client_id,
            "fhir_user": event.user,
            "source": event.source_address or None,
            "request_id": event.request_id,
            "query": f"{event.outcome}: {event.detail}"[:1000],
            "patients": [],
        }
        await session.execute(insert(AuditRow).values(row))

    return keep
