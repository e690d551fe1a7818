"""Transactions that meet: atomic, isolated, and never stuck (DESIGN promises 1 and 5; FHIR R4, http.html#transaction)."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine

import httpx
import pytest

from tests.reliability.calls import (
    RacingServer,
    found_ids,
    history_versions,
    resource_id,
    sending,
    spread,
    statuses,
    together,
)
from tests.reliability.samples import (
    SYSTEM,
    Resource,
    batch,
    entry,
    entry_statuses,
    new_name,
    observation,
    patient,
    transaction,
)

pytestmark = pytest.mark.xdist_group("reliability")

Write = Callable[[httpx.AsyncClient], Coroutine[None, None, None]]
Read = Callable[[httpx.AsyncClient, "asyncio.Task[None]"], Awaitable[None]]

FIFTY = 50
ENTRIES = 15


def spellings(name: str) -> list[str]:
    """Four ways to write the same criterion."""
    encoded = f"{SYSTEM.replace(':', '%3A')}%7C{name}"
    return [
        f"identifier={SYSTEM}|{name}",
        f"identifier={encoded}",
        f"?identifier={SYSTEM}|{name}",
        f"Patient?identifier={encoded}",
    ]


def creation_if_none_exists(name: str, spelling: int = 0) -> Resource:
    """An entry that creates the Patient `name` unless there is one."""
    return entry("POST", "Patient", patient(name), ifNoneExist=spellings(name)[spelling % 4])


def test_fifty_transactions_with_one_if_none_exist_create_one_resource(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    name = new_name()
    bundles = [transaction([creation_if_none_exists(name, n), observed(n)]) for n in range(FIFTY)]
    answers = together(racing, token, [sending("POST", "", bundle) for bundle in bundles])
    assert statuses(answers) == {200: FIFTY}
    created = sorted(entry_statuses(answer.json())[0] for answer in answers)
    assert created == [200] * (FIFTY - 1) + [201]
    assert len(found_ids(client, "Patient", name)) == 1


def observed(value: int) -> Resource:
    """An entry that creates an Observation."""
    return entry("POST", "Observation", observation(value))


def test_conditional_creates_alone_and_in_bundles_are_about_one_resource(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    name = new_name()
    alone = [sending("POST", "Patient", patient(name), if_none_exist=spelling) for spelling in spellings(name) * 3]
    bundled = [sending("POST", "", transaction([creation_if_none_exists(name, n)])) for n in range(12)]
    batches = [sending("POST", "", batch([creation_if_none_exists(name, n)])) for n in range(12)]
    puts = [sending("PUT", f"Patient?{spelling}", patient(name)) for spelling in spellings(name)[:2] * 3]
    answers = together(racing, token, [*alone, *bundled, *batches, *puts])
    assert set(statuses(answers)) <= {200, 201}
    assert len(found_ids(client, "Patient", name)) == 1


def test_of_transactions_with_if_match_one_wins_whole(racing: RacingServer, token: str, client: httpx.Client) -> None:
    reference = f"Observation/{resource_id(client.post('Observation', json=observation(0)))}"
    name = new_name()
    body = {**observation(1), "id": reference.partition("/")[2]}
    bundle = transaction(
        [entry("PUT", reference, body, ifMatch='W/"1"'), entry("POST", "Observation", observation(2, name=name))]
    )
    answers = together(racing, token, [sending("POST", "", bundle)] * 20)
    assert statuses(answers) == {200: 1, 412: 19}
    assert history_versions(client, reference) == [1, 2]
    assert len(found_ids(client, "Observation", name)) == 1


def test_transactions_that_lock_in_opposite_order_all_finish(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    ids = [new_name() for _ in range(ENTRIES)]
    forward = [entry("PUT", f"Patient/{id}", {**patient(id), "id": id}) for id in ids]
    client.post("", json=transaction(forward)).raise_for_status()
    conditions = [creation_if_none_exists(new_name()) for _ in range(ENTRIES)]
    mixed = [*forward[::2], *conditions, *forward[1::2]]
    bundles = [transaction(entries) for entries in (forward, forward[::-1], mixed, mixed[::-1])]
    for _ in range(10):
        answers = together(racing, token, [sending("POST", "", bundle) for bundle in bundles * 2])
        assert set(statuses(answers)) <= {200, 409}
    for id in (ids[0], ids[-1]):
        versions = history_versions(client, f"Patient/{id}")
        assert versions == list(range(1, len(versions) + 1))


def test_transactions_and_single_updates_of_the_same_resources_all_finish(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    ids = [new_name() for _ in range(ENTRIES)]
    puts = [entry("PUT", f"Patient/{id}", {**patient(id), "id": id}) for id in ids]
    client.post("", json=transaction(puts)).raise_for_status()
    # Deletions lock the same rows by other statements, conditional updates lock their criterion first.
    bundles = [puts, puts[::-1], [entry("DELETE", f"Patient/{id}") for id in reversed(ids)]]
    calls = [sending("POST", "", transaction(entries)) for entries in bundles]
    calls += [sending("PUT", f"Patient/{id}", {**patient(id), "id": id}) for id in ids]
    calls += [sending("PUT", f"Patient?identifier={SYSTEM}|{id}", patient(id)) for id in ids]
    for _ in range(4):
        answers = together(racing, token, calls)
        # 412: a resource and the one that a conditional update made after its deletion both meet the criterion.
        assert set(statuses(answers)) <= {200, 201, 409, 412}


def test_a_transaction_with_a_bad_last_entry_leaves_nothing(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    name = new_name()
    entries = [entry("POST", "Patient", patient(name)) for _ in range(ENTRIES)]
    entries.append(entry("PUT", "Patient/absent", {**patient(name), "id": "absent"}, ifMatch='W/"7"'))
    answers = together(racing, token, [sending("POST", "", transaction(entries))] * 10)
    assert statuses(answers) == {412: 10}
    assert found_ids(client, "Patient", name) == []


def test_a_reader_sees_all_entries_of_a_new_transaction_or_none(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    names = [new_name() for _ in range(12)]
    seen: set[int] = set()

    async def write(http: httpx.AsyncClient) -> None:
        for name in names:
            bundle = transaction([entry("POST", "Observation", observation(n, name=name)) for n in range(ENTRIES)])
            assert (await sending("POST", "", bundle)(http)).status_code == 200

    async def read(http: httpx.AsyncClient, writing: "asyncio.Task[None]") -> None:
        for name in itertools.cycle(names):
            if writing.done():
                return
            answer = await sending("GET", f"Observation?identifier={SYSTEM}|{name}&_count=100")(http)
            seen.add(len(answer.json().get("entry", [])))

    asyncio.run(while_reading(racing, token, write, read))
    assert seen <= {0, ENTRIES}
    assert all(len(found_ids(client, "Observation", name)) == ENTRIES for name in names)


def test_a_reader_sees_all_updates_of_a_transaction_or_none(
    racing: RacingServer, token: str, client: httpx.Client
) -> None:
    name, ids = new_name(), [new_name() for _ in range(ENTRIES)]
    torn: list[list[int]] = []

    def bundle(value: int) -> Resource:
        bodies = [{**observation(value, name=name), "id": id} for id in ids]
        return transaction([entry("PUT", f"Observation/{body['id']}", body) for body in bodies])

    async def write(http: httpx.AsyncClient) -> None:
        for value in range(1, 25):
            assert (await sending("POST", "", bundle(value))(http)).status_code == 200

    async def read(http: httpx.AsyncClient, writing: "asyncio.Task[None]") -> None:
        while not writing.done():
            answer = await sending("GET", f"Observation?identifier={SYSTEM}|{name}&_count=100")(http)
            values = [made["resource"]["valueInteger"] for made in answer.json()["entry"]]
            if len(values) != ENTRIES or len(set(values)) != 1:
                torn.append(values)

    client.post("", json=bundle(0)).raise_for_status()
    asyncio.run(while_reading(racing, token, write, read))
    assert torn == []


async def while_reading(server: RacingServer, token: str, write: Write, read: Read) -> None:
    """Run one writer, and five readers for as long as it writes."""
    async with spread(server, token, 6) as (writer, *readers):
        writing = asyncio.create_task(write(writer))
        await asyncio.gather(writing, *(read(reader, writing) for reader in readers))
