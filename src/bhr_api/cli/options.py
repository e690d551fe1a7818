"""Options that several commands share, and the settings they lead to."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from bhr_api.cli.failures import CommandError
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.settings import Settings
from bhr_api.telemetry import configure_logging

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The PostgreSQL to use, as postgresql://...; else BHR_DATABASE_URL, else the embedded one.",
        show_default=False,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Where the embedded PostgreSQL keeps its data; else BHR_DATA_DIR.", show_default=False
    ),
]
TenantName = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose records.")]
PublicUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The URL by which clients reach the server, without a path; else BHR_PUBLIC_URL.",
        show_default=False,
    ),
]


def settings_of(**given: Any) -> Settings:
    """The settings: the options that were `given`, then BHR_ variables, then .env. Raises CommandError.

    From now on the log is written as they say, on standard error: output is for what a command gives.
    """
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        # The values are left out: one of them may be a URL with a password.
        problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
        raise CommandError(f"The settings are wrong: {'; '.join(problems)}.") from error
    configure_logging(settings.log_format)
    return settings


TypeNames = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help="Only this resource type; may be repeated.", show_default=False),
]


def checked_types(names: list[str] | None) -> tuple[str, ...]:
    """The resource types that were named, or all of them. Raises CommandError."""
    for name in names or ():
        if name not in RESOURCE_TYPE_NUMBERS:
            raise CommandError(f"{name!r} is no R4 resource type (names are case-sensitive).")
    return tuple(dict.fromkeys(names)) if names else tuple(RESOURCE_TYPE_NUMBERS)
