"""erasing: a person's whole record with its history, on an operator's order (docs/erasure.md).

GDPR art. 17 and contracts ask for it; whether a law asks to keep the record instead (45 CFR 164.316(b)(2), state rules of
retention) is the operator's to know. What goes is exactly what a survey found.
"""

from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from bhr_api.errors import ConflictError, PreconditionFailedError
from bhr_api.interactions.conditional import in_transaction
from bhr_api.interactions.context import Context
from bhr_api.interactions.erasure_survey import Holdings, Progress, Survey, holdings_of, users_of
from bhr_api.store import audit, erasure, heavy_tokens, jobs
from bhr_api.store.audit import AuditEvent
from bhr_api.store.audit_reading import id_of
from bhr_api.store.database import Connection

BATCH = 500
# By how much the clock of a process that writes may be behind.
_CLOCK_DIFFERENCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was erased: `id` is the AuditEvent that tells so."""

    id: str
    resources: int
    versions: int
    digest: str


async def erase(context: Context, id: str, found: Survey, code: str, operator: str, progress: Progress) -> Certificate:
    """Erase what `found` found, in one transaction, with the certificate among the tenant's audit events.

    Raises PreconditionFailedError when `code` is not that of `found` or the record has changed since, and ConflictError
    when writers keep the tables busy; nothing is changed then.
    """
    if code.strip() != found.code:
        raise PreconditionFailedError(
            f"{code!r} is not the code of what is stored now: the record, or what names the person, is not as the dry run"
            " found it. Nothing was erased; make a new dry run."
        )

    async def work(connection: Connection) -> AuditEvent:
        return await _erase(context, connection, id, found, operator, progress)

    try:
        event = await in_transaction(context, work)
    except asyncpg.LockNotAvailableError as error:
        raise ConflictError("Writes in flight do not come to an end. Nothing was erased; try again.") from error
    async with context.database.acquire() as connection:
        # A token that is heavy by this record's rows alone need not be remembered.
        await heavy_tokens.refresh(connection, context.tenant)
    resources, versions, _ = found.total
    return Certificate(id_of(event.event_id), resources, versions, found.digest)


async def _erase(
    context: Context, connection: Connection, id: str, found: Survey, operator: str, progress: Progress
) -> AuditEvent:
    patient, started = context.hasher.resource("Patient", id), context.now()
    await erasure.lock_record(connection, context.tenant, patient)
    holdings = await holdings_of(connection, context, patient)
    if holdings != found.holdings:
        raise _changed()
    await _erase_versions(context, connection, holdings, progress)
    await erasure.erase_access_tokens(connection, context.tenant, id, users_of(context, id))
    await erasure.erase_sign_ins(connection, context.tenant, id, users_of(context, id))
    await erasure.erase_relations(connection, context.tenant, patient)
    await jobs.erase(connection, context.tenant)
    await erasure.hold_writers(connection)
    if await erasure.is_there(connection, context.tenant, patient, started - _CLOCK_DIFFERENCE):
        raise _changed()
    event = context.event("erase", 200, query=_certified(found, operator), patients=[patient])
    await audit.append(connection, [event])
    return event


def _changed() -> PreconditionFailedError:
    return PreconditionFailedError(
        "Somebody writes to the record at this moment. Nothing was erased; make a new dry run."
    )


async def _erase_versions(context: Context, connection: Connection, holdings: Holdings, progress: Progress) -> None:
    total = len(holdings.live) + len(holdings.past)
    done = 0
    for erase_batch, versions in ((erasure.erase_live, holdings.live), (erasure.erase_past, holdings.past)):
        for start in range(0, len(versions), BATCH):
            batch = versions[start : start + BATCH]
            if await erase_batch(connection, context.tenant, batch) != len(batch):
                raise _changed()
            done += len(batch)
            progress(100 * done / total, f"{done:,} of {total:,} versions")


def _certified(found: Survey, operator: str) -> str:
    """The certificate: who ordered it at the keyboard, and how much of what; nothing of it tells whose record it was."""
    resources, versions, index_rows = found.total
    parts = [f"operator={operator}", f"resources={resources}", f"versions={versions}", f"index-rows={index_rows}"]
    parts += [f"{name}={count.versions}" for name, count in found.counts.items()]
    return "&".join([*parts, f"sha256={found.digest}"])
