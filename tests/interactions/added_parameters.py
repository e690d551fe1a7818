"""SearchParameters for tests, and what is done with them over HTTP."""

import time
from typing import Any

import httpx

Resource = dict[str, Any]

URL = "http://example.org/fhir/SearchParameter"
EXTENSIONS = "http://example.org/fhir/StructureDefinition"
_WAIT_SECONDS = 60


def search_parameter(code: str, base: str | list[str], type: str, expression: str | None, **changes: Any) -> Resource:
    """An active SearchParameter."""
    bases = [base] if isinstance(base, str) else base
    found: Resource = {
        "resourceType": "SearchParameter",
        "url": f"{URL}/{bases[0]}-{code}",
        "name": "Example",
        "status": "active",
        "description": "An example",
        "code": code,
        "base": bases,
        "type": type,
    }
    return found | ({} if expression is None else {"expression": expression}) | changes


def add(client: httpx.Client, *parameters: Resource) -> list[str]:
    """Store the SearchParameters; their ids."""
    answers = [client.post("SearchParameter", json=parameter) for parameter in parameters]
    assert [answer.status_code for answer in answers] == [201] * len(answers), [answer.text for answer in answers]
    return [answer.json()["id"] for answer in answers]


def status(client: httpx.Client, id: str) -> Resource:
    """What $index-status says: its plain values by name."""
    answer = client.get(f"SearchParameter/{id}/$index-status")
    assert answer.status_code == 200, answer.text
    plain = [one for one in answer.json()["parameter"] if "part" not in one]
    return {one["name"]: one[next(name for name in one if name.startswith("value"))] for one in plain}


def wait_until_complete(client: httpx.Client, *ids: str) -> None:
    """Until the index of each is complete."""
    give_up = time.monotonic() + _WAIT_SECONDS
    for id in ids:
        while (found := status(client, id))["state"] != "complete":
            assert time.monotonic() < give_up, found
            time.sleep(0.1)


def answer_of(client: httpx.Client, path: str) -> httpx.Response:
    """The answer of a search as soon as it is one: a worker may learn a moment later that an index is complete."""
    give_up = time.monotonic() + _WAIT_SECONDS
    while (answer := client.get(path)).status_code == 503 and time.monotonic() < give_up:
        time.sleep(0.1)
    return answer


def ids(client: httpx.Client, path: str) -> list[str]:
    """The ids of all matches, sorted; other entries are `Type/id`."""
    answer = answer_of(client, path)
    assert answer.status_code == 200, answer.text
    return sorted(entry["resource"]["id"] for entry in answer.json().get("entry", ()))


def in_order(client: httpx.Client, path: str) -> list[str]:
    """The ids of the matches as they come."""
    answer = answer_of(client, path)
    assert answer.status_code == 200, answer.text
    return [entry["resource"]["id"] for entry in answer.json().get("entry", ())]


def put(client: httpx.Client, *resources: Resource) -> None:
    """Store resources under their ids."""
    for resource in resources:
        answer = client.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code in (200, 201), answer.text
