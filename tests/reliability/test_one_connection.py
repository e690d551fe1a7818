"""No interaction takes a second database connection while it holds one; with one in the pool, two would wait for ever.

Reads write their audit event before the answer here (BHR_AUDIT_FLUSH_SECONDS=0), which must not need a second one either.
"""

import time

import httpx
import pytest

from tests.reliability.conftest import OwnServerWith
from tests.reliability.samples import SYSTEM, Resource, batch, entry, new_name, observation, patient, transaction

pytestmark = pytest.mark.xdist_group("reliability")

# Nobody else asks, so no answer comes near to the two seconds for which a request waits for a connection.
PROMPT_SECONDS = 1.5


def requests(id: str, name: str) -> list[tuple[str, str, Resource | None]]:
    """One request for each interaction, about the Patient `id` of that name."""
    known = {**patient(name), "id": id}
    conditional = entry("POST", "Patient", patient(name), ifNoneExist=f"identifier={SYSTEM}|{name}")
    referring = observation(1, subject={"reference": f"Patient?identifier={SYSTEM}|{name}"})
    return [
        ("GET", f"Patient/{id}", None),
        ("GET", f"Patient/{id}/_history/1", None),
        ("GET", f"Patient/{id}/_history", None),
        ("GET", "_history", None),
        ("GET", f"Patient?identifier={SYSTEM}|{name}&_revinclude=Observation:subject&_total=accurate", None),
        ("GET", "AuditEvent?_count=5", None),
        ("GET", "Patient/absent", None),
        ("PUT", f"Patient/{id}", known),
        ("PUT", f"Patient?identifier={SYSTEM}|{name}", patient(name)),
        ("POST", "Observation", observation(1, subject={"reference": f"Patient/{id}"})),
        ("POST", "", transaction([conditional, entry("POST", "Observation", referring)])),
        ("POST", "", transaction([entry("PUT", f"Patient/{id}", known), entry("GET", f"Patient/{id}")])),
        ("POST", "", transaction([entry("GET", "Patient?_count=5"), entry("GET", f"Patient/{id}/_history")])),
        ("POST", "", batch([conditional, entry("GET", f"Patient/{id}"), entry("GET", "Patient/absent")])),
        ("DELETE", f"Patient?identifier={SYSTEM}|{name}", None),
    ]


def test_every_interaction_does_with_one_connection(own_server: OwnServerWith) -> None:
    server = own_server(pool_size=1, audit_flush_seconds=0)
    slow: list[str] = []
    with server.running.client(server.running.token(server.running.new_tenant())) as client:
        name = new_name()
        id = client.put(f"Patient/{name}", json={**patient(name), "id": name}).json()["id"]
        for method, path, body in requests(id, name):
            started = time.monotonic()
            answer = client.request(method, path, json=body)
            seconds = time.monotonic() - started
            if not _is_proper(answer, path) or seconds > PROMPT_SECONDS:
                slow.append(f"{method} {path}: {answer.status_code} after {seconds:.1f} s")
    assert slow == []
    assert server.failures() == []


def _is_proper(answer: httpx.Response, path: str) -> bool:
    return answer.status_code == 404 if path.endswith("absent") else answer.is_success


def test_the_sealing_of_the_audit_does_with_one_connection(own_server: OwnServerWith) -> None:
    server = own_server(pool_size=1)
    token = server.running.token(server.running.new_tenant())
    slowest = 0.0
    with server.running.client(token) as client:
        until = time.monotonic() + 4
        while time.monotonic() < until:
            started = time.monotonic()
            assert client.get("Patient").status_code == 200
            slowest = max(slowest, time.monotonic() - started)
            time.sleep(0.02)
    assert slowest < PROMPT_SECONDS
    assert "audit_sealing_delayed" not in server.log.read_text()
