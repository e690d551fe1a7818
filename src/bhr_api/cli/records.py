"""`bhr-api import` and `bhr-api export`: records as files."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
