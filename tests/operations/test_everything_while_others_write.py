"""A walk through a record tells each untouched resource once, whatever others write meanwhile (DESIGN promise 3)."""

import threading
from collections import Counter

import httpx

from tests.fixtures.server import RunningServer
from tests.operations.records import Resource, named, names_in, observation, pages, patient, put, reference

WALKS, WRITERS, KEPT = 6, 4, 60


def test_untouched_resources_are_told_once(server: RunningServer, tenant: str, client: httpx.Client) -> None:
    nurses = [named("Practitioner", f"nurse-{n}") for n in range(10)]
    kept = [observation(f"kept-{n}", performer=[reference(f"Practitioner/nurse-{n % 10}")]) for n in range(KEPT)]
    put(client, *nurses, patient(), *(one for pair in zip(kept, touched(), strict=True) for one in pair))
    token = server.token(tenant)
    stop = threading.Event()
    writers = [threading.Thread(target=write, args=(server, token, number, stop)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        walks = [Counter(walked(client)) for _ in range(WALKS)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    untouched = {f"Observation/kept-{n}" for n in range(KEPT)} | {f"Practitioner/nurse-{n}" for n in range(10)}
    for walk in walks:
        assert walk & Counter(untouched) == Counter(untouched)
        assert {name: times for name, times in walk.items() if times > 1} == {}


def touched() -> list[Resource]:
    """Observations that the writers change and delete."""
    return [observation(f"touched-{n}", performer=[reference(f"Practitioner/nurse-{n % 10}")]) for n in range(KEPT)]


def walked(client: httpx.Client) -> list[str]:
    return [name for page in pages(client, "/Patient/own/$everything?_count=7") for name in names_in(page)]


def write(server: RunningServer, token: str, number: int, stop: threading.Event) -> None:
    """Change, delete and make observations of the record until told to stop."""
    with server.client(token) as client:
        mine = touched()[number::WRITERS]
        turn = 0
        while not stop.is_set():
            one = mine[turn % len(mine)]
            client.put(f"/Observation/{one['id']}", json={**one, "status": "amended"})
            client.post("/Observation", json={**one, "id": "any"})
            if turn % 3 == 0:
                client.delete(f"/Observation/{one['id']}")
            turn += 1
