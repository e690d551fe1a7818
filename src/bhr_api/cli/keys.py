"""`bhr-api keys`: the keys that sign id_tokens (docs/app-launch.md)."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from bhr_api.auth.signing_keys import SigningKey, SigningKeys
from bhr_api.cli.options import DataDir, settings_of

app = typer.Typer(help="The keys that sign id_tokens.", no_args_is_help=True)


@app.command("list", epilog="Example: bhr-api keys list")
def list_keys(data_dir: DataDir = None) -> None:
    """Print the keys, newest first, a line of JSON each; the private parts stay in their file."""
    for key in _keys(data_dir).all():
        typer.echo(_json(key))


@app.command(epilog="Example: bhr-api keys rotate")
def rotate(
    forget: Annotated[
        bool, typer.Option("--forget", help="After a leak: what was signed before is worthless at once.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Put a new key in force on every worker and print it as JSON; the one before verifies for another day."""
    typer.echo(_json(_keys(data_dir).rotate(forget=forget)))


def _keys(data_dir: DataDir) -> SigningKeys:
    return SigningKeys(settings_of(data_dir=data_dir).signing_keys_file, lambda: datetime.now(UTC))


def _json(key: SigningKey) -> str:
    times = {"created_at": key.created_at, "replaced_at": key.replaced_at}
    shown = {name: time.isoformat(timespec="seconds") for name, time in times.items() if time is not None}
    return json.dumps({"kid": key.kid, **shown})
