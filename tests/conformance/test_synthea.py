"""The Synthea patients load by transactions, and every resource reads back as it was sent (DESIGN promise 4).

Synthetic patients of ../shared/fhir/synthea: 14 patients, their organisations and practitioners, 9,844 resources.
"""

import bz2
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bhr_api.fhir import json_text
from tests.fixtures.server import RunningServer

SYNTHEA = Path(__file__).parents[2] / "../shared/fhir/synthea"

Pair = tuple[dict[str, Any], str]


def bundles() -> Iterator[bytes]:
    """The transactions, organisations and practitioners first, since the patients refer to them by conditions."""
    for path in sorted(SYNTHEA.glob("*.json.bz2"), key=lambda path: (not path.name.startswith("0-"), path.name)):
        yield bz2.decompress(path.read_bytes())


@pytest.fixture(scope="module")
def loaded(server: RunningServer) -> Iterator[tuple[httpx.Client, list[Pair], dict[str, str]]]:
    """A client, (resource as sent, place) of each entry, and what each temporary identity became."""
    if not SYNTHEA.is_dir():
        pytest.skip("the Synthea patients are in ../shared, which is not here")
    with server.client(server.token(server.new_tenant())) as client:
        client.timeout = httpx.Timeout(120)
        pairs: list[Pair] = []
        identities: dict[str, str] = {}
        for body in bundles():
            answer = client.post("/", content=body, headers={"Prefer": "return=minimal"})
            assert answer.status_code == 200, answer.text[:2000]
            sent = json_text.parse(body)["entry"]
            for entry, made in zip(sent, answer.json()["entry"], strict=True):
                place = made["response"]["location"].removeprefix(server.base_url + "/").split("/_history")[0]
                identities[entry["fullUrl"]] = place
                pairs.append((entry["resource"], place))
        yield client, pairs, identities


def test_all_resources_were_stored(loaded: tuple[httpx.Client, list[Pair], dict[str, str]]) -> None:
    client, pairs, _ = loaded
    assert len(pairs) == 9844
    counted = {
        kind: client.get(f"/{kind}?_summary=count").json()["total"]
        for kind in {sent["resourceType"] for sent, _ in pairs}
    }
    assert sum(counted.values()) == len({place for _, place in pairs})


def test_every_resource_reads_back_as_it_was_sent(loaded: tuple[httpx.Client, list[Pair], dict[str, str]]) -> None:
    client, pairs, identities = loaded
    stored = {
        place: resource for kind in {sent["resourceType"] for sent, _ in pairs} for place, resource in of(client, kind)
    }
    for sent, place in pairs:
        expected = without_identity(rewritten(sent, identities, client))
        assert text(without_identity(stored[place])) == text(expected), place


def of(client: httpx.Client, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, resource) of all resources of a type, by pages."""
    url: str | None = f"/{kind}?_count=1000"
    while url:
        answer = client.get(url)
        bundle = json_text.parse(answer.content)
        for entry in bundle.get("entry", []):
            yield f"{kind}/{entry['resource']['id']}", entry["resource"]
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def without_identity(resource: dict[str, Any]) -> dict[str, Any]:
    """Without what the server sets: id, and version and time in meta."""
    kept = {name: value for name, value in resource.items() if name != "id"}
    meta = {name: value for name, value in kept.pop("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    return {**kept, "meta": meta}


CONDITIONS: dict[str, str] = {}


def rewritten(node: Any, identities: dict[str, str], client: httpx.Client) -> Any:
    """`node` with its temporary and conditional references replaced."""
    if isinstance(node, list):
        return [rewritten(item, identities, client) for item in node]
    if isinstance(node, dict):
        return {
            name: referenced(value, identities, client)
            if name == "reference" and isinstance(value, str)
            else rewritten(value, identities, client)
            for name, value in node.items()
        }
    return node


def referenced(reference: str, identities: dict[str, str], client: httpx.Client) -> str:
    if "?" not in reference:
        return identities.get(reference, reference)
    if reference not in CONDITIONS:
        (entry,) = client.get(f"/{reference}").json()["entry"]
        CONDITIONS[reference] = f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
    return CONDITIONS[reference]


def text(resource: dict[str, Any]) -> bytes:
    """The resource as text, with the order of its members and the digits of its numbers."""
    return json_text.dumps(resource)
