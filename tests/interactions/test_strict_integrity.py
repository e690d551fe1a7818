"""strict: what is referred to stays (docs/references.md; R4 CapabilityStatement.rest.resource.referencePolicy `enforced`)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer
from tests.interactions.integrity_cases import (
    entry,
    expressions,
    goal,
    observation,
    put,
    sentences,
    stored,
    to,
    transaction,
)

ADVICE = "Change or delete what refers to it first, or in the same transaction."


def test_whoever_sees_no_referrer_learns_only_that_there_is_one(strict_server: RunningServer, tenant: str) -> None:
    """One or many, of this type or that: the sentence is the same."""
    with strict_server.client(strict_server.token(tenant)) as everything:
        stored(everything, "Patient/own", "Patient/other")
        for id in ("once", "often"):
            assert put(everything, "Goal", id, **goal("Patient/own")).status_code == 201
        assert everything.post("Observation", json=observation(focus=[to("Goal/once")])).status_code == 201
        for _ in range(3):
            body = {"resourceType": "Observation", **observation(subject=to("Patient/other"), focus=[to("Goal/often")])}
            assert everything.post("Observation", json=body).status_code == 201
        listed = {"status": "current", "mode": "working", "entry": [{"item": to("Goal/often")}]}
        assert put(everything, "List", "l", **listed).status_code == 201
    with strict_server.client(strict_server.token(tenant, "patient/*.cruds", patient="own")) as client:
        answers = {id: client.delete(f"Goal/{id}") for id in ("once", "often")}
        assert {answer.status_code for answer in answers.values()} == {409}
        assert sentences(answers["once"]) == [f"Goal/once is referred to by other resources. {ADVICE}"]
        assert answers["often"].text == answers["once"].text.replace("once", "often")
        assert client.delete("Goal/hidden").status_code == 204


def test_the_capability_statement_tells_what_is_promised(
    client: httpx.Client, on_write_client: httpx.Client, strict_client: httpx.Client
) -> None:
    """`enforced` is for references that "can always be resolved"; the text tells the rest."""
    told = {}
    for http in (client, on_write_client, strict_client):
        rest = http.get("metadata").json()["rest"][0]
        observations = next(resource for resource in rest["resource"] if resource["type"] == "Observation")
        told[rest["documentation"].rpartition(". ")[2]] = observations["referencePolicy"]
    assert told == {
        "References need not lead to a resource that is here.": ["literal", "logical"],
        "What a written resource refers to on this server must be here; it may be deleted later.": [
            "literal",
            "logical",
        ],
        "What a resource refers to on this server must be here, and cannot be deleted while it is referred to.": [
            "literal",
            "logical",
            "enforced",
        ],
    }


def test_what_is_referred_to_cannot_be_deleted(strict_client: httpx.Client) -> None:
    stored(strict_client, "Patient/p")
    for _ in range(2):
        strict_client.post("Observation", json=observation(subject=to("Patient/p")))
    strict_client.post("Goal", json=goal("Patient/p"))
    answer = strict_client.delete("Patient/p")
    assert answer.status_code == 409
    issue = answer.json()["issue"][0]
    assert (issue["code"], issue["expression"]) == ("conflict", ["Patient"])
    assert issue["diagnostics"] == f"Patient/p is referred to by other resources: 1 Goal, 2 Observation. {ADVICE}"
    assert strict_client.delete("Patient", params={"_id": "p"}).status_code == 409
    assert strict_client.get("Patient/p").status_code == 200


REFERS_TO_BASIC = {"url": "http://example.org/x", "valueReference": to("Basic/b")}
INNER = {**observation(focus=[to("Basic/b")]), "id": "c"}


@pytest.mark.parametrize(
    "elements",
    [
        pytest.param({"extension": [REFERS_TO_BASIC]}, id="extension"),
        pytest.param({"contained": [INNER], "hasMember": [to("#c")]}, id="contained"),
        pytest.param({"_status": {"extension": [REFERS_TO_BASIC]}}, id="of-a-primitive"),
        pytest.param({"note": [{"text": "x", "authorReference": to("Patient/b")}]}, id="without-a-parameter"),
        pytest.param({"focus": [to("Basic/b")]}, id="with-a-parameter"),
    ],
)
def test_a_reference_in_any_element_counts(strict_client: httpx.Client, elements: dict[str, object]) -> None:
    stored(strict_client, "Patient/b")
    assert put(strict_client, "Basic", "b", code={"text": "x"}).status_code == 201
    created = strict_client.post("Observation", json=observation(**elements))
    assert created.status_code == 201, created.text
    target = "Patient/b" if "note" in elements else "Basic/b"
    assert strict_client.delete(target).status_code == 409
    assert strict_client.delete(f"Observation/{created.json()['id']}").status_code == 204
    assert strict_client.delete(target).status_code == 204


def test_an_absolute_reference_counts(strict_server: RunningServer, strict_client: httpx.Client) -> None:
    stored(strict_client, "Patient/p")
    strict_client.post("Observation", json=observation(subject=to(f"{strict_server.base_url}/Patient/p")))
    assert strict_client.delete("Patient/p").status_code == 409


def test_a_past_version_does_not_count(strict_client: httpx.Client) -> None:
    stored(strict_client, "Patient/p")
    assert put(strict_client, "Observation", "o", **observation(subject=to("Patient/p"))).status_code == 201
    assert put(strict_client, "Observation", "o", **observation()).status_code == 200
    assert strict_client.delete("Patient/p").status_code == 204


def test_a_reference_to_a_version_outlives_the_deletion(strict_client: httpx.Client) -> None:
    stored(strict_client, "Patient/p")
    provenance = {
        "resourceType": "Provenance",
        "target": [to("Patient/p/_history/1")],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"display": "x"}}],
    }
    assert strict_client.post("Provenance", json=provenance).status_code == 201
    assert strict_client.delete("Patient/p").status_code == 204
    assert strict_client.get("Patient/p/_history/1").status_code == 200
    assert strict_client.post("Provenance", json=provenance).status_code == 201


def test_a_provenance_of_the_resource_itself_counts(strict_client: httpx.Client) -> None:
    stored(strict_client, "Patient/p")
    provenance = {
        "resourceType": "Provenance",
        "target": [to("Patient/p")],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"display": "x"}}],
    }
    assert strict_client.post("Provenance", json=provenance).status_code == 201
    assert "1 Provenance" in sentences(strict_client.delete("Patient/p"))[0]


def test_what_another_tenant_has_does_not_count(strict_server: RunningServer, strict_client: httpx.Client) -> None:
    with strict_server.client(strict_server.token(strict_server.new_tenant())) as elsewhere:
        stored(elsewhere, "Patient/p")
        elsewhere.post("Observation", json=observation(subject=to("Patient/p")))
    stored(strict_client, "Patient/p")
    assert strict_client.delete("Patient/p").status_code == 204


def test_a_transaction_may_delete_all_that_holds_together(strict_client: httpx.Client) -> None:
    stored(strict_client, "Patient/p")
    for id in ("a", "b"):
        put(strict_client, "Observation", id, **observation(subject=to("Patient/p")))
    refused = strict_client.post("", json=transaction(entry("DELETE", "Patient/p"), entry("DELETE", "Observation/a")))
    assert (refused.status_code, expressions(refused)) == (409, ["Bundle.entry[0]"])
    assert "1 Observation" in sentences(refused)[0]
    both = transaction(
        entry("DELETE", "Patient/p"),
        entry("PUT", "Observation/b", {**observation(), "id": "b"}),
        entry("DELETE", "Observation/a"),
    )
    assert strict_client.post("", json=both).status_code == 200
    assert strict_client.get("Patient/p").status_code == 410


def test_a_transaction_tells_of_each_that_is_referred_to(strict_client: httpx.Client) -> None:
    stored(strict_client, "Patient/p", "Patient/q", "Patient/free")
    for id in ("p", "q"):
        strict_client.post("Observation", json=observation(subject=to(f"Patient/{id}")))
    all_three = transaction(*(entry("DELETE", f"Patient/{id}") for id in ("free", "p", "q")))
    answer = strict_client.post("", json=all_three)
    assert sorted(expressions(answer)) == ["Bundle.entry[1]", "Bundle.entry[2]"]


def test_a_resource_that_refers_to_itself_can_be_deleted(strict_client: httpx.Client) -> None:
    put(strict_client, "Observation", "o", **observation(derivedFrom=[to("Observation/o")]))
    assert strict_client.delete("Observation/o").status_code == 204


def test_what_cannot_be_told_is_not_deleted_until_it_is_indexed(
    strict_server: RunningServer, client: httpx.Client, strict_client: httpx.Client
) -> None:
    """`client` writes by a server that leaves no tokens of references."""
    client.post("Observation", json=observation(note=[{"text": "x", "authorReference": to("Patient/p")}]))
    stored(strict_client, "Patient/p")
    answer = strict_client.delete("Patient/p")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (503, "transient")
    assert "bhr-api reindex" in sentences(answer)[0]


def test_many_at_once_leave_no_reference_to_nothing(strict_server: RunningServer, tenant: str) -> None:
    """Twenty write what refers to a target while it is deleted; whoever comes first is obeyed."""
    with strict_server.client(strict_server.token(tenant)) as client:
        for turn in range(8):
            stored(client, f"Patient/p{turn}")
            barrier = threading.Barrier(20)

            def attempt(number: int, turn: int = turn, barrier: threading.Barrier = barrier) -> tuple[int, int]:
                barrier.wait()
                if number in (4, 11):
                    return number, client.delete(f"Patient/p{turn}").status_code
                body = observation(subject=to(f"Patient/p{turn}"))
                return number, client.post("Observation", json=body).status_code

            with ThreadPoolExecutor(20) as pool:
                answers = dict(pool.map(attempt, range(20)))
            deletions = {answers.pop(4), answers.pop(11)}
            assert deletions <= {204, 409}
            assert set(answers.values()) <= {201, 422}
            is_there = client.get(f"Patient/p{turn}").status_code == 200
            found = client.get("Observation", params={"subject": f"Patient/p{turn}", "_summary": "count"}).json()[
                "total"
            ]
            assert found == list(answers.values()).count(201)
            assert is_there or found == 0


def test_opposite_transactions_do_not_block_each_other(strict_server: RunningServer, tenant: str) -> None:
    """Each changes what the other refers to: PostgreSQL would have to break a deadlock, which it waits a second for."""
    with strict_server.client(strict_server.token(tenant)) as client:
        put(client, "Observation", "a", **observation())
        put(client, "Observation", "b", **observation())

        def change(number: int) -> int:
            own, other = ("a", "b") if number % 2 else ("b", "a")
            return put(client, "Observation", own, **observation(focus=[to(f"Observation/{other}")])).status_code

        before = deadlocks(strict_server)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(change, range(80))) == {200}
        assert deadlocks(strict_server) == before


def deadlocks(server: RunningServer) -> int:
    """How many PostgreSQL had to break."""
    sql = "SELECT pg_stat_clear_snapshot(), deadlocks FROM pg_stat_database WHERE datname = current_database()"

    async def count(connection: object) -> int:
        return int((await connection.fetchrow(sql))[1])  # type: ignore[attr-defined]

    return on_database(server.dsn, count)
