"""import: many resources under their own ids, each validated, versioned and audited as in an update (R4, http.html#update).

Resources go into the database some hundreds in a transaction; a refused one does not touch the others. What a reference
points at need not be there yet, so the order of the files does not matter: where referential integrity is asked for, those
that lead nowhere are told of at the end.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bhr_api.errors import (
    ForbiddenError,
    InvalidJsonError,
    InvalidResourceError,
    Issue,
    OverloadedError,
    RefusalError,
    UnknownTypeError,
)
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource
from bhr_api.interactions.batch import batch_or_transaction
from bhr_api.interactions.bundle_references import Identities, rewrite
from bhr_api.interactions.conditional import in_transaction
from bhr_api.interactions.context import BrokenReference, Context
from bhr_api.interactions.open_references import OpenReferences
from bhr_api.interactions.requests import SERVER_WRITTEN
from bhr_api.interactions.sent_resources import check_resource, notes_on
from bhr_api.interactions.write import Change, apply, new_id
from bhr_api.store.database import Connection

BATCH = 250
_PAUSE_EVERY = 10
# Bundles that carry resources; one of another type (document, message, ...) is itself the record.
CARRIED_OUT = frozenset({"transaction", "batch"})
OPENED = frozenset({"collection", "searchset"})

# Told of each refusal: where the resource stood, and the issues.
Refuse = Callable[[str, Sequence[Issue]], None]


class Importer:
    """Takes resources up one by one and stores them in batches; use it within `async with`.

    While the database stores one batch, the next one is read and checked. `stored` counts what is committed, `dangling` the
    references of it that lead nowhere at the end; each is told of as a refusal is, but as a warning.
    """

    def __init__(self, context: Context, refuse: Refuse) -> None:
        self._context = context
        self._refuse = refuse
        self._waiting: dict[tuple[str, str], tuple[str, Change]] = {}
        self._storing: asyncio.Task[None] | None = None
        self._open_references = OpenReferences()
        self.stored = 0
        self.dangling = 0

    async def __aenter__(self) -> "Importer":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self._store_waiting()
            if self._storing is not None:
                await self._storing
            if kind is None:
                await self._tell_of_dangling()
        finally:
            self._open_references.close()

    async def _tell_of_dangling(self) -> None:
        async for place, issue in self._open_references.dangling(self._context):
            self._refuse(place, [issue])
            self.dangling += 1

    async def add(self, place: str, body: bytes) -> None:
        """Take up the resource in `body`, which stood at `place`."""
        try:
            change = _change(_parsed(body), body)
        except RefusalError as error:
            self._refuse(place, error.issues)
            return
        await self._add_change(place, change)

    async def add_file(self, place: str, body: bytes) -> None:
        """Take up what a whole JSON file holds: a resource, or a Bundle of them.

        A transaction or batch is carried out; of a collection or searchset each resource is taken up.
        """
        try:
            parsed = _parsed(body)
            kind = parsed.get("type") if parsed.get("resourceType") == "Bundle" else None
            if kind in CARRIED_OUT:
                await self._carry_out(place, body)
            elif kind in OPENED:
                await self._open(place, parsed)
            else:
                await self._add_change(place, _change(parsed, body))
        except OverloadedError:
            raise
        except RefusalError as error:
            self._refuse(place, error.issues)

    async def _add_change(self, place: str, change: Change) -> None:
        assert change.resource is not None
        try:
            await notes_on(self._context, change.resource)
        except InvalidResourceError as error:
            self._refuse(place, error.issues)
            return
        key = (change.resource_type, change.id)
        # A transaction changes a resource once; the second line about it is its next version.
        if key in self._waiting or len(self._waiting) >= BATCH:
            await self._store_waiting()
        self._waiting[key] = (place, change)
        if len(self._waiting) % _PAUSE_EVERY == 0:
            # The batch before is on its way to the database, which wants a word now and then.
            await asyncio.sleep(0)

    async def _store_waiting(self) -> None:
        if self._storing is not None:
            await self._storing
        batch, self._waiting = list(self._waiting.values()), {}
        self._storing = asyncio.create_task(self._store(batch)) if batch else None

    async def _store(self, batch: Sequence[tuple[str, Change]]) -> None:
        async def work(connection: Connection) -> list[BrokenReference]:
            unresolved: list[BrokenReference] = []
            context = replace(self._context, unresolved=unresolved)
            await apply(context, connection, [change for _, change in batch])
            return unresolved

        try:
            self._open_references.add(await in_transaction(self._context, work), [place for place, _ in batch])
        except OverloadedError:
            # Not the resource is at fault but the database, which is not there: nothing more can be stored.
            raise
        except RefusalError as error:
            if len(batch) == 1:
                self._refuse(batch[0][0], error.issues)
                return
            # One of them is at fault; each for itself tells which.
            for single in batch:
                await self._store([single])
            return
        self.stored += len(batch)

    async def _carry_out(self, place: str, body: bytes) -> None:
        await self._store_waiting()
        unresolved: list[BrokenReference] = []
        result = await batch_or_transaction(replace(self._context, unresolved=unresolved), body)
        self._open_references.add(unresolved, [place])
        assert result.body is not None
        for position, entry in enumerate(json_text.parse(result.body).get("entry", ())):
            response = entry["response"]
            if int(response["status"]) >= 400:
                issues = [_issue_of(issue) for issue in response["outcome"]["issue"]]
                self._refuse(f"{place} Bundle.entry[{position}]", issues)
            else:
                self.stored += 1

    async def _open(self, place: str, bundle: Resource) -> None:
        entries = bundle.get("entry", ())
        if not isinstance(entries, list):
            raise InvalidJsonError("Bundle.entry must be a list.")
        identities = _identities(entries)
        for position, entry in enumerate(entries):
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if not isinstance(resource, dict) or _is_outcome_of_search(entry):
                continue
            full_url = entry.get("fullUrl")
            try:
                change = _change(resource, b"")
                rewrite(resource, identities, full_url if isinstance(full_url, str) else None)
                change.body = json_text.dumps(resource)
            except RefusalError as error:
                self._refuse(f"{place} Bundle.entry[{position}]", error.issues)
                continue
            await self._add_change(f"{place} Bundle.entry[{position}]", change)


def _parsed(body: bytes) -> Resource:
    resource = json_text.parse(body)
    if not isinstance(resource, dict):
        raise InvalidJsonError("This must be one JSON object: a FHIR resource.")
    return resource


def _change(resource: Resource, body: bytes) -> Change:
    """The update that stores a checked `resource` under its id, or the creation of one that has none."""
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or resource_type not in RESOURCE_TYPE_NUMBERS:
        shown = "This has no resourceType" if resource_type is None else f"{str(resource_type)[:64]!r} is no R4 type"
        raise UnknownTypeError(f"{shown}; a FHIR resource names its type.")
    if resource_type in SERVER_WRITTEN:
        raise ForbiddenError(f"{resource_type} is written by the server alone.")
    check_resource(resource, resource_type)
    if "id" in resource:
        return Change("update", resource_type, resource["id"], resource, body)
    return Change("create", resource_type, new_id(), resource, body)


def _identities(entries: Sequence[Any]) -> Identities:
    """bundle.html#references: what the fullUrls of entries stand for; an entry without an id is given one here."""
    identities = Identities()
    for entry in entries:
        match entry:
            case {"fullUrl": str(full_url), "resource": {"resourceType": str(resource_type)} as resource}:
                identities.learn(full_url, f"{resource_type}/{resource.setdefault('id', new_id())}")
    return identities


def _is_outcome_of_search(entry: Mapping[str, Any]) -> bool:
    """bundle.html#searchset: an entry of mode outcome is about the search, and no result."""
    search = entry.get("search")
    return isinstance(search, dict) and search.get("mode") == "outcome"


def _issue_of(issue: Mapping[str, Any]) -> Issue:
    expression = issue.get("expression", [None])[0]
    return Issue(issue["severity"], issue["code"], issue["diagnostics"], expression)
