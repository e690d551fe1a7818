"""on-write: what a written resource refers to is here (docs/references.md; R4 references.html#literal)."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
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


def test_what_may_not_be_read_and_what_is_not_there_get_one_answer(on_write_server: RunningServer, tenant: str) -> None:
    """The first test of all: a patient's token must not find out by references what others' records hold."""
    with on_write_server.client(on_write_server.token(tenant)) as everything:
        stored(everything, "Patient/own", "Patient/other")
        assert put(everything, "Observation", "hidden", **observation(subject=to("Patient/other"))).status_code == 201
    token = on_write_server.token(tenant, "patient/*.cruds", patient="own")
    with on_write_server.client(token) as client:
        for hidden, absent in (("Patient/other", "Patient/never"), ("Observation/hidden", "Observation/absent")):
            answers = [
                client.post("Observation", json=observation(subject=to("Patient/own"), focus=[to(target)]))
                for target in (hidden, absent)
            ]
            assert [answer.status_code for answer in answers] == [422, 422]
            assert answers[0].text.replace(hidden, absent) == answers[1].text
            assert expressions(answers[0]) == ["Observation.focus[0]"]


def test_a_transaction_that_names_a_hidden_resource_is_no_way_to_it(
    on_write_server: RunningServer, tenant: str
) -> None:
    with on_write_server.client(on_write_server.token(tenant)) as everything:
        stored(everything, "Patient/own", "Patient/other")
        assert put(everything, "Goal", "hidden", **goal("Patient/other")).status_code == 201
    with on_write_server.client(on_write_server.token(tenant, "patient/*.cruds", patient="own")) as client:
        answers = [
            client.post(
                "",
                json=transaction(
                    entry("DELETE", f"Goal/{id}"),
                    entry("POST", "Observation", observation(subject=to("Patient/own"), focus=[to(f"Goal/{id}")])),
                ),
            )
            for id in ("hidden", "absent")
        ]
        assert [answer.status_code for answer in answers] == [422, 422]
        assert answers[0].text.replace("hidden", "absent") == answers[1].text


def test_a_past_version_of_anothers_record_is_not_there(on_write_server: RunningServer, tenant: str) -> None:
    with on_write_server.client(on_write_server.token(tenant)) as everything:
        stored(everything, "Patient/own", "Patient/other", "Patient/other")
    with on_write_server.client(on_write_server.token(tenant, "patient/*.cruds", patient="own")) as client:
        references = [f"Patient/other/_history/{version}" for version in (1, 2, 9)]
        answers = [
            client.post("Observation", json=observation(subject=to("Patient/own"), focus=[to(one)]))
            for one in references
        ]
        assert [answer.status_code for answer in answers] == [422] * 3
        assert answers[0].text.replace("version 1 of", "version 9 of") == answers[2].text


def test_shared_types_and_the_own_patient_can_be_referred_to(on_write_server: RunningServer, tenant: str) -> None:
    with on_write_server.client(on_write_server.token(tenant)) as everything:
        stored(everything, "Patient/own", "Practitioner/dr")
    body = observation(subject=to("Patient/own"), performer=[to("Practitioner/dr")])
    with on_write_server.client(on_write_server.token(tenant, "patient/*.cruds", patient="own")) as client:
        assert client.post("Observation", json=body).status_code == 201
    # It may not read the Patient, and can do nothing without naming it.
    with on_write_server.client(on_write_server.token(tenant, "patient/Observation.c", patient="own")) as client:
        assert client.post("Observation", json=observation(subject=to("Patient/own"))).status_code == 201
        refused = client.post("Observation", json=body)
        assert (refused.status_code, expressions(refused)) == (422, ["Observation.performer[0]"])


def test_what_another_tenant_has_is_not_here(on_write_server: RunningServer, on_write_client: httpx.Client) -> None:
    with on_write_server.client(on_write_server.token(on_write_server.new_tenant())) as elsewhere:
        stored(elsewhere, "Patient/p")
    assert on_write_client.post("Observation", json=observation(subject=to("Patient/p"))).status_code == 422
    stored(on_write_client, "Patient/p")
    assert on_write_client.post("Observation", json=observation(subject=to("Patient/p"))).status_code == 201


def test_every_broken_reference_is_told_with_its_place(on_write_client: httpx.Client) -> None:
    stored(on_write_client, "Patient/p")
    answer = on_write_client.post(
        "Observation",
        json=observation(
            subject=to("Patient/p"),
            performer=[to("Patient/p"), to("Practitioner/none")],
            extension=[{"url": "http://example.org/x", "valueReference": to("Goal/none")}],
            contained=[goal("Patient/none", id="inner")],
            focus=[to("#inner")],
        ),
    )
    assert answer.status_code == 422
    assert sorted(expressions(answer)) == [
        "Observation.contained[0].subject",
        "Observation.extension[0].value.ofType(Reference)",
        "Observation.performer[1]",
    ]
    assert {issue["code"] for issue in answer.json()["issue"]} == {"not-found"}
    assert "There is no Practitioner/none, or it may not be read" in " ".join(sentences(answer))


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param({"reference": "https://elsewhere.example/fhir/Patient/1"}, id="another-server"),
        pytest.param({"reference": "urn:uuid:0ab7b1a0-5d3c-4a37-9c2c-5ef63eba4d3e"}, id="urn"),
        pytest.param({"identifier": {"system": "http://example.org/mrn", "value": "1"}}, id="logical"),
        pytest.param({"display": "A friend"}, id="display"),
    ],
)
def test_what_is_not_on_this_server_is_not_looked_for(on_write_client: httpx.Client, reference: dict[str, Any]) -> None:
    assert on_write_client.post("Observation", json=observation(subject=reference)).status_code == 201


def test_an_absolute_url_under_the_own_base_is_looked_for(
    on_write_server: RunningServer, on_write_client: httpx.Client
) -> None:
    body = observation(subject=to(f"{on_write_server.base_url}/Patient/p"))
    assert on_write_client.post("Observation", json=body).status_code == 422
    stored(on_write_client, "Patient/p")
    assert on_write_client.post("Observation", json=body).status_code == 201


def test_audit_events_and_what_a_stored_bundle_carries_are_not_looked_for(on_write_client: httpx.Client) -> None:
    about_event = observation(focus=[to("AuditEvent/kept-for-a-time")])
    assert on_write_client.post("Observation", json=about_event).status_code == 201
    carried = {"resource": observation(subject=to("Patient/inside")), "fullUrl": "http://example.org/Observation/1"}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [carried]}
    assert on_write_client.post("Bundle", json=bundle).status_code == 201


def test_what_was_deleted_is_not_here(on_write_client: httpx.Client) -> None:
    stored(on_write_client, "Patient/p")
    assert put(on_write_client, "Observation", "o", **observation(subject=to("Patient/p"))).status_code == 201
    assert on_write_client.delete("Patient/p").status_code == 204
    assert put(on_write_client, "Observation", "o", **observation(subject=to("Patient/p"))).status_code == 422


def test_updates_creation_by_put_and_patches_are_held_to_it(on_write_client: httpx.Client) -> None:
    assert put(on_write_client, "Observation", "o", **observation(subject=to("Patient/none"))).status_code == 422
    assert put(on_write_client, "Observation", "o", **observation()).status_code == 201
    assert put(on_write_client, "Observation", "o", **observation(subject=to("Patient/none"))).status_code == 422
    operation = {"op": "add", "path": "/subject", "value": to("Patient/none")}
    patched = on_write_client.patch(
        "Observation/o", json=[operation], headers={"Content-Type": "application/json-patch+json"}
    )
    assert (patched.status_code, expressions(patched)) == (422, ["Observation.subject"])
    created = on_write_client.post(
        "Observation", json=observation(subject=to("Patient/none")), headers={"If-None-Exist": "_id=none"}
    )
    assert created.status_code == 422


def test_a_version_must_have_been(on_write_client: httpx.Client) -> None:
    stored(on_write_client, "Patient/p", "Patient/p")
    answers = {
        version: on_write_client.post(
            "Observation", json=observation(subject=to(f"Patient/p/_history/{version}"))
        ).status_code
        for version in ("1", "2", "3", "0", "01", "x", "99999999999999")
    }
    assert answers == {"1": 201, "2": 201, **dict.fromkeys(("3", "0", "01", "x", "99999999999999"), 422)}


def test_a_version_of_what_was_deleted_leads_to_its_history(on_write_client: httpx.Client) -> None:
    """The third version is the deletion: there is nothing to read in it."""
    stored(on_write_client, "Patient/p", "Patient/p")
    on_write_client.delete("Patient/p")
    answers = [
        on_write_client.post("Observation", json=observation(subject=to(f"Patient/p/_history/{version}"))).status_code
        for version in (2, 3)
    ]
    assert answers == [201, 422]


def test_a_resource_may_refer_to_itself(on_write_client: httpx.Client) -> None:
    assert put(on_write_client, "Observation", "o", **observation(derivedFrom=[to("Observation/o")])).status_code == 201
    body = observation(derivedFrom=[to("Observation/o/_history/2")])
    assert put(on_write_client, "Observation", "o", **body).status_code == 200


@pytest.mark.parametrize("is_reversed", [False, True])
def test_entries_of_a_transaction_may_refer_to_one_another(on_write_client: httpx.Client, is_reversed: bool) -> None:
    entries = [
        entry("POST", "Patient", {"resourceType": "Patient"}, "urn:uuid:4d6c2a54-4f4b-4f0e-8d6e-0e3ab1f5ef01"),
        entry("PUT", "Patient/named", {"resourceType": "Patient", "id": "named"}),
        entry(
            "POST",
            "Observation",
            observation(subject=to("urn:uuid:4d6c2a54-4f4b-4f0e-8d6e-0e3ab1f5ef01"), focus=[to("Patient/named")]),
        ),
    ]
    answer = on_write_client.post("", json=transaction(*(reversed(entries) if is_reversed else entries)))
    assert answer.status_code == 200, answer.text


def test_a_transaction_refers_to_what_it_leaves(on_write_client: httpx.Client) -> None:
    stored(on_write_client, "Patient/p")
    answer = on_write_client.post(
        "",
        json=transaction(
            entry("POST", "Observation", observation(subject=to("Patient/p"))),
            entry("DELETE", "Patient/p"),
            entry("POST", "Observation", observation(subject=to("Patient/none"))),
        ),
    )
    assert answer.status_code == 422
    assert expressions(answer) == ["Bundle.entry[0].resource.subject", "Bundle.entry[2].resource.subject"]
    assert on_write_client.get("Patient/p").status_code == 200


def test_what_is_referred_to_may_be_deleted(on_write_client: httpx.Client) -> None:
    stored(on_write_client, "Patient/p")
    on_write_client.post("Observation", json=observation(subject=to("Patient/p")))
    assert on_write_client.delete("Patient/p").status_code == 204


def test_off_asks_nothing_of_references(client: httpx.Client) -> None:
    assert client.post("Observation", json=observation(subject=to("Patient/none"))).status_code == 201


def test_a_write_waits_for_the_deletion_of_its_target(
    on_write_server: RunningServer, on_write_client: httpx.Client
) -> None:
    """Between the look and the write the target could go, if the write did not hold it."""
    stored(on_write_client, "Patient/p")
    answers: list[httpx.Response] = []

    def refer() -> None:
        answers.append(on_write_client.post("Observation", json=observation(subject=to("Patient/p"))))

    async def delete_meanwhile(connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            await connection.execute(
                "DELETE FROM resource WHERE id = 'p' AND resource_type = $1 AND row_id = (SELECT max(row_id) FROM resource"
                " WHERE id = 'p' AND resource_type = $1)",
                RESOURCE_TYPE_NUMBERS["Patient"],
            )
            writer.start()
            for _ in range(200):
                if await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid'"
                ):
                    return
                await connection.fetchval("SELECT pg_sleep(0.02)")
            raise AssertionError("the write did not wait")

    writer = threading.Thread(target=refer)
    on_database(on_write_server.dsn, delete_meanwhile)
    writer.join(timeout=20)
    assert [answer.status_code for answer in answers] == [422]


def while_holding(server: RunningServer, id: str, statement: str, work: Callable[[], int]) -> int:
    """What `work` comes to while another transaction holds the Patient by `statement`."""

    async def hold(connection: asyncpg.Connection) -> int:
        async with connection.transaction():
            await connection.execute(statement, id)
            return await asyncio.wait_for(asyncio.to_thread(work), timeout=10)

    return on_database(server.dsn, hold)


def test_those_who_refer_to_a_resource_hold_up_no_change_of_it(
    on_write_server: RunningServer, on_write_client: httpx.Client
) -> None:
    id = f"p-{uuid4()}"
    stored(on_write_client, f"Patient/{id}")
    held = "SELECT FROM resource WHERE id = $1 FOR KEY SHARE"

    def refer() -> int:
        return on_write_client.post("Observation", json=observation(subject=to(f"Patient/{id}"))).status_code

    def change() -> int:
        return put(on_write_client, "Patient", id, active=True).status_code

    assert while_holding(on_write_server, id, held, refer) == 201
    assert while_holding(on_write_server, id, held, change) == 200


def test_a_hidden_resource_is_not_waited_for(on_write_server: RunningServer, tenant: str) -> None:
    """How long the answer takes must not tell that somebody is changing what is not to be known of."""
    id = f"p-{uuid4()}"
    with on_write_server.client(on_write_server.token(tenant)) as everything:
        stored(everything, "Patient/own", f"Patient/{id}")
    body = observation(subject=to("Patient/own"), focus=[to(f"Patient/{id}")])
    with on_write_server.client(on_write_server.token(tenant, "patient/*.cruds", patient="own")) as client:

        def refer() -> int:
            return client.post("Observation", json=body).status_code

        assert while_holding(on_write_server, id, "DELETE FROM resource WHERE id = $1", refer) == 422
