"""`bhr-api openapi`: the documents that clients are generated from."""

import json
from pathlib import Path
from typing import Annotated

import typer

from bhr_api.cli.options import PublicUrl, settings_of


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(epilog="Example: bhr-api openapi --output openapi")(openapi)


def openapi(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where openapi.json is written.")] = Path("openapi"),
    public_url: PublicUrl = None,
) -> None:
    """Write the OpenAPI document of this version."""
    # The schemas take a quarter of a second to import, which every other command would pay.
    from bhr_api.openapi import document

    output.mkdir(parents=True, exist_ok=True)
    file = output / "openapi.json"
    file.write_text(
        json.dumps(document(settings_of(public_url=public_url)), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    typer.echo(f"Wrote {file}.", err=True)
