"""`bhr-api openapi`: the documents that clients are generated from."""

import importlib
import json
from pathlib import Path
from typing import Annotated

import typer

from bhr_api.cli.options import settings_of


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(epilog="Example: bhr-api openapi --output openapi")(openapi)


def openapi(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where openapi.json is written.")] = Path("openapi"),
) -> None:
    """Write the OpenAPI document of this version."""
    # Building it reads every definition, which no other command needs.
    document = importlib.import_module("bhr_api.openapi").document(settings_of())
    output.mkdir(parents=True, exist_ok=True)
    file = output / "openapi.json"
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    typer.echo(f"Wrote {file}.", err=True)
