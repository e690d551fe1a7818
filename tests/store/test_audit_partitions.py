"""The months of the audit: who may make their partitions, and a server whose role may not."""

import asyncio
import socket
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import pytest
from pydantic import SecretStr

from bhr_api.app import Application
from bhr_api.cli.databases import prepare
from bhr_api.settings import Settings
from bhr_api.store.audit import PartitionRightError, ensure_partitions
from bhr_api.store.migrations import migrate
from tests.fixtures.database import TestServer, on_database, with_database
from tests.fixtures.server import RunningServer, serve

MARCH = datetime(2031, 3, 31, 23, 59, tzinfo=UTC)
MONTHS = ["audit_event_203103", "audit_event_203104", "audit_event_203105", "audit_event_203106"]


@pytest.fixture
def owner_dsn(postgresql: TestServer) -> Iterator[str]:
    """A migrated database of its own, as its owner."""
    dsn = postgresql.new_database()
    asyncio.run(migrate(dsn))
    yield dsn
    postgresql.drop(dsn)


@pytest.fixture
def reader_dsn(postgresql: TestServer, owner_dsn: str) -> Iterator[str]:
    """The same, as a role that may read and write its rows and owns nothing."""
    role = f"reader_{uuid.uuid4().hex[:8]}"
    admin = with_database(postgresql.admin_dsn, owner_dsn.partition("?")[0].rpartition("/")[2])
    grants = f"""
        CREATE ROLE {role}; GRANT {role} TO PUBLIC_MEMBER; GRANT USAGE ON SCHEMA public TO {role};
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
    """

    async def current_role(connection: asyncpg.Connection) -> str:
        return f'"{await connection.fetchval("SELECT current_user")}"'

    owner = on_database(owner_dsn, current_role)
    on_database(admin, lambda connection: connection.execute(grants.replace("PUBLIC_MEMBER", owner)))
    yield f"{owner_dsn}{'&' if '?' in owner_dsn else '?'}options=-c%20role%3D{role}"
    on_database(admin, lambda connection: connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}"))


async def partitions(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relname ~ '^audit_event_2031..$' ORDER BY relname"
    )
    return [row[0] for row in rows]


def test_this_month_and_the_three_after_it_are_made_once(owner_dsn: str) -> None:
    async def ensure_twice(connection: asyncpg.Connection) -> list[str]:
        await ensure_partitions(connection, MARCH)
        await ensure_partitions(connection, MARCH)
        return await partitions(connection)

    assert on_database(owner_dsn, ensure_twice) == MONTHS


def test_a_role_that_owns_nothing_finds_the_partitions_that_the_owner_made(owner_dsn: str, reader_dsn: str) -> None:
    on_database(owner_dsn, lambda connection: ensure_partitions(connection, MARCH))
    on_database(reader_dsn, lambda connection: ensure_partitions(connection, MARCH))
    assert on_database(owner_dsn, partitions) == MONTHS


def test_a_server_whose_role_owns_nothing_serves(owner_dsn: str, reader_dsn: str) -> None:
    asyncio.run(prepare(owner_dsn))
    asyncio.run(prepare(reader_dsn))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = Settings(_env_file=None, port=listener.getsockname()[1], database_url=SecretStr(reader_dsn))
        running, thread = serve(Application(settings, reader_dsn), listener)
        try:
            server = RunningServer(settings.issuer, reader_dsn)
            with server.client(server.token("default")) as http:
                assert http.put("Patient/p1", json={"resourceType": "Patient", "id": "p1"}).status_code == 201
                assert http.get("Patient?_id=p1&_summary=count").json()["total"] == 1
        finally:
            running.should_exit = True
            thread.join(timeout=30)


def test_a_role_that_may_not_make_a_partition_is_told_who_may(owner_dsn: str, reader_dsn: str) -> None:
    async def current_role(connection: asyncpg.Connection) -> str:
        return str(await connection.fetchval("SELECT current_user"))

    owner, reader = on_database(owner_dsn, current_role), on_database(reader_dsn, current_role)
    with pytest.raises(PartitionRightError) as refusal:
        on_database(reader_dsn, lambda connection: ensure_partitions(connection, MARCH))
    told = str(refusal.value)
    assert "no partition for 2031-03" in told
    assert f"the role {reader} may not make one" in told
    assert f"Have {owner}, who owns audit_event" in told
    assert "CREATE on the schema public" in told
