"""`bhr-api clients`: the programs that may ask for tokens (docs/authorization.md)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.auth.dynamic_registration import invite as create_invitation
from bhr_api.auth.registration import (
    RegisteredClient,
    disable_client,
    list_clients,
    register_client,
    rotate_credentials,
    tenant_number,
)
from bhr_api.cli.databases import database_of, opened, session_of
from bhr_api.cli.json_lines import json_line
from bhr_api.cli.operator import administration_event, keep_event
from bhr_api.cli.options import DatabaseUrl, DataDir, TenantName, settings_of
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.opaque_strings import parse_opaque
from bhr_api.store import oauth, tenants

app = typer.Typer(help="The programs that may ask for tokens.", no_args_is_help=True)

Work = Callable[[AsyncSession, datetime], Awaitable[RegisteredClient]]
KeySetFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Its public keys, a JSON Web Key Set; - reads standard input."),
]
KeySetUrl = Annotated[str | None, typer.Option(metavar="URL", help="Where it publishes its public keys.")]
ClientId = Annotated[str, typer.Argument(metavar="CLIENT_ID", show_default=False)]


@app.command(epilog='Example: bhr-api clients add --name "North EHR" --scope "system/*.cruds" --jwks keys.json')
def add(
    name: Annotated[str, typer.Option(metavar="NAME", help="By which people know it.")],
    scope: Annotated[str, typer.Option(metavar="SCOPES", help="The most it may be given.")],
    jwks: KeySetFile = None,
    jwks_url: KeySetUrl = None,
    secret: Annotated[
        bool, typer.Option("--secret", help="Give it a secret instead of keys; it is shown once.")
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="An app in a browser or on a phone, which can keep no secret.")
    ] = False,
    redirect_uri: Annotated[list[str] | None, typer.Option(metavar="URI", help="Where sign-in may return to.")] = None,
    origin: Annotated[list[str] | None, typer.Option(metavar="ORIGIN", help="The web origin of its pages.")] = None,
    tenant: TenantName = tenants.DEFAULT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Register a client and print it as JSON, with its client_id and, this once, its client_secret."""
    key_set = _key_set(jwks)

    async def work(session: AsyncSession, now: datetime) -> RegisteredClient:
        return await register_client(
            session,
            tenant_name=tenant,
            name=name,
            scope=scope,
            now=now,
            jwks=key_set,
            jwks_url=jwks_url,
            secret=secret,
            public=public,
            redirect_uris=redirect_uri or (),
            origins=origin or (),
            resource_types=RESOURCE_TYPE_NUMBERS.keys(),
        )

    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        _show(asyncio.run(_administer(dsn, "client-add", work)))


@app.command("list", epilog="Example: bhr-api clients list --tenant north-clinic")
def list_all(tenant: TenantName = tenants.DEFAULT, database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Print the tenant's clients, a line of JSON each, oldest first."""
    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        for client in asyncio.run(_listed(dsn, tenant)):
            _show(client)


@app.command(epilog="Example: bhr-api clients disable bhr_client_default_0123456789abcdef0123456789abcdef")
def disable(client_id: ClientId, database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Disable a client; its tokens are dead at once."""

    async def work(session: AsyncSession, now: datetime) -> RegisteredClient:
        return await disable_client(session, client_id=client_id, now=now)

    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        _show(asyncio.run(_administer(dsn, "client-disable", work)))


@app.command(epilog="Example: bhr-api clients rotate bhr_client_default_0123456789abcdef0123456789abcdef")
def rotate(
    client_id: ClientId,
    jwks: KeySetFile = None,
    jwks_url: KeySetUrl = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Replace a client's keys or, without options, its secret, and print it as JSON."""
    key_set = _key_set(jwks)

    async def work(session: AsyncSession, _now: datetime) -> RegisteredClient:
        return await rotate_credentials(session, client_id=client_id, jwks=key_set, jwks_url=jwks_url)

    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        _show(asyncio.run(_administer(dsn, "client-rotate", work)))


@app.command(epilog='Example: bhr-api clients invite --scope "patient/*.rs openid fhirUser" --uses 3')
def invite(
    scope: Annotated[str, typer.Option(metavar="SCOPES", help="The most that an app so registered may be given.")],
    uses: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="How many apps may register with it.")] = 1,
    days: Annotated[int, typer.Option(metavar="DAYS", min=1, max=366, help="How long it is good for.")] = 7,
    tenant: TenantName = tenants.DEFAULT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Print an initial access token, and nothing else, with which apps register themselves (RFC 7591)."""
    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        typer.echo(asyncio.run(_invited(dsn, tenant, scope, uses, timedelta(days=days))))


async def _invited(dsn: str, tenant: str, scope: str, uses: int, lifetime: timedelta) -> str:
    async with opened(dsn) as database, session_of(dsn) as session:
        now = database.now()
        token = await create_invitation(session, tenant_name=tenant, scope=scope, uses=uses, now=now, lifetime=lifetime)
        number = await tenant_number(session, tenant)
        await keep_event(session, administration_event(number, "client-invite", now, f"scope={scope}&uses={uses}"))
        return token


def _key_set(file: Path | None) -> str | None:
    if file is None:
        return None
    return typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text(encoding="utf-8")


async def _administer(dsn: str, interaction: str, work: Work) -> RegisteredClient:
    """What `work` comes to, in one transaction with its audit event."""
    async with opened(dsn) as database, session_of(dsn) as session:
        client = await work(session, database.now())
        opaque = parse_opaque(client.client_id, "client")
        assert opaque is not None
        tenant = await session.scalar(oauth.tenant_number(opaque.tenant_name))
        assert tenant is not None
        query = f"client_id={client.client_id}&scope={client.scope}"
        await keep_event(session, administration_event(tenant, interaction, database.now(), query))
        return client


async def _listed(dsn: str, tenant: str) -> list[RegisteredClient]:
    async with opened(dsn), session_of(dsn) as session:
        return await list_clients(session, tenant_name=tenant)


def _show(client: RegisteredClient) -> None:
    typer.echo(json_line(client))
