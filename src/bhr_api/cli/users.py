"""`bhr-api users`: the people who sign in here (docs/accounts.md)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from bhr_api.auth import accounts
from bhr_api.auth.accounts import AccountDescription, Administration, LinkedIdentity
from bhr_api.auth.audit import RequestSource
from bhr_api.auth.secret_key import SecretKey
from bhr_api.authorization_audit import audit_into_table
from bhr_api.cli.databases import database_of, opened, session_of
from bhr_api.cli.json_lines import json_line
from bhr_api.cli.operator import operator_context
from bhr_api.cli.options import DatabaseUrl, DataDir, TenantName, settings_of
from bhr_api.errors import RefusalError
from bhr_api.interactions.read import read
from bhr_api.settings import Settings
from bhr_api.store import tenants
from bhr_api.store.row_ids import RowIds

app = typer.Typer(help="The people who sign in here.", no_args_is_help=True)

Outcome = TypeVar("Outcome")
Username = Annotated[str, typer.Argument(metavar="USERNAME", show_default=False)]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input; else it is asked for.")
]
LinkedUsername = Annotated[str, typer.Option("--username", metavar="NAME", help="Whose account.")]
Issuer = Annotated[str, typer.Option(metavar="ISSUER", help="The provider, as its id_tokens say it in iss.")]
Subject = Annotated[str, typer.Option(metavar="SUBJECT", help="Who they are there: sub of their id_tokens.")]


@app.command(
    epilog="Example: bhr-api users add --username j.doe --fhir-user Practitioner/12 --role worker --password-stdin < secret"
)
def add(
    username: Annotated[str, typer.Option(metavar="NAME", help="By which the person signs in.")],
    fhir_user: Annotated[
        str, typer.Option(metavar="TYPE/ID", help="Who the person is in the record, such as Practitioner/12.")
    ],
    password_stdin: PasswordStdin = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="They sign in at an identity provider only; see `users link`.")
    ] = False,
    role: Annotated[list[str] | None, typer.Option(metavar="ROLE", help="What they may do; may be repeated.")] = None,
    team: Annotated[
        list[str] | None,
        typer.Option(metavar="ORGANIZATION", help="Organization/ID whose clients they supervise; may be repeated."),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE/ID", help="Another resource that stands for them; may be repeated."),
    ] = None,
    tenant: TenantName = tenants.DEFAULT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Add an account and print it as JSON."""
    password = None if no_password else _password(password_stdin)
    settings = settings_of(database_url=database_url, data_dir=data_dir)

    async def work(administration: Administration) -> AccountDescription:
        return await accounts.add_account(
            administration,
            username=username,
            password=password,
            fhir_user=fhir_user,
            roles=role or (),
            teams=team or (),
            also=also or (),
        )

    with database_of(settings) as dsn:
        account, is_there = asyncio.run(_added(settings, dsn, tenant, work))
    _show(account)
    if not is_there:
        typer.echo(f"bhr-api: There is no {account.fhir_user} in the tenant {tenant} yet.", err=True)


@app.command("list", epilog="Example: bhr-api users list --tenant north-clinic")
def list_all(tenant: TenantName = tenants.DEFAULT, database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Print the tenant's accounts, a line of JSON each, by name."""
    for account in _administer(tenant, database_url, data_dir, accounts.list_accounts):
        _show(account)


@app.command(epilog="Example: bhr-api users disable j.doe")
def disable(
    username: Username, tenant: TenantName = tenants.DEFAULT, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Keep a person out; sessions and tokens are dead at once."""
    _show(_administer(tenant, database_url, data_dir, lambda work: accounts.disable_account(work, username)))


@app.command(epilog="Example: bhr-api users enable j.doe")
def enable(
    username: Username, tenant: TenantName = tenants.DEFAULT, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Let a person in again."""
    _show(_administer(tenant, database_url, data_dir, lambda work: accounts.enable_account(work, username)))


@app.command(epilog="Example: bhr-api users passwd j.doe --password-stdin < secret")
def passwd(
    username: Username,
    password_stdin: PasswordStdin = False,
    tenant: TenantName = tenants.DEFAULT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Give a person another password; sessions and tokens are dead at once."""
    password = _password(password_stdin)
    _show(_administer(tenant, database_url, data_dir, lambda work: accounts.change_password(work, username, password)))


@app.command(epilog="Example: bhr-api users change j.doe --role supervisor --team Organization/7")
def change(
    username: Username,
    role: Annotated[list[str] | None, typer.Option(metavar="ROLE", help="Instead of their roles.")] = None,
    team: Annotated[list[str] | None, typer.Option(metavar="ORGANIZATION", help="Instead of their teams.")] = None,
    also: Annotated[
        list[str] | None, typer.Option(metavar="TYPE/ID", help="Instead of what also stands for them.")
    ] = None,
    no_roles: Annotated[bool, typer.Option("--no-roles", help="Take every role away.")] = False,
    no_teams: Annotated[bool, typer.Option("--no-teams", help="Take every team away.")] = False,
    tenant: TenantName = tenants.DEFAULT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Change what a person may do; sessions and tokens are dead at once."""
    roles, teams = [] if no_roles else role, [] if no_teams else team

    async def work(administration: Administration) -> AccountDescription:
        return await accounts.change_rights(administration, username, roles=roles, teams=teams, also=also)

    _show(_administer(tenant, database_url, data_dir, work))


@app.command(epilog="Example: bhr-api users link --username j.doe --issuer https://login.example.org --subject 8f1c")
def link(
    username: LinkedUsername,
    issuer: Issuer,
    subject: Subject,
    tenant: TenantName = tenants.DEFAULT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Let somebody who signs in at an identity provider be this person here."""
    identity = LinkedIdentity(issuer, subject)
    _show(_administer(tenant, database_url, data_dir, lambda work: accounts.link_account(work, username, identity)))


@app.command(epilog="Example: bhr-api users unlink --username j.doe --issuer https://login.example.org --subject 8f1c")
def unlink(
    username: LinkedUsername,
    issuer: Issuer,
    subject: Subject,
    tenant: TenantName = tenants.DEFAULT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Let them in by that identity no more; sessions and tokens are dead at once."""
    identity = LinkedIdentity(issuer, subject)
    _show(_administer(tenant, database_url, data_dir, lambda work: accounts.unlink_account(work, username, identity)))


@app.command(epilog="Example: bhr-api users totp j.doe")
def totp(
    username: Username,
    remove: Annotated[bool, typer.Option("--remove", help="Ask for no codes any more.")] = False,
    tenant: TenantName = tenants.DEFAULT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Ask a person for one-time codes too, and print the address for their authenticator app, this once."""
    if remove:
        _show(_administer(tenant, database_url, data_dir, lambda work: accounts.remove_totp(work, username)))
        return
    key = SecretKey(settings_of(database_url=database_url, data_dir=data_dir).secret_key_path)
    enrolment = _administer(tenant, database_url, data_dir, lambda work: accounts.set_totp(work, username, key))
    _show(enrolment.account, totp_uri=enrolment.uri)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        # One line end belongs to the file, not to the password.
        return typer.get_text_stream("stdin").read().removesuffix("\n").removesuffix("\r")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _administer(
    tenant: str,
    database_url: str | None,
    data_dir: DataDir,
    work: Callable[[Administration], Awaitable[Outcome]],
) -> Outcome:
    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        return asyncio.run(administered(dsn, tenant, work))


async def administered(dsn: str, tenant: str, work: Callable[[Administration], Awaitable[Outcome]]) -> Outcome:
    """What `work` comes to, in one transaction with its audit events."""
    async with opened(dsn) as database, session_of(dsn) as session:
        audit = audit_into_table(RowIds(), database.now)
        source = RequestSource("command line", "")
        return await work(await accounts.administration(session, audit, tenant, database.now(), source))


async def _added(
    settings: Settings, dsn: str, tenant: str, work: Callable[[Administration], Awaitable[AccountDescription]]
) -> tuple[AccountDescription, bool]:
    """The new account, and whether the record knows the person already."""
    account = await administered(dsn, tenant, work)
    async with opened(dsn) as database:
        async with database.acquire() as connection:
            row = await tenants.find(connection, tenant)
        assert row is not None
        context = await operator_context(database, row.tenant, settings.base_url)
        try:
            await read(context, *account.fhir_user.split("/"))
        except RefusalError:
            return account, False
        finally:
            await context.audit.flush()
    return account, True


def _show(account: AccountDescription, **more: str) -> None:
    typer.echo(json_line(account, **more))
