"""`bhr-api erase`: a person's whole record and history, after a dry run (docs/erasure.md)."""

import asyncio
import getpass
import shlex
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import typer

from bhr_api.cli.databases import database_of, opened, tenant_called
from bhr_api.cli.operator import operator_context
from bhr_api.cli.options import DatabaseUrl, DataDir, PublicUrl, settings_of
from bhr_api.cli.progress import progress_bar
from bhr_api.interactions import erasing, erasure_survey
from bhr_api.interactions.context import Context
from bhr_api.interactions.erasing import Certificate
from bhr_api.interactions.erasure_survey import Mention, Survey
from bhr_api.settings import Settings

_Item = TypeVar("_Item")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(epilog="Example: bhr-api erase --tenant default --patient sample-0001")(erase)


def erase(
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose patient it is.")],
    patient: Annotated[str, typer.Option(metavar="ID", help="The id of the Patient resource.")],
    confirm: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Erase: the code that the dry run printed.", show_default=False),
    ] = None,
    public_url: PublicUrl = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Erase a patient's record with its history, for good. Without --confirm a dry run, which changes nothing.

    The dry run lists what would go and what else names the person, and prints the code that confirms just that.
    """
    settings = settings_of(public_url=public_url, database_url=database_url, data_dir=data_dir)
    with database_of(settings) as dsn:
        for line in asyncio.run(_carried_out(dsn, settings, tenant, patient, confirm)):
            typer.echo(line)


async def _carried_out(dsn: str, settings: Settings, tenant: str, patient: str, confirm: str | None) -> list[str]:
    async with opened(dsn) as database:
        async with database.acquire() as connection:
            number = (await tenant_called(connection, tenant)).tenant
        context = await operator_context(database, number, settings.base_url)
        with progress_bar("Looking", 100) as report:
            survey = await erasure_survey.survey(context, patient, report)
        if confirm is None or survey.is_empty:
            await erasure_survey.record_survey(context, patient)
            return [*_told(survey, tenant, patient), *_next_step(survey, tenant, patient)]
        return _certified(await _erased(context, patient, survey, confirm))


async def _erased(context: Context, patient: str, survey: Survey, confirm: str) -> Certificate:
    with progress_bar("Erasing", 100) as report:
        return await erasing.erase(context, patient, survey, confirm, _operator(), report)


def _operator() -> str:
    """Who is at the keyboard, as the machine knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user need not have a name.
        return "unknown"


def _certified(certificate: Certificate) -> list[str]:
    return [
        f"Erased {certificate.resources:,} resources in {certificate.versions:,} versions.",
        f"Certificate: AuditEvent/{certificate.id}, SHA-256 {certificate.digest}.",
    ]


def _told(survey: Survey, tenant: str, patient: str) -> list[str]:
    """What the survey found, for a person to read."""
    if survey.is_empty:
        lines = [f"Nothing of Patient/{patient} is stored in the tenant {tenant}."]
    else:
        lines = [f"Of Patient/{patient} in the tenant {tenant} this would be erased:", *_table(survey)]
    if survey.access_tokens:
        lines += ["", f"Access tokens bound to the patient, to be erased too: {survey.access_tokens:,}."]
    lines += _listed("Erased whole, though older versions were in another record:", survey.moved_in, str)
    lines += _listed("In another record now; only the versions that were in this one go:", survey.moved_out, str)
    lines += _listed("Left for you to decide, since it stays:", survey.mentions, _mention)
    lines += ["", f"Events of the audit that name the patient: {survey.audit_events:,}. They are sealed, and stay."]
    return lines


def _table(survey: Survey) -> list[str]:
    counts = {**survey.counts, "in all": survey.total}
    return [
        f"  {'type':<32}{'resources':>10}{'versions':>10}{'index rows':>12}",
        *(f"  {name:<32}{live:>10,}{versions:>10,}{rows:>12,}" for name, (live, versions, rows) in counts.items()),
    ]


def _listed(title: str, items: Sequence[_Item], show: Callable[[_Item], str]) -> list[str]:
    return ["", title, *(f"  {show(item)}" for item in items)] if items else []


def _mention(mention: Mention) -> str:
    where = ["now"] if mention.is_current else []
    where += [f"in {mention.past:,} older version{'s' * (mention.past > 1)}"] if mention.past else []
    return f"{mention.resource}: {', '.join(sorted(mention.reasons))} ({', '.join(where)})"


def _next_step(survey: Survey, tenant: str, patient: str) -> list[str]:
    if survey.is_empty:
        return []
    command = shlex.join(["--tenant", tenant, "--patient", patient, "--confirm", survey.code])
    return ["", "Nothing was changed. To erase just this, with the same options besides:", f"  bhr-api erase {command}"]
