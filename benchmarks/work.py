"""The work over HTTP: each row of DESIGN 12 that exists, as requests of one tenant."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from benchmarks.dataset import Share
from benchmarks.traffic import request

PHQ9 = "http://loinc.org|44261-6"
BUNDLE_OF = 20
READS_OF_BATCH = 10


@dataclass(frozen=True, slots=True)
class Work:
    """One row: `raw` names the figure of PostgreSQL that it is a share of, `bar` the share to reach.

    `unit` is how many resources one request is about, for rows that count resources; `least_per_second` a bar for two cores.
    """

    name: str
    connections: int
    requests: Callable[["Client"], Sequence[bytes]]
    raw: str | None = None
    bar: float | None = None
    unit: int = 1
    least_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks: a token of the tenant `share` at the server on `port`, whose FHIR base is at `base_path`."""

    port: int
    token: str
    share: Share
    base_path: str = "/fhir"

    def get(self, paths: Sequence[str]) -> list[bytes]:
        """GET requests of `paths` below the base."""
        return [self.send("GET", f"/{path}") for path in paths]

    def send(self, method: str, path: str, body: bytes = b"") -> bytes:
        """A request of `path` below the base."""
        return request(method, self.port, self.base_path + path, self.token, body)

    def patients(self, count: int) -> list[str]:
        """Ids of patients, at random."""
        return [f"volume-patient-{random.randrange(self.share.patients):07d}" for _ in range(count)]


def _reads(client: Client) -> Sequence[bytes]:
    return client.get([f"Patient/{id}" for id in client.patients(2000)])


def _patient_searches(client: Client) -> Sequence[bytes]:
    return client.get([f"Observation?patient={id}&_count=20" for id in client.patients(1000)])


def _patient_code_searches(client: Client) -> Sequence[bytes]:
    return client.get([f"Observation?patient={id}&code={PHQ9}&_sort=-date&_count=20" for id in client.patients(1000)])


def _plans_with_includes(client: Client) -> Sequence[bytes]:
    return client.get([f"CarePlan?patient={id}&_include=CarePlan:goal" for id in client.patients(1000)])


def _population_page(client: Client) -> Sequence[bytes]:
    return client.get([f"Observation?code={PHQ9}&_sort=-date&_count=50"])


def _population_deep_page(client: Client) -> Sequence[bytes]:
    """A page in the middle of the list, found by walking there once."""
    base = f"http://127.0.0.1:{client.port}{client.base_path}"
    url = f"{base}/Observation?code={PHQ9}&_sort=-date&_count=50"
    headers = {"Authorization": f"Bearer {client.token}"} if client.token else {}
    for _ in range(20):
        links = {link["relation"]: link["url"] for link in httpx.get(url, headers=headers, timeout=60).json()["link"]}
        if "next" not in links:
            break
        url = links["next"]
    address = urlsplit(url)
    path = address.path.removeprefix(client.base_path).removeprefix("/")
    return client.get([f"{path}?{address.query}"])


def _observation(patient: str, number: int) -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey"}]}
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6", "display": "PHQ-9 total"}]},
        "subject": {"reference": patient},
        "effectiveDateTime": f"2026-{1 + number % 12:02d}-{1 + number % 28:02d}T10:00:00Z",
        "performer": [{"reference": "Practitioner/sample-team-01-support-worker-1"}],
        "valueQuantity": {
            "value": number % 28,
            "unit": "{score}",
            "system": "http://unitsofmeasure.org",
            "code": "{score}",
        },
        "note": [{"text": "Staff sat down with the client after lunch and went through the questions together. " * 6}],
    }


def _creates(client: Client) -> Sequence[bytes]:
    return [
        client.send("POST", "/Observation", _json(_observation(f"Patient/{id}", number)))
        for number, id in enumerate(client.patients(2000))
    ]


def _updates(client: Client) -> Sequence[bytes]:
    found = []
    for number, id in enumerate(client.patients(1000)):
        body = _json({**_observation(f"Patient/{id}", number), "id": f"bench-update-{number}"})
        found.append(client.send("PUT", f"/Observation/bench-update-{number}", body))
    return found


def _transactions(client: Client) -> Sequence[bytes]:
    return [client.send("POST", "", _json(_bundle(number))) for number in range(200)]


def _bundle(number: int) -> dict[str, object]:
    """A new client with a plan, three goals and fifteen scores."""
    subject = f"urn:uuid:00000000-0000-4000-8000-{number:012d}"
    reference = {"reference": subject}
    goals: list[dict[str, object]] = [
        {"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": text}, "subject": reference}
        for text in ("Sleeps seven hours", "Walks each day", "PHQ-9 below 5")
    ]
    plan: dict[str, object] = {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": reference}
    scores = [_observation(subject, place) for place in range(BUNDLE_OF - 5)]
    patient: dict[str, object] = {
        "resourceType": "Patient",
        "name": [{"family": "Bench", "given": [f"Number {number}"]}],
    }
    resources: list[dict[str, object]] = [patient, plan, *goals, *scores]
    entries = [
        {"resource": resource, "request": {"method": "POST", "url": str(resource["resourceType"])}}
        for resource in resources
    ]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"fullUrl": subject, **entries[0]}, *entries[1:]],
    }


def _batches(client: Client) -> Sequence[bytes]:
    """Batches of reads (http.html#batch)."""
    return [client.send("POST", "", _json(_batch(client.patients(READS_OF_BATCH)))) for _ in range(200)]


def _batch(patients: Sequence[str]) -> dict[str, object]:
    entries = [{"request": {"method": "GET", "url": f"Patient/{id}"}} for id in patients]
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


WORK = (
    Work("read by id", 32, _reads, "point read", 0.08),
    Work("patient search of 20", 32, _patient_searches, "patient search", 0.15),
    Work("patient + code, newest first", 32, _patient_code_searches),
    Work("care plans of a patient, _include goal", 32, _plans_with_includes),
    Work("population by code, page 1 of 50", 16, _population_page),
    Work("population by code, deep page of 50", 16, _population_deep_page),
    Work("batch of 10 reads, resources", 8, _batches, unit=READS_OF_BATCH),
    Work("create", 16, _creates, "durable create", 0.12),
    Work("update", 16, _updates),
    Work("transaction of 20, resources", 8, _transactions, "100-row transaction", 0.04, BUNDLE_OF, 1_500),
)
