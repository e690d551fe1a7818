"""`bhr-api token`: an access token for the operator at the keyboard."""

import asyncio
from datetime import timedelta
from typing import Annotated

import typer

from bhr_api.auth.registration import mint_token
from bhr_api.authorization_audit import audit_into_table
from bhr_api.cli.databases import database_of, opened, session_of
from bhr_api.cli.operator import CLIENT_ID
from bhr_api.cli.options import DatabaseUrl, DataDir, TenantName, settings_of
from bhr_api.store import tenants
from bhr_api.store.row_ids import RowIds

_LONGEST = 366 * 24 * 3600


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog='Example: bhr-api token --scope "patient/*.rs" --patient sample-0001 --lifetime 3600',
    )(token)


def token(
    scope: Annotated[str, typer.Option(metavar="SCOPES", help='What it allows, such as "system/*.rs".')],
    tenant: TenantName = tenants.DEFAULT,
    patient: Annotated[
        str | None, typer.Option(metavar="ID", help="The id of the patient that patient/ scopes are about.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="REFERENCE", help="The person who uses it, such as Practitioner/1.")
    ] = None,
    username: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The account for which it speaks: it allows no more than the account's roles."
        ),
    ] = None,
    lifetime: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, max=_LONGEST, help="How long it is good for.")
    ] = 3600,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Print a bearer token, and nothing else, on standard output."""
    settings = settings_of(database_url=database_url, data_dir=data_dir)
    with database_of(settings) as dsn:
        bound = {"patient": patient, "user": user, "username": username}
        typer.echo(asyncio.run(minted(dsn, tenant, scope, timedelta(seconds=lifetime), **bound)))


async def minted(
    dsn: str,
    tenant: str,
    scope: str,
    lifetime: timedelta,
    *,
    patient: str | None = None,
    user: str | None = None,
    username: str | None = None,
) -> str:
    """A fresh token of the tenant, audited."""
    async with opened(dsn) as database, session_of(dsn) as session:
        return await mint_token(
            session,
            audit_into_table(RowIds(), database.now),
            tenant_name=tenant,
            client_id=CLIENT_ID,
            scope=scope,
            now=database.now(),
            lifetime=lifetime,
            patient=patient,
            user=user,
            username=username,
        )
