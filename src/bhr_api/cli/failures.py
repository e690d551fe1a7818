"""Failures of a command: one clear line on standard error and an exit code that is not 0."""

import re
from typing import Any

import asyncpg
import typer
from sqlalchemy.exc import DBAPIError
from typer.core import TyperGroup

# A URL with a password can stand in the message of a driver.
_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")


class CommandError(Exception):
    """A command that cannot be carried out; the message says what would be right."""


class CommandGroup(TyperGroup):
    """The commands, with whatever goes wrong in one told in a line; `--traceback` lets Python tell it at length."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            # Exits and wrong arguments are exceptions too, told by the library itself.
            if type(error).__module__.split(".")[0] in ("typer", "click") or (ctx.obj or {}).get("traceback"):
                raise
            typer.echo(f"bhr-api: {_sentence(error)}", err=True)
            raise typer.Exit(1) from error


def _sentence(error: Exception) -> str:
    """What went wrong, in one line, without the statement and its values, which hold personal data."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = " ".join(str(cause).split())
    match cause:
        case OSError(filename=name, strerror=reason) if name is not None:
            text = f"{name}: {reason}"
        case asyncpg.PostgresError() | OSError():
            text = f"The database cannot be used: {text or type(cause).__name__}"
    return _PASSWORD.sub(r"\1***@", text or type(cause).__name__)
