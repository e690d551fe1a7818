"""batch: each entry for itself, with its own answer (FHIR R4, http.html#transaction)."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from bhr_api.errors import InvalidResourceError, MalformedRequestError, RefusalError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.links import references_in
from bhr_api.fhir.validation import validate
from bhr_api.interactions.bundle_entries import (
    LARGE_BYTES,
    outcome_result,
    parse_entry,
    response_bundle,
    shown,
    without_body,
)
from bhr_api.interactions.context import Context
from bhr_api.interactions.perform import WRITES, perform
from bhr_api.interactions.results import Result
from bhr_api.interactions.transaction import check_transaction, transaction

_Sent = TypeVar("_Sent")
_Made = TypeVar("_Made")


async def batch_or_transaction(context: Context, body: bytes) -> Result:
    """What the bundle in `body` asks for. Raises MalformedRequestError for a bundle of another type."""
    bundle = await parse_bundle(body)
    if bundle["type"] == "transaction":
        return await transaction(context, bundle, body)
    return await batch(context, bundle)


async def parse_bundle(body: bytes) -> Resource:
    """The batch or transaction in `body`. Raises MalformedRequestError for anything else."""
    bundle = await _off_the_loop(json_text.parse, body, body)
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise MalformedRequestError("The base takes a Bundle of type batch or transaction.", expression="resourceType")
    if bundle.get("type") not in ("batch", "transaction"):
        raise MalformedRequestError("Bundle.type must be batch or transaction here.", expression="Bundle.type")
    return bundle


async def check_bundle(context: Context, body: bytes) -> None:
    """Refuse now what would be refused later: what breaks a rule as a whole, or goes beyond the caller's scopes."""
    bundle = await parse_bundle(body)
    if bundle["type"] == "transaction":
        await check_transaction(context, bundle, body)
    else:
        check_shell(bundle)


async def _off_the_loop(work: Callable[[_Sent], _Made], sent: _Sent, body: bytes) -> _Made:
    """What `work` makes of `sent`; for a large body in a thread, so that other requests get their turn meanwhile."""
    return work(sent) if len(body) < LARGE_BYTES else await asyncio.to_thread(work, sent)


async def batch(context: Context, bundle: Resource) -> Result:
    """Carry out each entry of `bundle`; a refused one answers with its outcome and does not touch the others."""
    check_shell(bundle)
    entries = bundle.get("entry", ())
    temporary = temporary_identities(entries)
    results = [await perform_entry(context, position, entry, temporary) for position, entry in enumerate(entries)]
    return response_bundle("batch-response", context.base_url, results)


def check_shell(bundle: Resource) -> None:
    """The batch itself must be valid; each resource is judged with its own entry."""
    entries = bundle.get("entry", ())
    if isinstance(entries, list):
        bare = [
            {name: value for name, value in entry.items() if name != "resource"} if isinstance(entry, dict) else entry
            for entry in entries
        ]
        bundle = {**bundle, **({"entry": bare} if "entry" in bundle else {})}
    errors = [issue for issue in validate(bundle) if issue.severity in ("error", "fatal")]
    if errors:
        raise InvalidResourceError(errors)


def temporary_identities(entries: Sequence[Resource]) -> frozenset[str]:
    """The identities that entries have inside the bundle alone (bundle.html#bundle-unique)."""
    urls = (entry.get("fullUrl") for entry in entries)
    return frozenset(url for url in urls if isinstance(url, str) and url.startswith("urn:"))


async def perform_entry(context: Context, position: int, entry: Resource, temporary: frozenset[str]) -> Result:
    """What the entry at `position` comes to, be it a refusal; `temporary` are the identities of the batch's entries."""
    try:
        parsed = parse_entry(position, entry)
        request = parsed.request
        if request.resource is not None:
            _require_independent(position, entry, temporary)
            request.body = json_text.dumps(request.resource)
        result = await perform(context, request)
        if parsed.method == "HEAD":
            return without_body(result)
        return shown(context, result) if request.interaction in WRITES else result
    except RefusalError as error:
        return outcome_result(error.status, error.outcome)


def _require_independent(position: int, entry: Resource, temporary: frozenset[str]) -> None:
    """http.html#brules: no entry of a batch depends on another; what it would refer to is stored nowhere."""
    for literal in references_in(entry["resource"]):
        if literal in temporary and literal != entry.get("fullUrl"):
            place = f"Bundle.entry[{position}]"
            raise MalformedRequestError(
                f"{place} refers to another entry of the batch, {literal[:80]}; such entries belong into a transaction.",
                expression=f"{place}.resource",
            )
