"""`bhr-api tenants`: the organisations of this deployment."""

import asyncio
import json
from typing import Annotated

import typer

from bhr_api.cli.databases import database_of, opened
from bhr_api.cli.failures import CommandError
from bhr_api.cli.operator import administration_event
from bhr_api.cli.options import DatabaseUrl, DataDir, settings_of
from bhr_api.store import audit, tenants
from bhr_api.store.tenants import TenantRow

app = typer.Typer(help="The organisations whose records are kept apart from one another.", no_args_is_help=True)


@app.command(epilog="Example: bhr-api tenants add north-clinic")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 32 of a-z, 0-9 and -.")],
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Add a tenant and print it as JSON."""
    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        row = asyncio.run(_add(dsn, name))
    typer.echo(_json(row))


@app.command("list", epilog="Example: bhr-api tenants list")
def list_tenants(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Print every tenant, a line of JSON each."""
    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        for row in asyncio.run(_all(dsn)):
            typer.echo(_json(row))


async def _add(dsn: str, name: str) -> TenantRow:
    async with opened(dsn) as database, database.acquire() as connection, connection.transaction():
        if await tenants.find(connection, name) is not None:
            raise CommandError(f"There is a tenant {name!r} already.")
        row = await tenants.add(connection, name, database.now())
        await audit.append(connection, [administration_event(row.tenant, "tenant-add", database.now())])
        return row


async def _all(dsn: str) -> list[TenantRow]:
    async with opened(dsn) as database, database.acquire() as connection:
        return await tenants.all_tenants(connection)


def _json(row: TenantRow) -> str:
    # The key of the search tokens stays where it is.
    return json.dumps({"tenant": row.tenant, "name": row.name})
