"""The same work against another FHIR server on this machine, loaded with the same resources by transactions."""

from collections.abc import Callable
from itertools import islice
from urllib.parse import urlsplit

import httpx

from benchmarks.dataset import Share
from benchmarks.figures import HttpRow
from benchmarks.work import Client
from bhr_api.fhir import json_text
from bhr_api.samples import mixed_resources

# What a server without a bulk road can be given in reasonable time.
MOST_RESOURCES = 20_000
ENTRIES = 100


def client_of(base_url: str, token: str, share: Share) -> Client:
    """Who asks the server at `base_url`, which must be on this machine."""
    address = urlsplit(base_url)
    if address.hostname not in ("127.0.0.1", "localhost") or address.port is None or address.scheme != "http":
        raise SystemExit("--compare takes a FHIR base on this machine, with its port: http://127.0.0.1:8080/fhir")
    share = Share(share.tenant, min(share.resources, MOST_RESOURCES))
    return Client(address.port, token, share, address.path.rstrip("/"))


def compare(client: Client, measure: Callable[[Client, HttpRow], HttpRow], rows: list[HttpRow]) -> None:
    """Load the server that `client` asks, and put what `measure` finds there beside each of `rows`."""
    _load(client)
    for row in rows:
        row.other = measure(client, row)


def _load(client: Client) -> None:
    headers = {"Content-Type": "application/fhir+json"}
    if client.token:
        headers["Authorization"] = f"Bearer {client.token}"
    resources = mixed_resources(client.share.resources, patients=client.share.patients)
    with httpx.Client(headers=headers, timeout=120) as http:
        while batch := list(islice(resources, ENTRIES)):
            entries = [
                {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
                for one in batch
            ]
            body = json_text.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
            http.post(f"http://127.0.0.1:{client.port}{client.base_path}", content=body).raise_for_status()
