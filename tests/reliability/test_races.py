"""DESIGN promise 5: races have one winner (FHIR R4, http.html#concurrency, #ccreate, #cond-update)."""

import asyncio

import httpx
import pytest

from tests.reliability.calls import (
    RacingServer,
    found_ids,
    history_versions,
    process_of,
    resource_id,
    sending,
    spread,
    statuses,
    together,
)
from tests.reliability.samples import SYSTEM, new_name, observation, patient

pytestmark = pytest.mark.xdist_group("reliability")

FIFTY = 50


def test_of_fifty_simultaneous_updates_with_if_match_one_wins(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    reference = f"Observation/{resource_id(client.post('Observation', json=observation(0)))}"
    body = {**observation(1), "id": reference.partition("/")[2]}
    answers = together(racing, token, [sending("PUT", reference, body, if_match='W/"1"') for _ in range(FIFTY)])
    assert statuses(answers) == {200: 1, 412: FIFTY - 1}
    assert client.get(reference).json()["meta"]["versionId"] == "2"
    assert history_versions(client, reference) == [1, 2]


def test_without_if_match_every_one_of_fifty_updates_is_a_version(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    reference = f"Observation/{resource_id(client.post('Observation', json=observation(0)))}"
    bodies = [{**observation(n), "id": reference.partition("/")[2]} for n in range(FIFTY)]
    answers = together(racing, token, [sending("PUT", reference, body) for body in bodies])
    assert statuses(answers) == {200: FIFTY}
    assert sorted(int(answer.json()["meta"]["versionId"]) for answer in answers) == list(range(2, FIFTY + 2))
    assert history_versions(client, reference) == list(range(1, FIFTY + 2))


def test_of_fifty_simultaneous_conditional_creates_one_creates(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    name = new_name()
    call = sending("POST", "Patient", patient(name), if_none_exist=f"identifier={SYSTEM}|{name}")
    answers = together(racing, token, [call] * FIFTY)
    assert statuses(answers) == {201: 1, 200: FIFTY - 1}
    assert len({resource_id(answer) for answer in answers}) == 1
    assert len(found_ids(client, "Patient", name)) == 1


def test_conditional_creates_that_spell_one_criterion_differently_are_about_one_resource(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    name = new_name()
    encoded = f"{SYSTEM.replace(':', '%3A')}%7C{name}"
    spellings = [
        f"identifier={SYSTEM}|{name}",
        f"identifier={encoded}",
        f"?identifier={SYSTEM}|{name}",
        f"Patient?identifier={encoded}",
    ]
    calls = [sending("POST", "Patient", patient(name), if_none_exist=spellings[n % 4]) for n in range(20)]
    assert statuses(together(racing, token, calls)) == {201: 1, 200: 19}
    assert len(found_ids(client, "Patient", name)) == 1


def test_of_twenty_puts_of_a_new_id_one_creates(racing: RacingServer, token: str, client: httpx.Client) -> None:
    reference = f"Patient/{new_name()}"
    body = {**patient(new_name()), "id": reference.partition("/")[2]}
    answers = together(racing, token, [sending("PUT", reference, body)] * 20)
    assert statuses(answers) == {201: 1, 200: 19}
    assert history_versions(client, reference) == list(range(1, 21))


def test_fifty_conditional_updates_without_a_match_make_one_resource(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    name = new_name()
    call = sending("PUT", f"Patient?identifier={SYSTEM}|{name}", patient(name))
    answers = together(racing, token, [call] * FIFTY)
    assert statuses(answers) == {201: 1, 200: FIFTY - 1}
    (created,) = {resource_id(answer) for answer in answers}
    assert history_versions(client, f"Patient/{created}") == list(range(1, FIFTY + 1))


def test_twenty_conditional_deletes_delete_once(racing: RacingServer, token: str, client: httpx.Client) -> None:
    name = new_name()
    reference = f"Patient/{resource_id(client.post('Patient', json=patient(name)))}"
    answers = together(racing, token, [sending("DELETE", f"Patient?identifier={SYSTEM}|{name}")] * 20)
    assert statuses(answers) == {204: 20}
    assert client.get(reference).status_code == 410
    assert history_versions(client, reference) == [1, 2]


def test_a_resource_that_updates_and_deletes_fight_over_has_a_gapless_history(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    reference = f"Patient/{resource_id(client.post('Patient', json=patient(new_name())))}"
    body = {**patient(new_name()), "id": reference.partition("/")[2]}
    answers = together(racing, token, [sending("PUT", reference, body), sending("DELETE", reference)] * 15)
    assert set(statuses(answers)) <= {200, 201, 204}
    versions = history_versions(client, reference)
    assert versions == list(range(1, len(versions) + 1))


def test_a_counter_that_twenty_clients_increment_ends_exact(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    reference = f"Observation/{resource_id(client.post('Observation', json=observation(0)))}"

    async def increment(http: httpx.AsyncClient) -> None:
        for _ in range(3):
            while True:
                read = await sending("GET", reference)(http)
                counted = read.json() | {"valueInteger": read.json()["valueInteger"] + 1}
                written = await sending("PUT", reference, counted, if_match=read.headers["etag"])(http)
                if written.status_code == 200:
                    break
                assert written.status_code == 412

    async def run() -> None:
        async with spread(racing, token, 20) as clients:
            await asyncio.gather(*(increment(http) for http in clients))

    asyncio.run(run())
    assert client.get(reference).json()["valueInteger"] == 60
    assert history_versions(client, reference) == list(range(1, 62))


def test_what_was_written_is_found_at_once(racing: RacingServer, token: str) -> None:
    for n in range(30):
        name = new_name()
        # Each request on a connection of its own, so that another worker may have to find it.
        with racing.client(token) as writer, racing.client(token) as reader:
            created = writer.post("Observation", json=observation(n, name=name))
            assert found_ids(reader, "Observation", name) == [resource_id(created)]


def test_a_race_against_two_workers_reaches_both(two_workers: RacingServer) -> None:
    token = two_workers.token(two_workers.new_tenant())
    answers = together(two_workers, token, [sending("GET", "Patient")] * FIFTY)
    assert len({process_of(answer) for answer in answers}) == 2
