"""`bhr-api migrate`, `check`, `reindex`, `backup` and `restore`: the upkeep of the database."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from bhr_api.cli.databases import database_of, opened, prepare, tenant_called
from bhr_api.cli.failures import CommandError
from bhr_api.cli.operator import operator_context
from bhr_api.cli.options import DatabaseUrl, DataDir, PublicUrl, TypeNames, checked_types, settings_of
from bhr_api.cli.parameters import index_in_tenants
from bhr_api.cli.progress import progress_bar
from bhr_api.fhir.references import ReferentialIntegrity
from bhr_api.interactions import reindexing
from bhr_api.interactions.context import Context
from bhr_api.interactions.parameter_keeping import register_packages
from bhr_api.search.referring import GENERATION_WITH_REFERENCES
from bhr_api.settings import Settings
from bhr_api.store import audit, heavy_tokens, references, statistics, tenants
from bhr_api.store import backup as backups
from bhr_api.store.condition import Finding, examine
from bhr_api.store.database import Database


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(epilog="Example: bhr-api migrate --data-dir .data")(migrate)
    app.command(epilog="Example: bhr-api check")(check)
    app.command(epilog="Example: bhr-api reindex --tenant default --type Observation")(reindex)
    app.command(epilog="Example: bhr-api backup /backups/monday")(backup)
    app.command(epilog="Example: bhr-api restore /backups/monday --data-dir .restored")(restore)


def migrate(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Bring the database to this program's schema; a new one gets the tenant `default`. The server does so by itself."""
    with database_of(settings_of(database_url=database_url, data_dir=data_dir), create=True) as dsn:
        asyncio.run(prepare(dsn))


def check(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Look at the settings and the database, and tell of each thing whether it is right; exit code 1 when one is not."""
    settings = settings_of(database_url=database_url, data_dir=data_dir)
    with database_of(settings) as dsn:
        findings = [_settings_finding(settings), *asyncio.run(_examined(dsn, settings.referential_integrity))]
    for subject, is_right, detail in findings:
        typer.echo(f"{'ok     ' if is_right else 'PROBLEM'}  {subject:<11} {detail}")
    wrong = [finding.subject for finding in findings if not finding.is_right]
    if wrong:
        raise CommandError(f"{len(wrong)} of {len(findings)} are not right: {', '.join(wrong)}.")


def _settings_finding(settings: Settings) -> Finding:
    # Both sources give names in lower case, as they are compared.
    given = {*EnvSettingsSource(Settings).env_vars, *DotEnvSettingsSource(Settings).env_vars}
    known = {f"bhr_{name}" for name in Settings.model_fields}
    unknown = sorted(name.upper() for name in given - known if name.startswith("bhr_"))
    if unknown:
        return Finding("Settings", False, f"{', '.join(unknown)}: there is no such setting")
    where = "at BHR_DATABASE_URL" if settings.database_url is not None else f"embedded, in {settings.data_dir}"
    return Finding("Settings", True, f"FHIR base {settings.base_url}, database {where}")


async def _examined(dsn: str, integrity: ReferentialIntegrity) -> list[Finding]:
    database = await Database.open(dsn, pool_size=1)
    try:
        async with database.acquire() as connection:
            return await examine(connection, GENERATION_WITH_REFERENCES if integrity == "strict" else None)
    finally:
        await database.close()


def reindex(
    everything: Annotated[
        bool, typer.Option("--all", help="Also what this version of the program indexed itself.")
    ] = False,
    types: TypeNames = None,
    tenant: Annotated[str | None, typer.Option(metavar="NAME", help="Only this tenant's.", show_default=False)] = None,
    public_url: PublicUrl = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Extract the search values of stored resources anew, where an older version extracted them; the server may run."""
    settings = settings_of(public_url=public_url, database_url=database_url, data_dir=data_dir)
    resource_types = checked_types(types)
    with database_of(settings) as dsn:
        count = asyncio.run(_reindex(dsn, settings, tenant, resource_types, everything))
    typer.echo(f"Indexed {count:,} resources anew.", err=True)


async def _reindex(
    dsn: str, settings: Settings, tenant: str | None, resource_types: Sequence[str], everything: bool
) -> int:
    done = 0
    async with opened(dsn) as database:
        async with database.acquire() as connection:
            wanted = [await tenant_called(connection, tenant)] if tenant else await tenants.all_tenants(connection)
        for row in wanted:
            context = await operator_context(database, row.tenant, settings.base_url)
            done += await _reindex_tenant(context, resource_types, everything)
    return done


async def _reindex_tenant(context: Context, resource_types: Sequence[str], everything: bool) -> int:
    await register_packages(context)
    await index_in_tenants([context])
    counts = await reindexing.outdated(context, resource_types, everything=everything)
    done = 0
    with progress_bar(f"Indexing {context.words.name}", sum(counts.values())) as report:
        for resource_type in counts:
            async for count in reindexing.reindex(context, resource_type, everything=everything):
                done += count
                report(done, resource_type)
    async with context.database.acquire() as connection:
        event = context.event("reindex", 200, query=f"resources={done}")
        await audit.append(connection, [event])
        await heavy_tokens.refresh(connection, context.tenant)
        if context.integrity == "strict":
            await references.note_indexed(connection, context.tenant, context.index_generation)
        await statistics.refresh(connection)
    return done


def backup(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty directory.", show_default=False)],
    data_dir: DataDir = None,
) -> None:
    """Copy the embedded PostgreSQL, also while the server runs."""
    settings = _embedded_only(settings_of(data_dir=data_dir), "backed up")
    with progress_bar("Backing up", 100) as report:
        backups.backup(settings.data_dir, directory, progress=lambda percent: report(percent, ""))
    typer.echo(f"Backed up {settings.data_dir} into {directory}.", err=True)


def restore(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What backup made.", show_default=False)],
    data_dir: DataDir = None,
) -> None:
    """Make the database of a data directory that has none from a backup, which is checked first."""
    settings = _embedded_only(settings_of(data_dir=data_dir), "restored")
    backups.restore(directory, settings.data_dir)
    typer.echo(f"Restored {directory} into {settings.data_dir}.", err=True)


def _embedded_only(settings: Settings, what: str) -> Settings:
    if settings.database_url is not None:
        raise CommandError(
            f"Only the embedded PostgreSQL is {what} so; BHR_DATABASE_URL names another server: use its own means, "
            "such as pg_basebackup or pg_dump."
        )
    return settings
