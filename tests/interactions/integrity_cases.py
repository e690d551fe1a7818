"""What the tests of referential integrity write."""

from typing import Any

import httpx

Resource = dict[str, Any]


def observation(**elements: Any) -> Resource:
    """The least Observation, with `elements`."""
    return {"resourceType": "Observation", "status": "final", "code": {"text": "mood"}, **elements}


def to(reference: str) -> Resource:
    """A Reference."""
    return {"reference": reference}


def goal(subject: str, **elements: Any) -> Resource:
    """The least Goal of `subject`, with `elements`."""
    described = {"lifecycleStatus": "active", "description": {"text": "sleep"}, "subject": to(subject)}
    return {"resourceType": "Goal", **described, **elements}


def put(client: httpx.Client, resource_type: str, id: str, **elements: Any) -> httpx.Response:
    """The answer to the update that stores a resource under `id`."""
    return client.put(f"{resource_type}/{id}", json={"resourceType": resource_type, "id": id, **elements})


def stored(client: httpx.Client, *names: str) -> None:
    """Put Patients and other types without mandatory elements in place: `Patient/p`."""
    for name in names:
        resource_type, _, id = name.partition("/")
        assert put(client, resource_type, id).status_code in (200, 201)


def transaction(*entries: Resource) -> Resource:
    """A transaction of `entries`."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def entry(method: str, url: str, resource: Resource | None = None, full_url: str | None = None) -> Resource:
    """An entry of a transaction."""
    made: Resource = {"request": {"method": method, "url": url}}
    if resource is not None:
        made["resource"] = resource
    if full_url is not None:
        made["fullUrl"] = full_url
    return made


def expressions(answer: httpx.Response) -> list[str]:
    """Where the issues of a refusal stand, in their order."""
    return [issue["expression"][0] for issue in answer.json()["issue"]]


def sentences(answer: httpx.Response) -> list[str]:
    """What the issues of a refusal say."""
    return [issue["diagnostics"] for issue in answer.json()["issue"]]
