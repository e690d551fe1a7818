"""SIGTERM: nobody new is let in, who is in finishes, and the next start finds nothing to tidy up."""

import asyncio
import time

import httpx
import pytest

from tests.reliability.calls import BOUND_SECONDS, caller
from tests.reliability.conftest import OwnServerWith
from tests.reliability.locked_table import locked
from tests.reliability.samples import entry, new_name, patient, transaction

pytestmark = pytest.mark.xdist_group("reliability")

IN_FLIGHT = 6


async def is_ready(url: str) -> bool:
    """What a load balancer hears that asks over a connection of its own: yes, no or "refused", but at once."""
    async with httpx.AsyncClient(verify=False, timeout=2) as balancer:
        try:
            return (await balancer.get(f"{url}/health/ready")).status_code == 200
        except httpx.TimeoutException as error:
            raise AssertionError("the server lets a new connection wait without an answer") from error
        except httpx.TransportError:
            return False


async def is_not_ready_within(url: str, seconds: float) -> bool:
    """Whether the server ceases to be ready within `seconds`."""
    deadline = time.monotonic() + seconds
    while await is_ready(url):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_in_flight_finish_and_a_second_start_is_clean(own_server: OwnServerWith, workers: int) -> None:
    server = own_server(workers=workers)
    running = server.running
    token = running.token(running.new_tenant())

    async def run() -> list[httpx.Response]:
        async with asyncio.timeout(BOUND_SECONDS), caller(running, token) as http:
            assert await is_ready(running.url)
            async with locked(running.dsn):
                bundle = transaction([entry("POST", "Patient", patient(new_name())) for _ in range(3)])
                asking = [asyncio.create_task(http.post("", json=bundle)) for _ in range(IN_FLIGHT)]
                assert await asyncio.to_thread(server.busy_connections_become, IN_FLIGHT, 10)
                server.terminate()
                assert await is_not_ready_within(running.url, 5)
            return list(await asyncio.gather(*asking))

    answers = asyncio.run(run())
    assert {answer.status_code for answer in answers} == {200}
    assert server.exit_code_within(15) == 0
    server.start()
    with running.client(token) as client:
        found = client.get("Patient?_summary=count")
    assert found.json()["total"] == 3 * IN_FLIGHT
    assert server.failures() == []


def test_what_is_read_last_is_audited_before_the_end(own_server: OwnServerWith) -> None:
    # The audit of reads is flushed behind them; here so late that only the stop can have done it.
    server = own_server(audit_flush_seconds=300)
    running = server.running
    token = running.token(running.new_tenant())
    with running.client(token) as client:
        asked = [client.get(f"Patient/{new_name()}", headers={"X-Request-Id": f"last-{n}"}) for n in range(20)]
        assert {answer.status_code for answer in asked} == {404}
    server.terminate()
    assert server.exit_code_within(15) == 0
    server.start()
    with running.client(token) as client:
        events = client.get("AuditEvent?_count=100").json()["entry"]
    assert len([made for made in events if '"last-' in str(made).replace("'", '"')]) == 20


def test_requests_that_do_not_finish_in_time_do_not_keep_the_server(own_server: OwnServerWith) -> None:
    server = own_server(shutdown_seconds=1)
    running = server.running
    token = running.token(running.new_tenant())

    async def run() -> None:
        async with asyncio.timeout(BOUND_SECONDS), caller(running, token) as http:
            async with locked(running.dsn):
                asking = [asyncio.create_task(http.get("Patient")) for _ in range(IN_FLIGHT)]
                assert await asyncio.to_thread(server.busy_connections_become, IN_FLIGHT, 10)
                server.terminate()
                assert await asyncio.to_thread(server.exit_code_within, 15) == 0
            await asyncio.gather(*asking, return_exceptions=True)

    asyncio.run(run())
    # Nothing that the server that is gone held is still held.
    assert server.busy_connections_become(0, 5)
