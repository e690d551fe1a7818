"""The same work against another FHIR server on this machine, loaded with the same resources by transactions."""

from itertools import islice
from urllib.parse import urlsplit

import httpx

from benchmarks.dataset import Share
from benchmarks.traffic import run
from benchmarks.work import WORK, Client
from bhr_api.fhir import json_text
from bhr_api.samples import mixed_resources

# What a server without a bulk road can be given in reasonable time.
MOST_RESOURCES = 20_000
ENTRIES = 100


def measure(base_url: str, token: str, share: Share, seconds: float) -> dict[str, float]:
    """What each row comes to a second at `base_url`, which must be on this machine."""
    address = urlsplit(base_url)
    if address.hostname not in ("127.0.0.1", "localhost") or address.port is None:
        raise SystemExit("--compare takes a FHIR base on this machine, with its port: http://127.0.0.1:8080/fhir")
    share = Share(share.tenant, min(share.resources, MOST_RESOURCES))
    _load(base_url, token, share)
    client = Client(address.port, token, share, address.path.rstrip("/"))
    return {
        work.name: run(client.port, work.requests(client), work.connections, seconds).per_second * work.unit
        for work in WORK
    }


def _load(base_url: str, token: str, share: Share) -> None:
    headers = {"Content-Type": "application/fhir+json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    resources = mixed_resources(share.resources, patients=share.patients)
    with httpx.Client(headers=headers, timeout=120) as http:
        while batch := list(islice(resources, ENTRIES)):
            entries = [
                {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
                for one in batch
            ]
            body = json_text.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
            http.post(base_url, content=body).raise_for_status()
