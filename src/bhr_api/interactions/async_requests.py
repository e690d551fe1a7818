"""Asynchronous requests: kick-off, status and cancelling (FHIR R4, async.html; R5, async-bundle.html).

R4 leaves open what a request that is no export is answered with in the end; R5's pattern for requests whose answer is a
resource is taken: a Bundle of type batch-response whose one entry is the answer (docs/decisions/0007-asynchronous.md).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bhr_api.errors import Issue, NotFoundError, TooManyJobsError, operation_outcome
from bhr_api.fhir import json_text
from bhr_api.interactions.batch import check_bundle
from bhr_api.interactions.bundle_entries import outcome_result, response_bundle
from bhr_api.interactions.context import Context, Origin
from bhr_api.interactions.history import check_history
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.interactions.search import check_search
from bhr_api.interactions.system_search import system_queries
from bhr_api.store import audit, jobs, versions
from bhr_api.store.jobs import Job

KIND = "async-request"
STATUS_PATH = "$async-status"
_SEARCHES = ("search-type", "search-compartment")
_HISTORIES = ("history-type", "history-system")
_LONGEST_WAIT_SECONDS = 30
_SENT = ("interaction", "resource_type", "id", "version_id", "operation", "is_post", "parameters", "content_type")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was when it was put off: what for, under which token (by its digest), and from where."""

    request: Request
    tenant: int
    token: bytes
    origin: Origin
    lenient: bool
    minimal: bool

    def text(self) -> bytes:
        """As the job's input: a line of JSON, and the body as it was sent."""
        head: dict[str, Any] = {name: getattr(self.request, name) for name in _SENT}
        head |= {
            "token": self.token.hex(),
            "request_id": self.origin.request_id,
            "source": self.origin.source,
            "lenient": self.lenient,
            "minimal": self.minimal,
            "has_body": self.request.body is not None,
        }
        return json.dumps(head).encode() + b"\n" + (self.request.body or b"")


def asked_of(job: Job) -> Asked:
    """What a job is to answer."""
    line, _, body = job.input.partition(b"\n")
    head = json.loads(line)
    request = Request(**{name: head[name] for name in _SENT}, body=body if head["has_body"] else None)
    request.parameters = [(name, value) for name, value in request.parameters]
    origin = Origin(head["request_id"], head["source"])
    return Asked(request, job.tenant, bytes.fromhex(head["token"]), origin, head["lenient"], head["minimal"])


def can_wait(context: Context, request: Request) -> bool:
    """Whether the request may be put off. Of others the preference is passed over, as RFC 7240 §2 has it."""
    if request.interaction == "operation":
        return not context.operations.affects_state(request.operation)
    return request.interaction in ("transaction", "search-system", *_SEARCHES, *_HISTORIES)


async def kick_off(context: Context, request: Request, token: bytes, most_unfinished: int) -> Result:
    """Put the request off: 202 with the address at which to ask for its answer. `token` is the digest of the access token.

    Raises what can be known to be refused already, and TooManyJobsError beyond `most_unfinished` of the client.
    """
    await _check(context, request)
    caller, now = context.caller, context.now()
    asked = Asked(request, context.tenant, token, context.origin, context.lenient, context.minimal)
    async with context.database.acquire() as connection, connection.transaction():
        # Of one client's requests each sees those before it counted.
        await versions.lock_stripes(connection, context.tenant, [context.hasher.code("", "(jobs)", caller.client_id)])
        if await jobs.count_unfinished(connection, context.tenant, caller.client_id) >= most_unfinished:
            raise TooManyJobsError(most_unfinished)
        id = await jobs.add(
            connection,
            tenant=context.tenant,
            tenant_name=context.words.name,
            kind=KIND,
            input=asked.text(),
            now=now,
            client_id=caller.client_id,
            holder=holder_of(context),
        )
        event = context.event(
            request.interaction,
            202,
            resource_type=request.resource_type or None,
            resource_id=request.id or None,
            query=f"{STATUS_PATH}/{id}",
        )
        await audit.append(connection, [event])
    context.wake_jobs()
    place = f"{context.base_url}/{STATUS_PATH}/{id}"
    headers = {"Content-Location": place, "Preference-Applied": "respond-async", "Retry-After": "1"}
    return Result(202, _note("The request was accepted; its answer will be at Content-Location."), headers=headers)


def holder_of(context: Context) -> str:
    """Whose the answer is: the client's, with the same user and patient."""
    return json.dumps([context.caller.client_id, context.caller.user, context.caller.patient])


async def _check(context: Context, request: Request) -> None:
    """Refuse at once what needs no look at the record."""
    match request.interaction:
        case "transaction":
            assert request.body is not None
            await check_bundle(context, request.body)
        case "search-system":
            await system_queries(context, request, context.now())
        case "operation":
            context.operations.asked_for(request)
        case name if name in _SEARCHES:
            await check_search(context, request)
        case _:
            check_history(context, request)


async def status(context: Context, id: str) -> Result:
    """How the request is doing: 202 with X-Progress, or 200 with its answer in a Bundle. Raises NotFoundError."""
    now = context.now()
    async with context.database.acquire() as connection:
        job = await jobs.get(connection, context.tenant, id, holder_of(context), now)
        if job is None or job.kind != KIND:
            raise _unknown()
        outputs = [] if job.finished_at is None else await jobs.outputs(connection, context.tenant, id)
    result = _answer(context, job, outputs) if job.finished_at is not None else _in_progress(context, job)
    await context.record(context.event("async-status", result.status, query=f"{STATUS_PATH}/{id}"))
    return result


def _answer(context: Context, job: Job, outputs: list[jobs.Output]) -> Result:
    body = outputs[0].body
    if job.state == "failed":
        # The runner gave up and left an outcome; no answer was made.
        body = (
            response_bundle("batch-response", context.base_url, [outcome_result(500, json_text.parse(body))]).body
            or b""
        )
    headers = {} if job.expires_at is None else {"Expires": job.expires_at.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    return Result(200, body, headers=headers)


def _in_progress(context: Context, job: Job) -> Result:
    age = (context.now() - job.created_at).total_seconds()
    wait = min(_LONGEST_WAIT_SECONDS, max(1, round(age / 4)))
    return Result(202, None, headers={"X-Progress": _progress_text(job), "Retry-After": str(wait)})


def _progress_text(job: Job) -> str:
    """At most 100 characters (R4 async.html)."""
    if job.state == "queued":
        return "queued"
    told: Mapping[str, Any] = {} if job.progress is None else json.loads(job.progress)
    return f"{told['done']} of {told['total']} entries" if told.get("total") else "in progress"


async def cancel(context: Context, id: str) -> Result:
    """Cancel the request, or throw its answer away: 202, after which it is unknown. Raises NotFoundError."""
    async with context.database.acquire() as connection, connection.transaction():
        now = context.now()
        job = await jobs.get(connection, context.tenant, id, holder_of(context), now)
        if job is None or job.kind != KIND:
            raise _unknown()
        if not await jobs.cancel(connection, context.tenant, id, holder_of(context), now):
            raise _unknown()
        await audit.append(connection, [context.event("async-cancel", 202, query=f"{STATUS_PATH}/{id}")])
    return Result(202, _note("The request was cancelled."))


def _unknown() -> NotFoundError:
    return NotFoundError("No such asynchronous request is known here.")


def _note(text: str) -> bytes:
    return json_text.dumps(operation_outcome([Issue("information", "informational", text)]))
