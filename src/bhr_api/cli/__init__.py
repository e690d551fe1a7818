"""The command line, `bhr-api`: one file for each group of commands (docs/command-line.md)."""

import signal
from typing import Annotated

import typer

from bhr_api import __version__
from bhr_api.cli import (
    audit,
    clients,
    documents,
    erase,
    keys,
    maintenance,
    packages,
    records,
    roles,
    serving,
    tenants,
    tokens,
    users,
)
from bhr_api.cli.failures import CommandGroup

app = typer.Typer(
    name="bhr-api",
    cls=CommandGroup,
    help="FHIR R4 behavioral-health records over SMART on FHIR: the server and its upkeep.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for group in (serving, maintenance, tokens, records, erase, audit, documents):
    group.register(app)
app.add_typer(tenants.app, name="tenants")
app.add_typer(clients.app, name="clients")
app.add_typer(users.app, name="users")
app.add_typer(keys.app, name="keys")
app.add_typer(packages.app, name="packages")
app.add_typer(roles.app, name="roles")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="On a failure show where in the program it happened.")
    ] = False,
) -> None:
    """Options of the program itself; they stand before the command."""
    context.obj = {"traceback": traceback}


def main() -> None:
    """Run the command that the arguments name."""
    # SIGTERM ends a command as Ctrl-C does: with everything cleaned up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
