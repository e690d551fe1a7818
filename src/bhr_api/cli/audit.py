"""`bhr-api verify-audit`: computes the audit's hash chains again (docs/audit.md)."""

import asyncio
from typing import Annotated

import typer

from bhr_api.authorization_audit import NO_TENANT
from bhr_api.cli.databases import database_of, opened
from bhr_api.cli.failures import CommandError
from bhr_api.cli.options import DatabaseUrl, DataDir, settings_of
from bhr_api.store import tenants
from bhr_api.store.audit_verification import Fault, Head, VerificationReport, verify

Noted = Annotated[
    str | None,
    typer.Option(metavar="SEQUENCE:HASH", help="A head printed earlier: the chain of --tenant must still hold it."),
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("verify-audit", epilog="Example: bhr-api verify-audit --tenant default --noted 812:9f2c...")(
        verify_audit
    )


def verify_audit(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant; else all.")] = None,
    noted: Noted = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Find audit events that were edited, removed or reordered; exit code 1 when there are any."""
    if noted is not None and tenant is None:
        raise CommandError("--noted is the head of one tenant's chain: name it by --tenant.")
    head = None if noted is None else _head(noted)
    with database_of(settings_of(database_url=database_url, data_dir=data_dir)) as dsn:
        reports = asyncio.run(_verified(dsn, tenant, head))
    for name, report in reports.items():
        _show(name, report)
    broken = [name for name, report in reports.items() if not report.is_intact]
    if broken:
        raise CommandError(f"The audit of {', '.join(broken)} is not as it was sealed.")


def _head(text: str) -> Head:
    sequence, _, digits = text.partition(":")
    try:
        return Head(int(sequence), bytes.fromhex(digits))
    except ValueError:
        raise CommandError(f"{text!r} is no head; one looks like 812:9f2c..., as this command prints it.") from None


async def _verified(dsn: str, tenant: str | None, noted: Head | None) -> dict[str, VerificationReport]:
    async with opened(dsn) as database, database.acquire() as connection:
        rows = await tenants.all_tenants(connection)
        numbers = {row.name: row.tenant for row in rows} | {"(no tenant)": NO_TENANT}
        if tenant is not None and tenant not in numbers:
            raise CommandError(f"There is no tenant {tenant!r}.")
        await connection.execute("SET statement_timeout = 0")
        wanted = numbers if tenant is None else {tenant: numbers[tenant]}
        return {name: await verify(connection, number, noted=noted) for name, number in wanted.items()}


def _show(name: str, report: VerificationReport) -> None:
    state = "intact" if report.is_intact else "BROKEN"
    head = f"  head {report.head.sequence}:{report.head.hash.hex()}" if report.head else ""
    typer.echo(
        f"{state}  {name}  {report.events} events in {report.links} links, {report.unsealed} not sealed yet{head}"
    )
    for fault in report.faults:
        typer.echo(f"        {_described(fault)}")


def _described(fault: Fault) -> str:
    parts = [f"{fault.kind} at link {fault.sequence}"]
    if fault.sealed_at is not None:
        parts.append(f"sealed {fault.sealed_at.isoformat(timespec='seconds')}")
    if fault.events:
        parts.append("events " + ", ".join(map(str, fault.events)))
    if fault.count:
        parts.append(f"{fault.count} events")
    return "; ".join(parts)
