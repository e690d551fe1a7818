"""The one road by which any version enters the store.

Changes of one database transaction go together: they lock what is there in one order, are checked against it, and put their
versions, index rows and audit events in place (FHIR R4, http.html#create, #update, #delete and #transaction).
"""

import asyncio
import secrets
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bhr_api.access import Letter
from bhr_api.errors import (
    ForbiddenError,
    Issue,
    PreconditionFailedError,
    VersionConflictError,
)
from bhr_api.fhir import json_text
from bhr_api.fhir.dates import instant_text
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource
from bhr_api.interactions.context import Context, KnownParameters
from bhr_api.interactions.extraction import new_version, promised
from bhr_api.interactions.integrity import Deletion, IntegrityCheck, Write, lock_targets
from bhr_api.interactions.parameter_registration import register_parameters
from bhr_api.interactions.placing import place
from bhr_api.interactions.read import not_found, require
from bhr_api.interactions.relating import relate, visibility_of
from bhr_api.interactions.results import Result
from bhr_api.resources import HOOKS
from bhr_api.search.extract import index_entry
from bhr_api.search.visibility import Visibility
from bhr_api.store import audit, versions
from bhr_api.store.database import Connection
from bhr_api.store.versions import PATCH, POST, PUT, CurrentRow, Key, NewVersion, Tombstone

# Entries of a large bundle between which other requests get their turn.
GIVE_WAY_EVERY = 20


_METHODS = {"create": POST, "update": PUT, "patch": PATCH}


@dataclass(slots=True)
class Change:
    """One resource to create, update, patch or delete.

    `body` is the JSON text of `resource`; both are None for a deletion. `if_match` is the version that must be current;
    `notes` are what the client is told besides; `place` is where a bundle holds the resource.
    """

    kind: Literal["create", "update", "patch", "delete"]
    resource_type: str
    id: str
    resource: Resource | None = None
    body: bytes | None = None
    if_match: str | None = None
    notes: Sequence[Issue] = ()
    place: str | None = None

    @property
    def key(self) -> Key:
        """The key of its row."""
        return RESOURCE_TYPE_NUMBERS[self.resource_type], self.id

    def __str__(self) -> str:
        return f"{self.resource_type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a change. `version` is None when a deletion found nothing; `body` is None after a deletion."""

    resource_type: str
    id: str
    version: int | None
    last_updated: datetime | None
    body: bytes | None
    created: bool
    notes: Sequence[Issue] = ()


def of_write(stored: Stored) -> Result:
    """The result of a create, update or delete."""
    status = 201 if stored.created else 200 if stored.body is not None else 204
    location = f"{stored.resource_type}/{stored.id}/_history/{stored.version}" if stored.body is not None else None
    return Result(
        status,
        stored.body,
        stored.resource_type,
        stored.id,
        stored.version,
        stored.last_updated,
        location,
        list(stored.notes),
    )


def new_id() -> str:
    """A server-assigned id: a UUID of version 7, so that new rows stand together in the index (RFC 9562 §5.7)."""
    value = time.time_ns() // 1_000_000 << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


async def apply(context: Context, connection: Connection, changes: Sequence[Change]) -> list[Stored]:
    """Carry out `changes`, all of different resources, on `connection`; the caller commits.

    Nothing is written before all are checked. Raises ForbiddenError, NotFoundError, VersionConflictError,
    PreconditionFailedError, and OutdatedExtractionError, which `in_transaction` answers; with referential integrity also
    BrokenReferenceError and ReferencedError.
    """
    for change in changes:
        _require_scope(context, change)
    now = context.now()
    keys = [change.key for change in changes if change.kind != "create"]
    integrity = await _lock_targets(context, connection, changes) if context.integrity != "off" else None
    deleting = any(change.kind == "delete" for change in changes)
    current = await versions.lock(connection, context.tenant, keys, deleting=deleting) if keys else {}
    absent = [key for key in keys if key not in current]
    buried = await versions.tombstones(connection, context.tenant, absent) if absent else {}
    was_in = {row.patient for row in current.values()}
    before = await visibility_of(context, connection, was_in)
    # One value for all, and for the whole way: what is extracted by it is refused when it has become too old.
    known = await promised(connection, context.words.known) if len(changes) > 1 else context.words.known
    planned: list[_Plan] = []
    for change in changes:
        planned.append(_plan(context, before, known, change, current.get(change.key), buried.get(change.key), now))
        if len(planned) % GIVE_WAY_EVERY == 0:
            await asyncio.sleep(0)
    stored = [(plan.change, plan.new) for plan in planned if plan.new is not None]
    hooked = [(change.resource, new) for change, new in stored if change.resource and change.resource_type in HOOKS]
    await place(context, connection, hooked, {new.self_token: new.patient for _, new in stored})
    is_in = {new.patient for _, new in stored}
    after = before if is_in <= was_in else await visibility_of(context, connection, is_in)
    for plan in planned:
        _require_visible(after, plan)
    if integrity is not None:
        await _require_integrity(connection, integrity, planned)
    await _store(context, connection, planned, now)
    await _keep_what_follows(context, connection, planned)
    return [plan.stored for plan in planned]


@dataclass(slots=True)
class _Plan:
    change: Change
    current: CurrentRow | None
    new: NewVersion | None
    stored: Stored

    @property
    def has_effect(self) -> bool:
        """Whether anything changes: a deletion may find nothing."""
        return self.new is not None or self.current is not None


async def _lock_targets(context: Context, connection: Connection, changes: Sequence[Change]) -> IntegrityCheck:
    writes = [Write(change.key, change.place or change.resource_type, change.resource) for change in changes]
    return await lock_targets(context, connection, writes)


async def _require_integrity(connection: Connection, check: IntegrityCheck, planned: Sequence[_Plan]) -> None:
    becoming = {plan.change.key: plan.new.version if plan.new else None for plan in planned if plan.has_effect}
    deleted = [
        Deletion(plan.current.self_token, str(plan.change), plan.change.place or plan.change.resource_type)
        for plan in planned
        if plan.new is None and plan.current is not None
    ]
    await check.require(connection, becoming, deleted)


def _require_scope(context: Context, change: Change) -> None:
    letter = {"create": "c", "update": "u", "patch": "u", "delete": "d"}[change.kind]
    require(context, letter, change.resource_type, change.kind)


def _plan(
    context: Context,
    visibility: Visibility,
    known: KnownParameters,
    change: Change,
    current: CurrentRow | None,
    buried: Tombstone | None,
    now: datetime,
) -> _Plan:
    # What the caller may not see is from here on as if it were not there, whatever the request says of it.
    letter: Letter = "d" if change.kind == "delete" else "u"
    if current is not None and not _allows(context, visibility, change.resource_type, letter, current):
        current = buried = None
    if current is not None:
        _match_version(change, current)
    elif change.if_match is not None:
        raise PreconditionFailedError(f"{change} does not exist, so it cannot be at version {change.if_match}.")
    if change.kind == "delete":
        return _Plan(change, current, None, _deletion(change, current, now))
    if change.kind == "update" and current is None:
        _require_creation_by_put(context, change)
    past = current or buried
    version = 1 if past is None else past.version + 1
    if past is not None:
        now = max(now, past.last_updated + timedelta(milliseconds=1))
    new = _new_version(context, known, change, current, version, now)
    stored = Stored(change.resource_type, change.id, version, now, new.body, current is None, change.notes)
    return _Plan(change, current, new, stored)


async def allows_row(
    context: Context, connection: Connection, resource_type: str, letters: str, current: CurrentRow
) -> bool:
    """Whether the caller may do all of `letters` with the row, which is locked."""
    visibility = await visibility_of(context, connection, [current.patient])
    return all(_allows(context, visibility, resource_type, letter, current) for letter in letters)  # type: ignore[arg-type]


def _allows(context: Context, visibility: Visibility, resource_type: str, letter: Letter, current: CurrentRow) -> bool:
    def tokens() -> Collection[int]:
        return index_entry(json_text.parse(current.body), context.hasher, context.base_url).tokens

    return visibility.allows_version(resource_type, letter, current.patient, tokens)


def _match_version(change: Change, current: CurrentRow) -> None:
    if change.if_match is not None and change.if_match != str(current.version):
        raise VersionConflictError(str(change), sent=change.if_match, current=str(current.version))


def _deletion(change: Change, current: CurrentRow | None, now: datetime) -> Stored:
    if current is None:
        return Stored(change.resource_type, change.id, None, None, None, created=False)
    at = max(now, current.last_updated + timedelta(milliseconds=1))
    return Stored(change.resource_type, change.id, current.version + 1, at, None, created=False)


def _require_creation_by_put(context: Context, change: Change) -> None:
    # To a token that does not see everything, an id that it cannot see and one that is free must look the same.
    if context.caller.is_confined("u", change.resource_type):
        raise not_found(change.resource_type, change.id)


def _new_version(
    context: Context, known: KnownParameters, change: Change, current: CurrentRow | None, version: int, now: datetime
) -> NewVersion:
    assert change.resource is not None
    assert change.body is not None
    body = json_text.splice(
        change.body,
        change.resource,
        id=change.id,
        version_id=str(version),
        last_updated=instant_text(now),
    )
    return new_version(
        context,
        known,
        # A copy: when the transaction collides and is tried again, it starts from what the client sent.
        {**change.resource, "id": change.id},
        version=version,
        method=_METHODS[change.kind],
        row_id=context.row_ids.next() if current is None else current.row_id,
        last_updated=now,
        body=body,
    )


def _require_visible(visibility: Visibility, plan: _Plan) -> None:
    """What the caller writes must lie in what the caller may write, after as before."""
    new = plan.new
    if new is None:
        return
    letter: Letter = "c" if plan.change.kind == "create" else "u"
    if not visibility.allows_version(plan.change.resource_type, letter, new.patient, lambda: new.tokens):
        raise ForbiddenError(
            f"The token may not write this {plan.change.resource_type}: it is not in a record, or not of a kind, that its"
            " scopes are about.",
            expression=plan.change.resource_type,
        )


async def _store(context: Context, connection: Connection, planned: Sequence[_Plan], now: datetime) -> None:
    gone = [plan.change.key for plan in planned if plan.change.kind == "delete" and plan.current is not None]
    if gone:
        await versions.delete(connection, context.tenant, gone, now)
    events = [_event(context, plan) for plan in planned]
    fresh = [plan.new for plan in planned if plan.new is not None and plan.current is None]
    changed = [plan.new for plan in planned if plan.new is not None and plan.current is not None]
    # One statement stores a single new resource with its audit event.
    alone = len(planned) == 1 and len(fresh) == 1
    if fresh:
        await versions.insert(connection, context.tenant, fresh, events[0] if alone else None)
    if changed:
        await versions.replace(connection, context.tenant, changed)
    if not alone:
        await audit.append(connection, events)


async def _keep_what_follows(context: Context, connection: Connection, planned: Sequence[_Plan]) -> None:
    """Relations and search parameters are kept together with the resources that say so; `create` knows these types."""
    written = [(plan.change.resource_type, plan.change.id, plan.change.resource) for plan in planned if plan.has_effect]
    await relate(context, connection, written)
    defining = {plan.change.id for plan in planned if plan.change.resource_type == "SearchParameter"}
    if defining:
        await register_parameters(context, connection, defining)


def _event(context: Context, plan: _Plan) -> audit.AuditEvent:
    before = plan.current.patient if plan.current else None
    after = plan.new.patient if plan.new else None
    return context.event(
        plan.change.kind,
        201 if plan.stored.created else 200,
        resource_type=plan.change.resource_type,
        resource_id=plan.change.id,
        version=plan.stored.version,
        patients=[patient for patient in dict.fromkeys((before, after)) if patient is not None],
    )
