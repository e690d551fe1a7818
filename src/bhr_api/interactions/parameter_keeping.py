"""What a worker does for added search parameters beside the requests: index them, and give each tenant those of the packages.

Whoever adds a package registers its parameters in every tenant at once (`bhr-api packages add`); a tenant that is made later,
or was missed because the command ended early, gets them here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import structlog

from bhr_api.background import Background
from bhr_api.errors import RefusalError
from bhr_api.interactions.conditional import in_transaction
from bhr_api.interactions.context import Context
from bhr_api.interactions.parameter_indexing import index_parameters
from bhr_api.interactions.parameter_registration import register_parameters
from bhr_api.store import added_parameters, packages
from bhr_api.store.database import Connection, Database
from bhr_api.store.job_run import JobRun
from bhr_api.store.jobs import Output

log = structlog.get_logger(__name__)

LOOK_SECONDS = 30.0

ContextOf = Callable[[Database, int], Awaitable[Context]]
"""From a pool and a tenant to a context in which the server may do everything."""


async def index_job(context_of: ContextOf, run: JobRun) -> Sequence[Output]:
    """The job that builds the indexes of a tenant's added parameters."""
    context = await context_of(run.database, run.job.tenant)
    while not run.is_finished:
        async for done in index_parameters(context):
            await run.report(done.done, done.total, text=done.resource_type)
        async with run.database.acquire() as connection, connection.transaction():
            # Whoever registers more has to wait, and then finds no job that is unfinished.
            await added_parameters.lock_set(connection, run.job.tenant)
            if all(row.state == "complete" for row in await added_parameters.rows_of(connection, run.job.tenant)):
                await run.complete(connection)
    return []


async def register_packages(context: Context) -> bool:
    """Give the tenant the parameters of the packages that are loaded; whether its set changed."""

    async def work(connection: Connection) -> bool:
        return await register_parameters(context, connection)

    return await in_transaction(context, work)


class ParameterKeeper:
    """Looks twice a minute for tenants whose set was made with other packages than those that are loaded."""

    def __init__(self, database: Database, context_of: ContextOf) -> None:
        self._database = database
        self._context_of = context_of
        self._background = Background()

    def start(self) -> None:
        """Begin in the background."""
        self._background.start(self._run())

    async def stop(self) -> None:
        """Stop the background task."""
        await self._background.stop()

    async def look(self) -> None:
        """Register the packages' parameters where that was not done."""
        async with self._database.acquire() as connection:
            behind = await added_parameters.tenants_behind(connection, await packages.generation(connection))
        for tenant in behind:
            await register_packages(await self._context_of(self._database, tenant))

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except (RefusalError, asyncpg.PostgresError) as error:
                log.warning("package_parameters_delayed", reason=type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)
