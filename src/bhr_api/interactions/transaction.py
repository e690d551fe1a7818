"""transaction: all entries of a bundle, or none (FHIR R4, http.html#transaction).

The rules that a bundle's entries must keep among themselves are in `bundle_entries.py`.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bhr_api.errors import InvalidResourceError, Issue, MalformedRequestError, RefusalError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.links import references_in
from bhr_api.fhir.profiles.walk import Entries
from bhr_api.fhir.validation import validate
from bhr_api.interactions.bundle_entries import (
    LARGE_BYTES,
    Entry,
    parse_entries,
    response_bundle,
    shown,
    without_body,
)
from bhr_api.interactions.bundle_references import Identities, conditional_references, rewrite
from bhr_api.interactions.conditional import Match, criteria_of, find, in_transaction, lock_criteria
from bhr_api.interactions.context import Context
from bhr_api.interactions.create import existing
from bhr_api.interactions.patch import planned_patch
from bhr_api.interactions.perform import perform_reading
from bhr_api.interactions.read import require
from bhr_api.interactions.requests import Parameters, parse_parameters
from bhr_api.interactions.results import Result
from bhr_api.interactions.sent_resources import notes_on
from bhr_api.interactions.update import conditional_change, require_same_id
from bhr_api.interactions.write import Change, apply, new_id, of_write
from bhr_api.store import versions
from bhr_api.store.database import Connection

_LETTERS = {
    "create": "c",
    "update": "u",
    "conditional-update": "u",
    "patch": "u",
    "conditional-patch": "u",
    "delete": "d",
    "conditional-delete": "d",
}


@dataclass(slots=True)
class _Planned:
    """An entry with what it came to: a change to carry out, or the resource that its condition found."""

    entry: Entry
    change: Change | None = None
    existing: Match | None = None


async def transaction(context: Context, bundle: Resource, body: bytes) -> Result:
    """Carry out the transaction `bundle`, parsed from `body`; the transaction-response has one entry for each, in its order.

    Raises InvalidResourceError with every issue of every entry, and the refusal of the first entry that cannot be done.
    """
    entries = await check_transaction(context, bundle, body)
    notes = await _notes(context, bundle, entries)
    attempts = 0

    async def work(connection: Connection) -> list[Result]:
        nonlocal attempts
        attempts += 1
        # Carrying out rewrites references in the resources, so another attempt starts from the text again.
        fresh = entries if attempts == 1 else parse_entries(json_text.parse(body))
        return await _carry_out(replace(context, held=connection), connection, fresh, notes)

    return response_bundle("transaction-response", context.base_url, await in_transaction(context, work))


async def check_transaction(context: Context, bundle: Resource, body: bytes) -> list[Entry]:
    """The entries of a transaction that keeps the rules of R4 and asks for nothing beyond the caller's scopes.

    Raises InvalidResourceError, MalformedRequestError, ForbiddenError.
    """
    issues = validate(bundle) if len(body) < LARGE_BYTES else await asyncio.to_thread(validate, bundle)
    errors = [issue for issue in issues if issue.severity in ("error", "fatal")]
    if errors:
        raise InvalidResourceError(errors)
    entries = parse_entries(bundle)
    for entry in entries:
        _require_scope(context, entry)
    return entries


def _require_scope(context: Context, entry: Entry) -> None:
    letter = _LETTERS.get(entry.request.interaction)
    if letter is not None:
        with _located(entry):
            require(context, letter, entry.request.resource_type, entry.request.interaction)


class _located:
    """Names the entry in the refusals raised inside."""

    def __init__(self, entry: Entry) -> None:
        self._place = f"Bundle.entry[{entry.position}]"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, RefusalError):
            error.issues = [
                Issue(issue.severity, issue.code, f"{self._place}: {issue.diagnostics}", self._place)
                for issue in error.issues
            ]


async def _notes(context: Context, bundle: Resource, entries: Sequence[Entry]) -> dict[int, list[Issue]]:
    """What profiles note of each entry's resource, whose references may lead to others of the bundle."""
    around = Entries(bundle)
    found: dict[int, list[Issue]] = {}
    for entry in entries:
        if entry.request.resource is not None and entry.request.interaction != "operation":
            with _located(entry):
                found[entry.position] = await notes_on(context, entry.request.resource, around)
    return found


async def _carry_out(
    context: Context, connection: Connection, entries: Sequence[Entry], notes: Mapping[int, Sequence[Issue]]
) -> list[Result]:
    identities = Identities()
    await lock_criteria(context, connection, _criteria(entries))
    planned = await _plan(context, connection, entries, identities)
    await _resolve_references(context, connection, planned, identities)
    changes = [plan.change for plan in planned if plan.change is not None]
    for plan in planned:
        if plan.change is not None:
            plan.change.place = _place(plan.entry, plan.change)
            plan.change.notes = notes.get(plan.entry.position, plan.change.notes)
    _require_different([*map(str, changes), *_operated_on(context, entries)])
    stored = iter(await apply(context, connection, changes))
    by_position: dict[int, Result] = {}
    for plan in planned:
        if plan.change is not None:
            by_position[plan.entry.position] = shown(context, of_write(next(stored)))
    # http.html#trules: DELETE, POST, PUT, then GET: what is read shows the transaction's own writes.
    for plan in planned:
        if plan.change is None:
            with _located(plan.entry):
                result = await _read(context, plan)
                by_position[plan.entry.position] = without_body(result) if plan.entry.method == "HEAD" else result
    return [by_position[entry.position] for entry in entries]


def _place(entry: Entry, change: Change) -> str | None:
    if change.kind == "patch":
        # The bundle does not hold the resource that a patch makes.
        return None
    return f"Bundle.entry[{entry.position}]" + (".resource" if change.resource is not None else "")


def _criteria(entries: Sequence[Entry]) -> Iterator[tuple[str, Parameters]]:
    """The (type, criteria) of every condition in the bundle."""
    for entry in entries:
        request = entry.request
        if request.if_none_exist is not None:
            yield request.resource_type, parse_parameters(criteria_of(request.if_none_exist))
        elif request.interaction in ("conditional-update", "conditional-patch", "conditional-delete"):
            yield request.resource_type, request.parameters
        for literal in conditional_references(request.resource or {}):
            resource_type, _, criteria = literal.partition("?")
            yield resource_type, parse_parameters(criteria)


async def _plan(
    context: Context, connection: Connection, entries: Sequence[Entry], identities: Identities
) -> list[_Planned]:
    """What each entry comes to, in the order of http.html#trules; conditions see the record before the transaction."""
    found: list[_Planned] = []
    created: dict[tuple[str, str], str] = {}
    for entry in sorted(entries, key=lambda entry: entry.order):
        with _located(entry):
            plan = await _plan_one(context, connection, entry, created)
        found.append(plan)
        if plan.change is not None:
            version = 1 if plan.change.kind == "create" else None
            identities.add(entry, plan.change.resource_type, plan.change.id, version)
        elif plan.existing is not None:
            identities.add(entry, entry.request.resource_type, plan.existing.id, plan.existing.version)
    return found


async def _plan_one(
    context: Context, connection: Connection, entry: Entry, created: dict[tuple[str, str], str]
) -> _Planned:
    request = entry.request
    match request.interaction:
        case "create":
            return await _plan_create(context, connection, entry, created)
        case "update":
            assert request.resource is not None
            require_same_id(request.resource, request.id)
            change = Change("update", request.resource_type, request.id, request.resource, None, request.if_match)
            return _Planned(entry, change)
        case "conditional-update":
            assert request.resource is not None
            match = await find(context, connection, request.resource_type, request.parameters)
            found = match.id if match else None
            sent_id = request.resource.get("id")
            return _Planned(entry, conditional_change(request, request.resource, sent_id, found))
        case "patch" | "conditional-patch":
            return _Planned(entry, await planned_patch(context, connection, request))
        case "delete":
            change = Change("delete", request.resource_type, request.id, if_match=request.if_match)
            return _Planned(entry, change)
        case "conditional-delete":
            match = await find(context, connection, request.resource_type, request.parameters)
            if match is None:
                return _Planned(entry)
            return _Planned(entry, Change("delete", request.resource_type, match.id, if_match=request.if_match))
    return _Planned(entry)


async def _plan_create(
    context: Context, connection: Connection, entry: Entry, created: dict[tuple[str, str], str]
) -> _Planned:
    request = entry.request
    change = Change("create", request.resource_type, new_id(), request.resource)
    if request.if_none_exist is None:
        return _Planned(entry, change)
    criteria = criteria_of(request.if_none_exist)
    # Two entries with the same condition are about one resource: the second finds what the first creates.
    known = created.get((request.resource_type, criteria))
    if known is not None:
        return _Planned(entry, existing=Match(known, 1))
    match = await find(context, connection, request.resource_type, parse_parameters(criteria))
    if match is None:
        created[request.resource_type, criteria] = change.id
        return _Planned(entry, change)
    return _Planned(entry, existing=match)


async def _resolve_references(
    context: Context, connection: Connection, planned: Sequence[_Planned], identities: Identities
) -> None:
    """Put the ids that resources got in the place of urn:uuid, fullUrl and conditional references to them."""
    for plan in planned:
        change = plan.change
        if change is None or change.resource is None:
            continue
        with _located(plan.entry):
            for literal in conditional_references(change.resource):
                if literal not in identities:
                    identities.learn(literal, await _find_referenced(context, connection, literal))
    identities.learn_versions(await _versions(context, connection, planned, identities))
    for plan in planned:
        change = plan.change
        if change is None or change.resource is None:
            continue
        rewrite(change.resource, identities, plan.entry.full_url)
        change.body = json_text.dumps(change.resource)


async def _versions(
    context: Context, connection: Connection, planned: Sequence[_Planned], identities: Identities
) -> dict[str, int]:
    """The versions that the updated resources come to, if any reference in the bundle names a version of an entry."""
    changes = [plan.change for plan in planned if plan.change is not None]
    if not any(
        identities.versioned(literal, plan.entry.full_url)
        for plan in planned
        if plan.change is not None and plan.change.resource is not None
        for literal in references_in(plan.change.resource)
    ):
        return {}
    keys = [change.key for change in changes if change.kind != "create"]
    buried = await versions.tombstones(connection, context.tenant, keys)
    current = await versions.lock(connection, context.tenant, keys)
    past = {key: row.version for rows in (buried, current) for key, row in rows.items()}
    return {str(change): past.get(change.key, 0) + 1 for change in changes if change.kind in ("update", "patch")}


async def _find_referenced(context: Context, connection: Connection, literal: str) -> str:
    """http.html#trules: a conditional reference that matches none, or several, fails the transaction."""
    resource_type, _, criteria = literal.partition("?")
    match = await find(context, connection, resource_type, parse_parameters(criteria))
    if match is None:
        raise MalformedRequestError(
            f"The conditional reference to {resource_type} meets no resource; it must meet exactly one.",
            code="not-found",
        )
    return f"{resource_type}/{match.id}"


def _operated_on(context: Context, entries: Sequence[Entry]) -> Iterator[str]:
    """The resources that named operations change, once the writes are done."""
    for entry in entries:
        request = entry.request
        if request.interaction == "operation" and request.id and context.operations.affects_state(request.operation):
            yield f"{request.resource_type}/{request.id}"


def _require_different(changed: Sequence[str]) -> None:
    """http.html#trules: a resource may be named by one entry only, however it is named."""
    seen: set[str] = set()
    for one in changed:
        if one in seen:
            raise MalformedRequestError(
                f"Several entries of the transaction change {one}; a transaction may change a resource once."
            )
        seen.add(one)


async def _read(context: Context, plan: _Planned) -> Result:
    if plan.existing is not None:
        return await existing(context, plan.entry.request.resource_type, plan.existing.id)
    if plan.entry.request.interaction == "conditional-delete":
        return Result(204)
    return await perform_reading(context, plan.entry.request)
