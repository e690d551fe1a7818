"""`bhr-api roles`: what each kind of person may do, and with whose records (docs/access.md)."""

import asyncio
import json
from typing import Annotated

import typer

from bhr_api.auth.roles import BUILT_IN_ROLES, RELATIONS
from bhr_api.auth.scopes import InvalidScopeTextError, check_registrable
from bhr_api.cli.databases import database_of, opened, tenant_called
from bhr_api.cli.failures import CommandError
from bhr_api.cli.operator import administration_event
from bhr_api.cli.options import DatabaseUrl, DataDir, TenantName, settings_of
from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.store import audit, people, tenants

app = typer.Typer(help="What each kind of person may do, and with whose records.", no_args_is_help=True)

RoleName = Annotated[str, typer.Argument(metavar="NAME", help="1 to 32 of a-z, 0-9 and -.")]


@app.command("list", epilog="Example: bhr-api roles list --tenant north-clinic")
def list_roles(
    tenant: TenantName = tenants.DEFAULT, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Print every role of a tenant, a line of JSON each: the built-in ones as they are now, and the tenant's own."""
    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        for name, (scope, relation) in sorted(asyncio.run(_effective(dsn, tenant)).items()):
            typer.echo(json.dumps({"name": name, "relation": relation, "scope": scope}))


@app.command(
    "set", epilog='Example: bhr-api roles set intake --scope "user/Patient.cru user/Task.crus" --relation tenant'
)
def set_role(
    name: RoleName,
    scope: Annotated[str, typer.Option(metavar="SCOPES", help="What it allows: user/ scopes.")],
    relation: Annotated[
        str,
        typer.Option(metavar="RELATION", help="Whose records: tenant (all), team, caseload, self (one's own) or none."),
    ],
    tenant: TenantName = tenants.DEFAULT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Add a role, or change one; live tokens follow within two seconds."""
    _require_name(name)
    if relation not in RELATIONS:
        raise CommandError(f"{relation!r} is no relation; it is one of {', '.join(RELATIONS)}.")
    try:
        checked = check_registrable(scope, RESOURCE_TYPES)
    except InvalidScopeTextError as error:
        raise CommandError(str(error)) from error
    others = [part for part in checked.split(" ") if not part.startswith("user/")]
    if others:
        raise CommandError(f"{others[0]!r}: the scopes of a role begin with user/.")
    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        asyncio.run(_put(dsn, tenant, name, checked, relation))


@app.command(epilog="Example: bhr-api roles reset worker")
def reset(
    name: RoleName, tenant: TenantName = tenants.DEFAULT, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Take a change back: a built-in role is as it was, another one is gone and allows nothing."""
    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        asyncio.run(_put(dsn, tenant, name, None, None))


def _require_name(name: str) -> None:
    if not tenants.NAME.fullmatch(name):
        raise CommandError(f"{name!r}: a role's name is 1 to 32 of a-z, 0-9 and -, not starting with -.")


async def _effective(dsn: str, tenant: str) -> dict[str, tuple[str, str]]:
    async with opened(dsn) as database, database.acquire() as connection:
        number = (await tenant_called(connection, tenant)).tenant
        own = await people.roles(connection, number)
    return {**BUILT_IN_ROLES, **{name: (scope, relation) for name, scope, relation in own}}


async def _put(dsn: str, tenant: str, name: str, scope: str | None, relation: str | None) -> None:
    async with opened(dsn) as database, database.acquire() as connection, connection.transaction():
        number = (await tenant_called(connection, tenant)).tenant
        if scope is not None and relation is not None:
            await people.put_role(connection, number, name, scope, relation, database.now())
        elif not await people.delete_role(connection, number, name):
            raise CommandError(f"The role {name!r} was not changed here; see `bhr-api roles list`.")
        action = "role-set" if scope is not None else "role-reset"
        event = administration_event(
            number, action, database.now(), query=f"name={name}&relation={relation}&scope={scope}"
        )
        await audit.append(connection, [event])
