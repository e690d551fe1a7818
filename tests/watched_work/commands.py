"""What operators and the runner of jobs do, for those who watch the statements that it takes."""

import json
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from joserfc.jwk import ECKey
from typer.testing import CliRunner

from bhr_api.cli import app
from bhr_api.fhir import json_text
from bhr_api.samples import generate
from bhr_api.store import jobs, tenants
from bhr_api.store.database import Connection, Database
from bhr_api.store.jobs import Job, Output
from tests.fixtures.auth import jwks_of


def run_commands(dsn: str, tenant: str, directory: Path) -> None:
    """What operators do, in a tenant of their own and with the chain of `tenant`."""
    files = directory / "files"
    files.mkdir()
    for number, bundle in enumerate(generate(1)):
        (files / f"{number}.json").write_bytes(json_text.dumps(bundle))
    (directory / "keys.json").write_text(jwks_of(ECKey.generate_key("P-384", {"kid": "k2"})))
    (directory / "changed.ndjson").write_text('{"resourceType":"Patient","id":"sample-0001"}')

    def run(*arguments: str, stdin: str | None = None) -> str:
        ran = CliRunner().invoke(app, [*arguments, "--database-url", dsn], input=stdin)
        assert ran.exit_code == 0, (arguments, ran.output)
        return ran.stdout

    run("migrate")
    run("tenants", "add", "north")
    run("tenants", "list")
    run("roles", "set", "intake", "--scope", "user/Patient.cru", "--relation", "tenant", "--tenant", "north")
    run("roles", "list", "--tenant", "north")
    run("roles", "reset", "intake", "--tenant", "north")
    run("import", str(files), "--tenant", "north", "--errors", str(directory / "refused.ndjson"))
    run("reindex", "--tenant", "north", "--all")
    run("reindex", "--type", "Goal")
    run("export", str(directory / "exported"), "--tenant", "north")
    added = run("clients", "add", "--name", "x", "--scope", "system/*.rs", "--secret", "--tenant", "north")
    client_id = json.loads(added)["client_id"]
    run("clients", "list", "--tenant", "north")
    run("clients", "rotate", client_id)
    run("clients", "rotate", client_id, "--jwks", str(directory / "keys.json"))
    run("clients", "disable", client_id)
    run("clients", "invite", "--scope", "patient/*.rs", "--tenant", "north")
    run("token", "--scope", "system/*.rs", "--tenant", "north")
    person = ("--username", "doe", "--fhir-user", "Practitioner/1", "--tenant", "north", "--password-stdin")
    run("users", "add", *person, stdin="a pass phrase")
    run("users", "passwd", "doe", "--password-stdin", "--tenant", "north", stdin="another pass phrase")
    identity = ("--username", "doe", "--issuer", "https://login.example", "--subject", "s", "--tenant", "north")
    run("users", "link", *identity)
    run("users", "list", "--tenant", "north")
    run("users", "unlink", *identity)
    run("import", str(directory / "changed.ndjson"), "--tenant", "north", "--errors", str(directory / "refused.ndjson"))
    code = run("erase", "--tenant", "north", "--patient", "sample-0001").rsplit(maxsplit=1)[-1]
    run("erase", "--tenant", "north", "--patient", "sample-0001", "--confirm", code)
    run("verify-audit")
    head = run("verify-audit", "--tenant", tenant).rsplit(maxsplit=1)[-1]
    run("verify-audit", "--tenant", tenant, "--noted", head)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BHR_REFERENTIAL_INTEGRITY", "strict")
        CliRunner().invoke(app, ["check", "--database-url", dsn])
    run("check")


async def work_on_jobs(dsn: str, tenant_name: str) -> None:
    """What becomes of jobs: done, given back, cancelled, swept."""
    database = await Database.open(dsn)
    async with database.acquire() as connection:
        row = await tenants.find(connection, tenant_name)
        assert row is not None
        tenant, now = row.tenant, database.now()
        add = partial(jobs.add, tenant=tenant, tenant_name=row.name, kind="test", input=b"{}", now=now, key="k")
        id = await add(connection, client_id="test", holder="test")
        assert await add(connection) == id
        assert await jobs.count_unfinished(connection, tenant, "test") == 1
        assert await jobs.tenants_with_work(connection, ["test"], now) == [tenant]
        for ending in (jobs.release, finished):
            job = await jobs.claim(connection, tenant, ["test"], now)
            assert job is not None
            assert await jobs.heartbeat(connection, job, now, b"{}")
            await ending(connection, job)
        assert await jobs.get(connection, tenant, id, "test", now) is not None
        assert await jobs.outputs(connection, tenant, id)
        assert await jobs.cancel(connection, tenant, id, "test", now)
        later = now + timedelta(seconds=1)
        assert await jobs.tenants_with_expired(connection, later) == [tenant]
        await jobs.sweep(connection, tenant, later)
    await database.close()


async def finished(connection: Connection, job: Job) -> None:
    """End a job with something that it came to."""
    assert await jobs.finish(
        connection, job, "completed", job.created_at, job.created_at + timedelta(hours=1), [Output("text/plain", b"1")]
    )
