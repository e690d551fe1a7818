"""`bhr-api import` and `bhr-api export`: records as files."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Annotated

import typer

from bhr_api.cli.databases import database_of, opened, tenant_called
from bhr_api.cli.failures import CommandError
from bhr_api.cli.import_files import files_under, pieces_of, size_of
from bhr_api.cli.operator import operator_context
from bhr_api.cli.options import DatabaseUrl, DataDir, PublicUrl, TenantName, TypeNames, checked_types, settings_of
from bhr_api.cli.progress import Report, progress_bar
from bhr_api.errors import Issue, operation_outcome
from bhr_api.fhir import json_text
from bhr_api.interactions.exporting import Export, snapshot
from bhr_api.interactions.importing import Importer
from bhr_api.settings import Settings
from bhr_api.store import heavy_tokens, statistics, tenants
from bhr_api.store.database import Database


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("import", epilog="Example: bhr-api import exported/ --errors refused.ndjson")(import_records)
    app.command(epilog="Example: bhr-api export exported/ --type Observation --type Goal")(export)


def import_records(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="A file, or a directory of them: .ndjson, or .json with a resource or Bundle; also .gz and .bz2.",
            show_default=False,
        ),
    ],
    errors: Annotated[
        Path, typer.Option(metavar="FILE", help="Where an OperationOutcome is written for each refused resource.")
    ] = Path("import-errors.ndjson"),
    tenant: TenantName = tenants.DEFAULT,
    public_url: PublicUrl = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Store resources under their own ids: validated, versioned, audited. A refused one does not hold up the others.

    Resources without an id get one. References may point at what is not there yet; with BHR_REFERENTIAL_INTEGRITY those that
    lead nowhere at the end are told of. Transactions are carried out as
    such; of collections each resource is stored. The exit code is 1 when something was refused.
    """
    settings = settings_of(public_url=public_url, database_url=database_url, data_dir=data_dir)
    files = files_under(path)
    if any(file.resolve() == errors.resolve() for file in files.values()):
        raise CommandError(f"{errors} is one of the files to import: name another one with --errors.")
    refused = RefusedResources(errors)
    started = time.monotonic()
    with database_of(settings) as dsn, progress_bar("Importing", size_of(files.values())) as report, refused:
        stored, dangling = asyncio.run(_import(dsn, settings, tenant, files, refused, report))
    seconds = time.monotonic() - started
    typer.echo(f"Stored {stored:,} resources in {seconds:.1f} s ({stored / seconds:,.0f} a second).", err=True)
    if refused.count:
        leading_nowhere = f", {dangling:,} stored references lead nowhere" if dangling else ""
        raise CommandError(f"{refused.count - dangling:,} refused{leading_nowhere}; {errors} tells which and why.")


class RefusedResources:
    """The file of OperationOutcomes, made with the first one, readable by its owner alone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stream: IO[bytes] | None = None
        self.count = 0

    def __enter__(self) -> "RefusedResources":
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, place: str, issues: Sequence[Issue]) -> None:
        """Write down one refused resource; every issue's sentence starts with the file and line where it stood."""
        if self._stream is None:
            self._stream = private_file(self._file)
        located = [Issue(i.severity, i.code, f"{place}: {i.diagnostics}", i.expression) for i in issues]
        self._stream.write(json_text.dumps(operation_outcome(located)) + b"\n")
        self.count += 1


def private_file(file: Path) -> IO[bytes]:
    """`file`, emptied and open for writing, readable by its owner alone: it holds personal data."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb", buffering=1 << 20)


async def _import(
    dsn: str,
    settings: Settings,
    tenant_name: str,
    files: Mapping[str, Path],
    refused: RefusedResources,
    report: Report,
) -> tuple[int, int]:
    async with opened(dsn) as database:
        tenant = await _tenant_number(database, tenant_name)
        context = await operator_context(database, tenant, settings.base_url)
        done = 0
        async with Importer(context, refused.add) as importer:
            for shown, file in files.items():

                def tell_position(position: int, done: int = done) -> None:
                    report(done + position, f"{importer.stored:,} stored, {refused.count:,} refused")

                for place, body, is_whole_file in pieces_of(file, shown, tell_position):
                    await (importer.add_file if is_whole_file else importer.add)(place, body)
                done += file.stat().st_size
        await context.audit.flush()
        async with database.acquire() as connection:
            await heavy_tokens.refresh(connection, tenant)
            await statistics.refresh(connection)
        return importer.stored, importer.dangling


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where Type.ndjson files go.", show_default=False)],
    types: TypeNames = None,
    tenant: TenantName = tenants.DEFAULT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Write every live resource as it is stored, one file for each type, all of one moment, into a new directory."""
    settings = settings_of(database_url=database_url, data_dir=data_dir)
    _make_empty(directory)
    started = time.monotonic()
    with database_of(settings) as dsn:
        written = asyncio.run(_export(dsn, settings, tenant, directory, checked_types(types)))
    seconds = time.monotonic() - started
    typer.echo(f"Wrote {written:,} resources in {seconds:.1f} s ({written / seconds:,.0f} a second).", err=True)


def _make_empty(directory: Path) -> None:
    """What was deleted since an earlier export must not come back from files that it left."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise CommandError(f"{directory} is not empty; an export goes into a new or empty directory.")


async def _export(
    dsn: str, settings: Settings, tenant_name: str, directory: Path, resource_types: Sequence[str]
) -> int:
    async with opened(dsn) as database:
        context = await operator_context(database, await _tenant_number(database, tenant_name), settings.base_url)
        async with snapshot(context, resource_types) as export:
            with progress_bar("Exporting", sum(export.counts.values())) as report:
                done = 0
                for resource_type in export.counts:
                    done = await _write(export, resource_type, directory / f"{resource_type}.ndjson", done, report)
    return done


async def _write(export: Export, resource_type: str, file: Path, done: int, report: Report) -> int:
    with private_file(file) as stream:
        async for line in export.lines(resource_type):
            stream.write(line)
            done += 1
            if done % 500 == 0:
                report(done, resource_type)
    return done


async def _tenant_number(database: Database, name: str) -> int:
    async with database.acquire() as connection:
        return (await tenant_called(connection, name)).tenant
