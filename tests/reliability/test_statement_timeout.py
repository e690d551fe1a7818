"""DESIGN promise 7: a statement has a limit, says so when it runs into it, and leaves its connection usable."""

import asyncio
import time

import pytest

from tests.fixtures.server import RunningServer
from tests.reliability.calls import BOUND_SECONDS, Call, caller, sending
from tests.reliability.conftest import MachineWith, OwnServerWith
from tests.reliability.locked_table import locked
from tests.reliability.samples import entry, new_name, patient, transaction

pytestmark = pytest.mark.xdist_group("reliability")

LIMIT_SECONDS = 1.0
# How much longer than a statement's limit the server waits for a PostgreSQL that does not even say that it was reached.
SILENCE_SECONDS = 5.0


def test_a_slow_statement_is_refused_in_time_and_its_connection_serves_the_next(own_server: OwnServerWith) -> None:
    # With one database connection a lost one would be missed.
    server = own_server(pool_size=1, statement_timeout_seconds=LIMIT_SECONDS)
    token = server.running.token(server.running.new_tenant())
    calls = [
        sending("GET", "Patient?identifier=urn:example|1"),
        sending("GET", "Patient/1"),
        sending("POST", "Patient", patient(new_name())),
        sending("POST", "", transaction([entry("POST", "Patient", patient(new_name()))])),
    ]
    for call in calls:
        asyncio.run(_is_refused_in_time(server.running, token, call))
    assert server.failures() == []


async def _is_refused_in_time(server: RunningServer, token: str, call: Call) -> None:
    async with asyncio.timeout(BOUND_SECONDS), caller(server, token) as http:
        assert (await http.get("Patient")).status_code == 200
        async with locked(server.dsn):
            started = time.monotonic()
            refused = await call(http)
            assert time.monotonic() - started < LIMIT_SECONDS + 2
        assert refused.status_code == 422
        assert refused.json()["issue"][0]["code"] == "too-costly"
        assert (await http.get("Patient")).status_code == 200


def test_a_postgresql_that_falls_silent_hangs_nobody(machine_with: MachineWith) -> None:
    machine = machine_with(statement_timeout_seconds=LIMIT_SECONDS)
    token = machine.running.token(machine.running.new_tenant())

    async def run() -> None:
        async with asyncio.timeout(BOUND_SECONDS), caller(machine.running, token) as http:
            assert (await http.get("Patient")).status_code == 200
            async with machine.frozen_backends():
                started = time.monotonic()
                answers = await asyncio.gather(*(http.get("Patient") for _ in range(20)))
                # Once for the statement, and once more for its cancellation, which is not answered either.
                assert time.monotonic() - started < 2 * (LIMIT_SECONDS + SILENCE_SECONDS) + 5
            assert {answer.status_code for answer in answers} <= {200, 422, 503}
            assert (await sending("GET", "Patient")(http)).status_code == 200

    asyncio.run(run())
    assert machine.server.failures() == []
