"""Asynchronous requests carried out: the handler of their jobs (`job_runner`), and what makes them happen exactly once.

A transaction commits its writes, its answer and the end of its job together; an entry of a batch commits with its answer.
So whatever is killed at whatever moment, the next attempt goes on behind what is done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bhr_api.errors import ForbiddenError, RefusalError
from bhr_api.interactions.async_requests import Asked, asked_of
from bhr_api.interactions.batch import check_shell, parse_bundle, perform_entry, temporary_identities
from bhr_api.interactions.bundle_entries import bundle_of, outcome_result, response_bundle, response_entry, shown
from bhr_api.interactions.context import Context
from bhr_api.interactions.perform import perform
from bhr_api.interactions.results import Result
from bhr_api.interactions.transaction import transaction
from bhr_api.interactions.write import Stored, of_write
from bhr_api.store import jobs
from bhr_api.store.database import Connection, Database
from bhr_api.store.job_run import JobRun
from bhr_api.store.jobs import Output
from bhr_api.store.oauth import LOOK_UP_BEARER

MakeContext = Callable[[Asked, Database], Awaitable[Context]]
# How soon work in progress ends when its token is revoked or its client disabled.
LOOK_SECONDS = 5.0
_JSON = "application/fhir+json"


class AsyncWork:
    """Carries out asynchronous requests; their answers are kept for `kept`."""

    def __init__(self, make_context: MakeContext, kept: timedelta) -> None:
        self._make_context = make_context
        self._kept = kept

    async def __call__(self, run: JobRun) -> Sequence[Output]:
        """Answer the request of the job. Raises what another attempt may do away with."""
        asked = asked_of(run.job)
        work = asyncio.create_task(self._answer(run, asked))
        try:
            while not work.done():
                await asyncio.wait([work], timeout=LOOK_SECONDS)
                if not work.done() and await _is_taken_back(run, asked):
                    break
        finally:
            await _ended(work)
        error = _taken_back() if work.cancelled() else work.exception()
        if isinstance(error, RefusalError) and error.status < 500:
            await self._end(run, outcome_result(error.status, error.outcome))
        elif error is not None:
            raise error
        return []

    async def _answer(self, run: JobRun, asked: Asked) -> None:
        if await _is_taken_back(run, asked):
            raise _taken_back()
        context = await self._make_context(asked, run.database)
        if asked.request.interaction != "transaction":
            await self._read(run, asked, context)
            return
        assert asked.request.body is not None
        bundle = await parse_bundle(asked.request.body)
        if bundle["type"] == "batch":
            await self._batch(run, asked, context, bundle)
            return

        async def committing(connection: Connection, results: list[Result]) -> None:
            answer = response_bundle("transaction-response", context.base_url, results)
            await self._complete(run, asked, connection, answer, context.base_url)

        await transaction(replace(context, committing=committing), bundle, asked.request.body)

    async def _read(self, run: JobRun, asked: Asked, context: Context) -> None:
        """What is read, its audit event and the end of the job are one transaction."""
        async with run.database.acquire() as connection, connection.transaction():
            result = await perform(replace(context, held=connection), asked.request)
            await self._complete(run, asked, connection, result, context.base_url)

    async def _batch(self, run: JobRun, asked: Asked, context: Context, bundle: dict[str, Any]) -> None:
        check_shell(bundle)
        entries = bundle.get("entry", ())
        temporary = temporary_identities(entries)
        async with run.database.acquire() as connection:
            kept = await jobs.kept_outputs(connection, run.job.tenant, run.job.id)
        for position, entry in enumerate(entries):
            if position in kept:
                continue
            keeper = _Keeper(run, context, position, len(entries))
            result = await perform_entry(replace(context, committing=keeper.committing), position, entry, temporary)
            if keeper.kept != response_entry(context.base_url, result):
                async with run.database.acquire() as connection, connection.transaction():
                    await keeper.keep(connection, result)
        async with run.database.acquire() as connection, connection.transaction():
            kept = await jobs.kept_outputs(connection, run.job.tenant, run.job.id)
            answer = bundle_of("batch-response", [kept[position] for position in range(len(entries))])
            await self._complete(run, asked, connection, answer, context.base_url)

    async def _complete(self, run: JobRun, asked: Asked, connection: Connection, answer: Result, base_url: str) -> None:
        if await connection.fetchrow(LOOK_UP_BEARER, asked.tenant, asked.token) is None:
            raise _taken_back()
        await self._finish(run, connection, answer, base_url)

    async def _end(self, run: JobRun, refusal: Result) -> None:
        async with run.database.acquire() as connection, connection.transaction():
            await self._finish(run, connection, refusal, "")

    async def _finish(self, run: JobRun, connection: Connection, answer: Result, base_url: str) -> None:
        body = response_bundle("batch-response", base_url, [answer]).body
        assert body is not None
        await run.complete(connection, [Output(_JSON, body)], expires_at=run.database.now() + self._kept)


class _Keeper:
    """Keeps the answer of one entry of a batch, within the transaction of its write if it has one.

    `kept` is the answer that the last such transaction was to keep; where that failed, another one comes of the entry.
    """

    def __init__(self, run: JobRun, context: Context, position: int, total: int) -> None:
        self._run, self._context, self._position, self._total = run, context, position, total
        self.kept = b""

    async def committing(self, connection: Connection, written: Any) -> None:
        match written:
            case Stored():
                await self.keep(connection, shown(self._context, of_write(written)))
            case Result():
                is_created = written.status == 201
                await self.keep(connection, shown(self._context, written) if is_created else written)
            case _:
                # A condition found something, or nothing, and nothing is written.
                return

    async def keep(self, connection: Connection, result: Result) -> None:
        await self._run.report(self._position + 1, self._total, connection=connection)
        self.kept = response_entry(self._context.base_url, result)
        await jobs.keep_output(connection, self._run.job, self._position, Output(_JSON, self.kept))


async def _is_taken_back(run: JobRun, asked: Asked) -> bool:
    async with run.database.acquire() as connection:
        return await connection.fetchrow(LOOK_UP_BEARER, asked.tenant, asked.token) is None


def _taken_back() -> ForbiddenError:
    return ForbiddenError("The access token was revoked, or its client disabled, before the request was answered.")


async def _ended(work: "asyncio.Task[None]") -> None:
    """Cancel what still runs, and wait until it has let go of its connection."""
    if not work.done():
        work.cancel()
    await asyncio.wait([work])
