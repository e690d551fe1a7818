"""An added parameter's index lacks no row, whoever writes while it is built and whichever worker dies (docs/search.md)."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from bhr_api.store.migrations import migrate
from tests.fixtures.database import TestServer
from tests.fixtures.server import RunningServer
from tests.interactions.added_parameters import add, search_parameter, status, wait_until_complete
from tests.reliability.processes import OwnServer

pytestmark = pytest.mark.xdist_group("reliability")

WRITERS = 8
COLOURS = ["red", "green", "blue"]
COLOUR = search_parameter("colour", "Basic", "token", "Basic.code.text")
AUTHORED = search_parameter("authored", "Basic", "string", "Basic.code.coding.display")


@pytest.fixture(scope="module")
def workers(postgresql: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    """Two workers on a database of their own."""
    dsn = postgresql.new_database()
    asyncio.run(migrate(dsn))
    server = OwnServer(tmp_path_factory.mktemp("indexing"), dsn, workers=2)
    server.start()
    yield server
    server.close()
    postgresql.drop(dsn)


def basic(colour: str) -> dict[str, Any]:
    return {"resourceType": "Basic", "code": {"text": colour, "coding": [{"display": f"paint {colour}"}]}}


@dataclass(slots=True)
class Writers:
    """Clients that create, change and delete until they are told to stop; `errors` are answers that should not be."""

    server: RunningServer
    token: str
    is_over: bool = False
    writes: int = 0
    errors: list[str] = field(default_factory=list)

    async def run(self, work: Any) -> None:
        """Write while `work` goes on in a thread."""
        writers = [asyncio.create_task(self._write(number)) for number in range(WRITERS)]
        try:
            await asyncio.to_thread(work)
        finally:
            self.is_over = True
            await asyncio.gather(*writers)

    async def _write(self, number: int) -> None:
        rng = random.Random(number)
        own: list[str] = []
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/fhir+json"}
        async with httpx.AsyncClient(base_url=self.server.base_url, headers=headers, timeout=60) as client:
            while not self.is_over:
                with suppress(httpx.TransportError):
                    await self._write_once(client, rng, own)

    async def _write_once(self, client: httpx.AsyncClient, rng: random.Random, own: list[str]) -> None:
        resource = basic(rng.choice(COLOURS))
        if not own or rng.random() < 0.5:
            answer = await client.post("Basic", json=resource)
            if answer.status_code == 201:
                own.append(answer.json()["id"])
        elif rng.random() < 0.7:
            answer = await client.put(f"Basic/{(id := rng.choice(own))}", json=resource | {"id": id})
        else:
            answer = await client.delete(f"Basic/{own.pop(rng.randrange(len(own)))}")
        self.writes += 1
        if answer.status_code not in (200, 201, 204, 503):
            self.errors.append(answer.text)


def fill(client: httpx.Client, count: int) -> None:
    """So many resources, a hundred in a transaction."""
    for first in range(0, count, 100):
        entries = [
            {"resource": basic(COLOURS[n % 3]), "request": {"method": "POST", "url": "Basic"}}
            for n in range(first, first + 100)
        ]
        answer = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries}, timeout=60)
        assert answer.status_code == 200


def all_resources(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    """Every match of a search, page by page, as soon as it is answered."""
    found: list[dict[str, Any]] = []
    address: str | None = path
    while address is not None:
        answer = client.get(address)
        if answer.status_code == 503:
            time.sleep(0.2)
            continue
        assert answer.status_code == 200, answer.text
        found += [entry["resource"] for entry in answer.json().get("entry", ())]
        links = {link["relation"]: link["url"] for link in answer.json()["link"]}
        address = links.get("next")
    return found


def compare(client: httpx.Client) -> None:
    """Each colour's search against what all resources say."""
    everything = all_resources(client, "Basic?_count=1000")
    for colour in COLOURS:
        expected = sorted(one["id"] for one in everything if one["code"]["text"] == colour)
        assert sorted(one["id"] for one in all_resources(client, f"Basic?colour={colour}&_count=1000")) == expected
        painted = all_resources(client, f"Basic?authored=paint%20{colour}&_count=1000")
        assert sorted(one["id"] for one in painted) == expected


def test_no_row_is_missed_while_others_write(workers: OwnServer) -> None:
    server = workers.running
    token = server.token(server.new_tenant())
    with server.client(token) as client:
        fill(client, 1000)
        writers = Writers(server, token)

        def build() -> None:
            ids = add(client, COLOUR, AUTHORED)
            wait_until_complete(client, *ids)

        asyncio.run(writers.run(build))
        assert writers.errors == []
        assert writers.writes > 100
        compare(client)


def test_every_answer_while_others_write_is_right(workers: OwnServer) -> None:
    """A resource that was there before is found from the first answer on, in both workers."""
    server = workers.running
    token = server.token(server.new_tenant())
    with server.client(token) as client:
        fill(client, 600)
        expected = sorted(one["id"] for one in all_resources(client, "Basic?_count=1000"))
        add(client, COLOUR)
        answers = 0
        give_up = time.monotonic() + 60
        while answers < 20 and time.monotonic() < give_up:
            # Another connection may lead to the other worker.
            with server.client(token) as other:
                answer = other.get("Basic?colour=red,green,blue&_count=1000")
            if answer.status_code == 200:
                answers += 1
                assert sorted(entry["resource"]["id"] for entry in answer.json()["entry"]) == expected
            else:
                assert answer.status_code == 503, answer.text
        assert answers == 20


def test_the_index_is_completed_after_its_worker_was_killed(workers: OwnServer) -> None:
    server = workers.running
    token = server.token(server.new_tenant())
    with server.client(token) as client:
        fill(client, 4000)
        (id, other) = add(client, COLOUR, AUTHORED)
        give_up = time.monotonic() + 60
        while status(client, id)["done"] == 0:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        before = status(client, id)
    # Whichever of them indexes, it is gone.
    for worker in workers.workers():
        os.kill(worker, signal.SIGKILL)
    with server.client(token) as client:
        _wait_for_server(client)
        after = status(client, id)
        assert after["done"] >= before["done"] or after["state"] == "complete"
        wait_until_complete(client, id, other)
        compare(client)


def _wait_for_server(client: httpx.Client) -> None:
    give_up = time.monotonic() + 60
    while True:
        with suppress(httpx.TransportError):
            if client.get("Basic?_count=1").status_code == 200:
                return
        assert time.monotonic() < give_up
        time.sleep(0.2)
