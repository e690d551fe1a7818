"""The operator at the keyboard as a caller: with every right in a tenant, and audited like everybody else."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.interactions.context import Context
from bhr_api.interactions.definitions import DefinitionsRegistry
from bhr_api.interactions.profile_checks import ProfileChecks, required_profiles
from bhr_api.interactions.server_context import whole_tenant_context
from bhr_api.interactions.tenants import TenantRegistry
from bhr_api.settings import Settings
from bhr_api.store import references
from bhr_api.store.audit import AuditEvent
from bhr_api.store.audit_table import AuditRow
from bhr_api.store.database import Database
from bhr_api.store.row_ids import RowIds

# Who the audit says did it.
CLIENT_ID = "command-line"


async def operator_context(database: Database, tenant: int, base_url: str) -> Context:
    """A context in which the operator may do everything in the tenant of that number."""
    words = await TenantRegistry(database).words(tenant)
    row_ids = RowIds()
    settings = Settings()
    async with database.acquire() as connection:
        await row_ids.take_node(connection)
        if settings.referential_integrity != "strict":
            await references.forget_indexed(connection)
    definitions = DefinitionsRegistry(database)
    return replace(
        whole_tenant_context(database, row_ids, base_url, words, CLIENT_ID),
        definitions=definitions,
        profiles=ProfileChecks(definitions, settings.profiles, required_profiles(settings.required_profiles)),
        integrity=settings.referential_integrity,
    )


def administration_event(tenant: int, interaction: str, now: datetime, query: str | None = None) -> AuditEvent:
    """The audit event of what the operator did to a tenant as a whole; `query` says with what."""
    nothing: Sequence[int] = ()
    return AuditEvent(
        tenant,
        now,
        RowIds().next(),
        interaction,
        200,
        CLIENT_ID,
        None,
        None,
        str(uuid.uuid4()),
        None,
        None,
        None,
        query,
        list(nothing),
    )


async def keep_event(session: AsyncSession, event: AuditEvent) -> None:
    """Put `event` into the audit within the transaction of `session`."""
    await session.execute(insert(AuditRow).values(event._asdict()))
