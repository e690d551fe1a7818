"""What the commands do for added search parameters: register those of the packages, and build their indexes."""

from collections.abc import Sequence

from bhr_api.cli.operator import operator_context
from bhr_api.cli.progress import progress_bar
from bhr_api.interactions.context import Context
from bhr_api.interactions.parameter_indexing import index_parameters, unfinished, wait_until_known
from bhr_api.interactions.parameter_keeping import register_packages
from bhr_api.store import tenants
from bhr_api.store.database import Database


async def register_in_every_tenant(database: Database, base_url: str) -> list[Context]:
    """Give every tenant the search parameters of the packages that are loaded; the contexts of those with work to do."""
    async with database.acquire() as connection:
        rows = await tenants.all_tenants(connection)
    contexts = [await operator_context(database, row.tenant, base_url) for row in rows]
    for context in contexts:
        await register_packages(context)
    return [context for context in contexts if await unfinished(context)]


async def index_in_tenants(contexts: Sequence[Context]) -> None:
    """Build the indexes that are not complete, with a bar for each tenant; the server may run."""
    waiting = {context.tenant: await unfinished(context) for context in contexts}
    if not any(waiting.values()):
        return
    with progress_bar("Telling the server's workers", 1):
        await wait_until_known(contexts[0], frozenset().union(*waiting.values()))
    for context in contexts:
        with progress_bar(f"Indexing {context.words.name}", 1) as report:
            async for progress in index_parameters(context, waiting[context.tenant]):
                report(progress.done / max(progress.total, 1), f"{progress.resource_type} {progress.done:,}")
