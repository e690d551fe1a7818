"""`bhr-api packages`: the implementation guides that the server knows (hl7.org/fhir/packages.html)."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bhr_api.cli.databases import database_of, opened
from bhr_api.cli.failures import CommandError
from bhr_api.cli.import_files import size_of
from bhr_api.cli.operator import administration_event
from bhr_api.cli.options import DatabaseUrl, DataDir, PublicUrl, settings_of
from bhr_api.cli.parameters import index_in_tenants, register_in_every_tenant
from bhr_api.cli.progress import Report, progress_bar
from bhr_api.fhir.packages import BUILT_IN, Package, PackageError, read_package, unmet
from bhr_api.store import audit, packages, tenants
from bhr_api.store.database import Connection, Database
from bhr_api.store.packages import Loaded

app = typer.Typer(
    help="Implementation guides: profiles, value sets and search parameters for all tenants.", no_args_is_help=True
)


@app.command(epilog="Example: bhr-api packages add hl7.fhir.us.core-8.0.0.tgz hl7.terminology.r4-6.4.0.tgz")
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.tgz", help="FHIR packages for R4.", show_default=False)],
    public_url: PublicUrl = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Load packages, all or none of them, in any order, and index the search parameters that they add to R4's.

    The server may run. Each package is printed as a line of JSON.
    """
    settings = settings_of(public_url=public_url, database_url=database_url, data_dir=data_dir)
    with progress_bar("Reading", _size_of(files)) as report:
        given = _read_all(files, report)
    with database_of(settings) as dsn:
        added, loaded = asyncio.run(_add(dsn, given))
        asyncio.run(_index(dsn, settings.base_url))
    for row in _mentioned(loaded, given):
        typer.echo(_json(row, loaded, was_added=(row.name, row.version) in added))
        if (row.name, row.version) not in added:
            typer.echo(f"{row.name}@{row.version} is there already.", err=True)
    _tell_of_missing(_mentioned(loaded, given), loaded)


@app.command("list", epilog="Example: bhr-api packages list")
def list_packages(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Print every loaded package, a line of JSON each."""
    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        loaded = asyncio.run(_all(dsn))
    for row in loaded:
        typer.echo(_json(row, loaded))


@app.command(epilog="Example: bhr-api packages remove hl7.fhir.us.core@6.1.0")
def remove(
    package: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="As it is listed.", show_default=False)],
    public_url: PublicUrl = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Take a package away; nothing is validated or searched by it any more."""
    name, _, version = package.rpartition("@")
    settings = settings_of(public_url=public_url, database_url=database_url, data_dir=data_dir)
    with database_of(settings) as dsn:
        left = asyncio.run(_remove(dsn, name, version))
        asyncio.run(_index(dsn, settings.base_url))
    typer.echo(f"Removed {package}.", err=True)
    _tell_of_missing([row for row in left if (name, version) in row.dependencies], left)


# Reading


def _size_of(files: Sequence[Path]) -> int:
    for file in files:
        if not file.is_file():
            raise CommandError(f"{file} is no file.")
    return size_of(files)


def _read_all(files: Sequence[Path], report: Report) -> list[Package]:
    """The packages of `files`, without those that are built in. Raises CommandError."""
    found: dict[tuple[str, str], Package] = {}
    done = 0
    for file in files:
        package = _read(file, done, report)
        done += file.stat().st_size
        if package.name in BUILT_IN:
            typer.echo(f"{package.name}@{package.version} is built in.", err=True)
        elif found.setdefault((package.name, package.version), package).digest != package.digest:
            raise CommandError(f"{file}: {package.name}@{package.version} was given twice, with different contents.")
    return list(found.values())


def _read(file: Path, done: int, report: Report) -> Package:
    try:
        with file.open("rb") as archive:
            return read_package(archive, lambda position: report(done + position, file.name))
    except PackageError as error:
        raise CommandError(f"{file}: {error}") from error


# The database


async def _add(dsn: str, given: Sequence[Package]) -> tuple[set[tuple[str, str]], list[Loaded]]:
    """Names and versions of what was added, and everything that is loaded now."""
    async with opened(dsn) as database, database.acquire() as connection, connection.transaction():
        await packages.lock(connection)
        there = {(row.name, row.version): row.digest for row in await packages.all_packages(connection)}
        new = [package for package in given if _is_new(package, there)]
        for package in new:
            await packages.add(connection, package, database.now())
        names = {(package.name, package.version) for package in new}
        await _keep_events(connection, database, "package-add", names)
        return names, await packages.all_packages(connection)


async def _index(dsn: str, base_url: str) -> None:
    """Let the search parameters of every tenant follow from the packages that are loaded now."""
    async with opened(dsn) as database:
        await index_in_tenants(await register_in_every_tenant(database, base_url))


def _is_new(package: Package, there: dict[tuple[str, str], bytes]) -> bool:
    digest = there.get((package.name, package.version))
    if digest is not None and digest != package.digest:
        label = f"{package.name}@{package.version}"
        raise CommandError(
            f"{label} is loaded with other contents, and one version is never two things. If this archive is the right "
            f"one, `bhr-api packages remove {label}` and add it again."
        )
    return digest is None


async def _all(dsn: str) -> list[Loaded]:
    async with opened(dsn) as database, database.acquire() as connection:
        return await packages.all_packages(connection)


async def _remove(dsn: str, name: str, version: str) -> list[Loaded]:
    """What is left. Raises CommandError."""
    async with opened(dsn) as database, database.acquire() as connection, connection.transaction():
        await packages.lock(connection)
        if not await packages.remove(connection, name, version):
            there = [f"{row.name}@{row.version}" for row in await packages.all_packages(connection)]
            raise CommandError(f"No such package is loaded; those that are: {', '.join(there) or 'none'}.")
        await _keep_events(connection, database, "package-remove", {(name, version)})
        return await packages.all_packages(connection)


async def _keep_events(
    connection: Connection, database: Database, interaction: str, names: set[tuple[str, str]]
) -> None:
    """A package concerns every tenant, so it is in the trail of each."""
    events = [
        administration_event(row.tenant, interaction, database.now(), f"package={name}@{version}")
        for row in await tenants.all_tenants(connection)
        for name, version in sorted(names)
    ]
    await audit.append(connection, events)


# What is printed


def _mentioned(loaded: Sequence[Loaded], given: Sequence[Package]) -> list[Loaded]:
    names = {(package.name, package.version) for package in given}
    return [row for row in loaded if (row.name, row.version) in names]


def _missing(row: Loaded, loaded: Sequence[Loaded]) -> list[tuple[str, str]]:
    return unmet(row.dependencies, [(each.name, each.version) for each in loaded])


def _json(row: Loaded, loaded: Sequence[Loaded], *, was_added: bool | None = None) -> str:
    told = {
        "name": row.name,
        "version": row.version,
        "title": row.title,
        "definitions": row.definitions,
        "missing": [f"{name}@{version}" for name, version in _missing(row, loaded)],
    }
    return json.dumps(told if was_added is None else told | {"added": was_added})


def _tell_of_missing(rows: Sequence[Loaded], loaded: Sequence[Loaded]) -> None:
    for row in rows:
        for name, version in _missing(row, loaded):
            others = ", ".join(each.version for each in loaded if each.name == name)
            instead = f"; {others} is, and serves where no version is named" if others else ""
            typer.echo(
                f"{row.name}@{row.version} needs {name} {version}: not loaded{instead}; "
                "what refers to it cannot be expanded.",
                err=True,
            )
