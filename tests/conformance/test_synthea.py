"""The Synthea patients load by transactions, and every resource reads back as it was sent.

Synthetic patients of ../shared/fhir/synthea: 14 patients, their organisations and practitioners, 9,844 resources, which
refer to one another by fullUrl and by condition (FHIR R4, http.html#trules).
"""

import bz2
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from tests.fixtures.server import RunningServer

SYNTHEA = Path(__file__).parents[2] / "../shared/fhir/synthea"

# In one group the module's patients are loaded once, not once in each worker of pytest-xdist.
pytestmark = [
    pytest.mark.xdist_group("synthea"),
    pytest.mark.skipif(not SYNTHEA.is_dir(), reason="the Synthea patients are in ../shared, which is not here"),
]


@dataclass(frozen=True, slots=True)
class Load:
    """What was sent, each resource with its place (`Type/id`), and what each reference into the bundles becomes."""

    client: httpx.Client
    sent: list[tuple[Resource, str]]
    identities: Mapping[str, str]


@pytest.fixture(scope="module")
def load(server: RunningServer) -> Iterator[Load]:
    """All bundles in a tenant of their own."""
    with server.client(server.token(server.new_tenant())) as client:
        client.timeout = httpx.Timeout(120)
        sent: list[tuple[Resource, str]] = []
        identities: dict[str, str] = {}
        for body in bundles():
            entries = json_text.parse(body)["entry"]
            for entry, (_, place) in zip(entries, transact(client, server.base_url, body), strict=True):
                identities |= dict.fromkeys([entry["fullUrl"], *conditions(entry["resource"])], place)
                sent.append((entry["resource"], place))
        yield Load(client, sent, identities)


def bundles(prefix: str = "") -> Iterator[bytes]:
    """The transactions, organisations and practitioners first, since the patients refer to them by conditions."""
    for path in sorted(SYNTHEA.glob(f"{prefix}*.json.bz2"), key=lambda path: (not path.name.startswith("0-"), path)):
        yield bz2.decompress(path.read_bytes())


def transact(client: httpx.Client, base_url: str, body: bytes) -> list[tuple[str, str]]:
    """(status, place) of each entry of a transaction."""
    answer = client.post("/", content=body, headers={"Prefer": "return=minimal"})
    assert answer.status_code == 200, answer.text
    responses = [entry["response"] for entry in answer.json()["entry"]]
    return [
        (response["status"][:3], response["location"].removeprefix(f"{base_url}/").partition("/_history")[0])
        for response in responses
    ]


def conditions(resource: Resource) -> Iterator[str]:
    """The conditional references that mean `resource`."""
    for identifier in resource.get("identifier", []):
        if isinstance(identifier, dict) and "system" in identifier:
            yield f"{resource['resourceType']}?identifier={identifier['system']}|{identifier['value']}"


def test_every_resource_is_stored_once(load: Load) -> None:
    places = {place for _, place in load.sent}
    of_type = Counter(place.partition("/")[0] for place in places)
    counts = {kind: load.client.get(f"/{kind}?_summary=count").json()["total"] for kind in of_type}
    assert len(load.sent) == len(places) == 9844
    assert counts == of_type


def test_what_exists_already_is_not_created_again(server: RunningServer, load: Load) -> None:
    # All entries of the hospitals' bundle, which was loaded first, carry If-None-Exist.
    (hospitals,) = bundles("0-hospital")
    again = transact(load.client, server.base_url, hospitals)
    assert again == [("200", place) for _, place in load.sent[: len(again)]]


def test_every_resource_reads_back_as_it_was_sent(load: Load) -> None:
    kinds = {place.partition("/")[0] for _, place in load.sent}
    stored = {f"{kind}/{one['id']}": one for kind in kinds for one in read_all(load.client, kind)}
    for sent, place in load.sent:
        expected = rewritten(sent, load.identities)
        # As text, so that the order of members and the digits of numbers count.
        assert json_text.dumps(without_identity(stored[place])) == json_text.dumps(without_identity(expected)), place


def read_all(client: httpx.Client, kind: str) -> Iterator[Resource]:
    """All resources of a type, page by page."""
    url: str | None = f"/{kind}?_count=1000"
    while url:
        bundle = json_text.parse(client.get(url).content)
        yield from (entry["resource"] for entry in bundle["entry"])
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def without_identity(resource: Resource) -> Resource:
    """Without what the server sets: the id, and in meta the version and its time."""
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    return {**{name: value for name, value in resource.items() if name not in ("id", "meta")}, "meta": meta}


def rewritten(node: Any, identities: Mapping[str, str]) -> Any:
    """`node` with its references into the bundles replaced."""
    if isinstance(node, list):
        return [rewritten(item, identities) for item in node]
    if not isinstance(node, dict):
        return node
    changed = {name: rewritten(value, identities) for name, value in node.items()}
    if "reference" in node:
        changed["reference"] = identities.get(node["reference"], node["reference"])
    return changed
