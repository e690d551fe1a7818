"""`bhr-api serve` and `bhr-api demo`: the server."""

from typing import Annotated

import typer

from bhr_api.cli.demonstration import demonstrate
from bhr_api.cli.options import DatabaseUrl, DataDir, PublicUrl, settings_of
from bhr_api.cli.server_process import run_server
from bhr_api.settings import Settings

Host = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="The address to listen on; else BHR_HOST, else 127.0.0.1.")
]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="The port, 0 for any that is free; else BHR_PORT, else 8000.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes; else BHR_WORKERS, else 1.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(epilog="Example: bhr-api serve --port 8000 --workers 2 --public-url https://records.example.org")(serve)
    app.command(epilog="Example: bhr-api demo --patients 100 --data-dir .data")(demo)


def serve(
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    public_url: PublicUrl = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Serve until told to stop, migrating the database first."""
    settings = settings_of(
        host=host,
        port=port,
        workers=workers,
        public_url=public_url,
        database_url=database_url,
        data_dir=data_dir,
    )
    run_server(settings, _greeting)


def _greeting(settings: Settings, _dsn: str) -> str:
    return f"bhr_api serves {settings.base_url} (Ctrl-C stops it)."


def demo(
    patients: Annotated[int, typer.Option(min=0, max=9999, help="How many sample clients there are to be.")] = 25,
    seed: Annotated[int, typer.Option(help="Other numbers give other clients.")] = 1,
    host: Host = None,
    port: Port = None,
    public_url: PublicUrl = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Serve synthetic sample clients; print a token and a request to paste. Clients once loaded stay as they are."""
    settings = settings_of(host=host, port=port, public_url=public_url, database_url=database_url, data_dir=data_dir)
    run_server(settings, lambda settings, dsn: demonstrate(settings, dsn, patients, seed))
