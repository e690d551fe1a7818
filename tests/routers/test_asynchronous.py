"""Prefer: respond-async (FHIR R4, async.html; R5, async-bundle.html): put off, asked about, answered, cancelled."""

import time
from typing import Any

import httpx
import pytest

from bhr_api.fhir import json_text
from bhr_api.fhir.validation import validate
from bhr_api.samples import generate
from bhr_api.store import jobs
from tests.fixtures.database import on_database
from tests.fixtures.server import ClientWith, RunningServer

Resource = dict[str, Any]
BOUND_SECONDS = 30.0
ASYNC = {"Prefer": "respond-async"}


def put_off(client: httpx.Client, method: str, url: str, **options: Any) -> str:
    """The address at which the answer will be."""
    answer = client.request(method, url, headers={**ASYNC, **options.pop("headers", {})}, **options)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Preference-Applied"] == "respond-async"
    place = answer.headers["Content-Location"]
    assert place.startswith(f"{str(client.base_url).rstrip('/')}/$async-status/bhr_job_")
    return str(place)


def ended(client: httpx.Client, place: str) -> Resource:
    """The one entry of the answer, once there is one."""
    deadline = time.monotonic() + BOUND_SECONDS
    while (answer := client.get(place)).status_code == 202:
        assert time.monotonic() < deadline
        assert int(answer.headers["Retry-After"]) >= 1
        assert len(answer.headers["X-Progress"]) <= 100
        time.sleep(0.05)
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert (bundle["type"], [issue for issue in validate(bundle) if issue.severity == "error"]) == (
        "batch-response",
        [],
    )
    (entry,) = bundle["entry"]
    return dict(entry)


def goal(text: str = "Sleep") -> Resource:
    return {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": text},
        "subject": {"reference": "Patient/p1"},
    }


def bundle_of(kind: str, *entries: Resource) -> Resource:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def posting(text: str = "Sleep") -> Resource:
    return {"resource": goal(text), "request": {"method": "POST", "url": "Goal"}}


def count(client: httpx.Client, url: str = "Goal") -> int:
    return int(client.get(url, params={"_summary": "count"}).json()["total"])


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    """A client whose tenant has a sample record."""
    for bundle in generate(1):
        assert client.post("", content=json_text.dumps(bundle)).status_code == 200
    return client


@pytest.mark.parametrize(
    ("method", "url"),
    [
        pytest.param("GET", "Observation?patient=sample-0001&_count=5", id="search-type"),
        pytest.param("GET", "?_type=Patient,Goal&_count=5", id="search-system"),
        pytest.param("GET", "Patient/sample-0001/Goal", id="search-compartment"),
        pytest.param("GET", "Goal/_history?_count=5", id="history-type"),
        pytest.param("GET", "_history?_count=5", id="history-system"),
        pytest.param("GET", "Patient/sample-0001/$everything?_count=5", id="everything"),
        pytest.param("GET", "Observation/$lastn?patient=sample-0001&category=survey", id="an-operation"),
    ],
)
def test_what_is_put_off_is_answered_as_it_would_have_been_at_once(record: httpx.Client, method: str, url: str) -> None:
    entry = ended(record, put_off(record, method, url))
    at_once = record.request(method, url).json()
    assert entry["response"]["status"] == "200"
    found = entry["resource"]
    assert [one["fullUrl"] for one in found.get("entry", ())] == [one["fullUrl"] for one in at_once.get("entry", ())]
    assert found["type"] == at_once["type"]


def test_a_search_by_a_form_is_put_off(client: httpx.Client) -> None:
    client.put("Patient/p1", json={"resourceType": "Patient", "id": "p1"})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    place = put_off(client, "POST", "Patient/_search", content="_id=p1", headers=form)
    assert ended(client, place)["resource"]["entry"][0]["resource"]["id"] == "p1"


def test_a_transaction_is_stored_once_and_its_answer_kept(client: httpx.Client) -> None:
    place = put_off(client, "POST", "", json=bundle_of("transaction", posting("a"), posting("b")))
    answers = [ended(client, place), ended(client, place)]
    assert answers[0] == answers[1]
    made = answers[0]["resource"]
    assert made["type"] == "transaction-response"
    assert [one["response"]["status"] for one in made["entry"]] == ["201", "201"]
    assert client.get(made["entry"][0]["fullUrl"]).status_code == 200
    assert count(client) == 2


def test_the_entries_of_a_batch_are_answered_each_for_itself(client: httpx.Client) -> None:
    entries = [
        posting(),
        {"request": {"method": "GET", "url": "Goal/none"}},
        {"resource": {"resourceType": "Goal"}, "request": {"method": "POST", "url": "Goal"}},
        {"resource": goal(), "request": {"method": "POST", "url": "Goal", "ifNoneExist": "identifier=urn:x|1"}},
        {"request": {"method": "DELETE", "url": "Goal?identifier=urn:x|none"}},
        {"request": {"method": "HEAD", "url": "Goal"}},
    ]
    at_once = client.post("", json=bundle_of("batch", *entries)).json()
    place = put_off(client, "POST", "", json=bundle_of("batch", *entries))
    made = ended(client, place)["resource"]
    statuses = [one["response"]["status"] for one in at_once["entry"]]
    assert statuses[:4] == ["201", "404", "422", "201"]
    assert [one["response"]["status"] for one in made["entry"]] == statuses
    assert [sorted(one) for one in made["entry"]] == [sorted(one) for one in at_once["entry"]]


def test_failed_work_is_an_entry_with_its_status_and_outcome(client: httpx.Client) -> None:
    client.post("Goal", json=goal())
    stale = {**posting(), "request": {"method": "PUT", "url": "Goal/g1", "ifMatch": 'W/"7"'}}
    stale["resource"] = {**goal(), "id": "g1"}
    entry = ended(client, put_off(client, "POST", "", json=bundle_of("transaction", posting(), stale)))
    assert entry["response"]["status"] == "412"
    assert entry["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert "resource" not in entry
    assert count(client) == 1


@pytest.mark.parametrize(
    ("scope", "method", "url", "sent", "status"),
    [
        pytest.param("system/*.cruds", "GET", "Goal?nonsense=1", None, 400, id="unknown-parameter"),
        pytest.param("system/*.cruds", "GET", "_history?_since=x", None, 400, id="history-parameter"),
        pytest.param("system/*.cruds", "GET", "Patient/$nonsense", None, 404, id="unknown-operation"),
        pytest.param("system/Goal.rs", "GET", "Patient", None, 403, id="no-scope-to-search"),
        pytest.param(
            "system/Goal.rs", "POST", "", bundle_of("transaction", posting()), 403, id="no-scope-for-an-entry"
        ),
        pytest.param("system/*.cruds", "POST", "", {"resourceType": "Bundle", "type": "x"}, 400, id="no-transaction"),
        pytest.param(
            "system/*.cruds", "POST", "", bundle_of("transaction", {"resource": goal()}), 400, id="no-request"
        ),
    ],
)
def test_what_can_be_known_to_be_refused_is_refused_at_once(
    client_with: ClientWith, scope: str, method: str, url: str, sent: Resource | None, status: int
) -> None:
    answer = client_with(scope).request(method, url, headers=ASYNC, json=sent)
    assert answer.status_code in (status, 422 if sent else status), answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert "Content-Location" not in answer.headers


def test_other_requests_pass_over_the_preference(client: httpx.Client) -> None:
    made = client.post("Goal", json=goal(), headers=ASYNC)
    assert made.status_code == 201
    assert client.get(f"Goal/{made.json()['id']}", headers=ASYNC).status_code == 200
    assert client.head("Goal", headers=ASYNC).status_code == 200


def test_a_cancelled_request_is_gone(client: httpx.Client) -> None:
    place = put_off(client, "GET", "Goal")
    cancelled = client.delete(place)
    assert (cancelled.status_code, cancelled.json()["resourceType"]) == (202, "OperationOutcome")
    for answer in (client.get(place), client.delete(place)):
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (404, "not-found")


def test_nobody_else_learns_of_a_request(
    server: RunningServer, client: httpx.Client, client_with: ClientWith, tenant: str
) -> None:
    owner = client_with("patient/*.rs", patient="p1", user="Practitioner/a")
    place = put_off(owner, "GET", "Goal")
    ended(owner, place)
    unknown = client.get(f"{server.base_url}/$async-status/bhr_job_{tenant}_{'0' * 32}")
    others = [
        client,
        client_with("patient/*.rs", patient="p2", user="Practitioner/a"),
        client_with("patient/*.rs", patient="p1", user="Practitioner/b"),
    ]
    with server.client(server.token(server.new_tenant())) as stranger:
        for other in (*others, stranger):
            for answer in (other.get(place), other.delete(place)):
                assert (answer.status_code, answer.json()) == (404, unknown.json())
    assert owner.get(place).status_code == 200


def test_the_answer_holds_no_more_than_the_scopes_allow(client: httpx.Client, client_with: ClientWith) -> None:
    for id in ("p1", "p2"):
        client.put(f"Patient/{id}", json={"resourceType": "Patient", "id": id})
        client.post("Goal", json={**goal(), "subject": {"reference": f"Patient/{id}"}})
    confined = client_with("patient/Goal.rs", patient="p1")
    found = ended(confined, put_off(confined, "GET", "Goal"))["resource"]["entry"]
    assert [one["resource"]["subject"]["reference"] for one in found] == ["Patient/p1"]


def fill(server: RunningServer, tenant: str, number: int) -> None:
    """Give the client `test` so many jobs that nobody carries out."""

    async def add(connection: Any) -> None:
        row = await connection.fetchrow("SELECT tenant, name FROM tenant WHERE name = $1", tenant)
        now = await connection.fetchval("SELECT now()")
        for _ in range(number):
            await jobs.add(
                connection,
                tenant=row[0],
                tenant_name=row[1],
                kind="nobody-does-this",
                input=b"{}",
                now=now,
                client_id="test",
                holder="x",
            )

    on_database(server.dsn, add)


def test_a_client_may_have_so_many_unfinished_requests(
    server: RunningServer, client: httpx.Client, tenant: str
) -> None:
    fill(server, tenant, 9)
    ended(client, put_off(client, "GET", "Goal"))
    fill(server, tenant, 1)
    answer = client.get("Goal", headers=ASYNC)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (429, "throttled")
    assert int(answer.headers["Retry-After"]) > 0


def test_every_step_is_audited(client: httpx.Client) -> None:
    place = put_off(client, "GET", "Goal?lifecycle-status=active", headers={"X-Request-Id": "put-off-1"})
    ended(client, place)
    client.delete(place)
    deadline = time.monotonic() + BOUND_SECONDS
    while True:
        entries = client.get("AuditEvent?_count=100").json()["entry"]
        events = [entry["resource"] for entry in entries]
        steps = [(event["subtype"][-1]["code"], event["outcomeDesc"]) for event in events]
        wanted = [
            ("search-type", "HTTP status 202"),
            ("search-type", "HTTP status 200"),
            ("async-status", "HTTP status 200"),
            ("async-cancel", "HTTP status 202"),
        ]
        if all(step in steps for step in wanted):
            break
        assert time.monotonic() < deadline, steps
        time.sleep(0.1)
    searches = [event for event in events if event["subtype"][-1]["code"] == "search-type"]
    mine = [event for event in searches if "put-off-1" in str(event)]
    assert len(mine) == 2
