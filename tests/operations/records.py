"""Small records for the tests of operations, and the reading of what they answer."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

Resource = dict[str, Any]
LOINC = "http://loinc.org"


def patient(id: str = "own", **more: Any) -> Resource:
    return {"resourceType": "Patient", "id": id, **more}


def observation(id: str, of: str = "own", **more: Any) -> Resource:
    code = {"coding": [{"system": LOINC, "code": "44261-6"}]}
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": code,
        "subject": {"reference": f"Patient/{of}"},
        **more,
    }


def encounter(id: str, of: str = "own", **more: Any) -> Resource:
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    subject = {"reference": f"Patient/{of}"}
    return {"resourceType": "Encounter", "id": id, "status": "finished", "class": kind, "subject": subject, **more}


def named(resource_type: str, id: str, **more: Any) -> Resource:
    """A resource that needs nothing but its type."""
    return {"resourceType": resource_type, "id": id, **more}


def reference(target: str) -> Resource:
    return {"reference": target}


def put(client: httpx.Client, *resources: Resource) -> None:
    """Store each of `resources`, in their order."""
    for resource in resources:
        answer = client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code in (200, 201), answer.text


def names_in(bundle: Mapping[str, Any]) -> list[str]:
    """Type/id of every entry, in order."""
    return [f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in bundle.get("entry", ())]


def answered(client: httpx.Client, address: str) -> list[str]:
    """Type/id of every entry of the answer to GET."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return names_in(answer.json())


def pages(client: httpx.Client, address: str) -> Iterator[Resource]:
    """The bundles of a walk by its `next` links."""
    following: str | None = address
    while following is not None:
        answer = client.get(following)
        assert answer.status_code == 200, answer.text
        yield answer.json()
        following = next((link["url"] for link in answer.json()["link"] if link["relation"] == "next"), None)


def parameters(**values: Any) -> Resource:
    """Parameters; a value is given with its type as {"valueCode": ...}, a resource as it is."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": name, **(value if "resourceType" not in value else {"resource": value})}
            for name, given in values.items()
            for value in (given if isinstance(given, list) else [given])
        ],
    }


def audited(client: httpx.Client, operation: str, count: int = 1) -> list[Resource]:
    """The audit events of `operation`, once there are `count` of them; they are written within the flush time."""
    give_up = time.monotonic() + 10
    while True:
        answer = client.get("/AuditEvent", params={"subtype": operation, "_count": 100})
        assert answer.status_code == 200, answer.text
        found = [entry["resource"] for entry in answer.json().get("entry", ())]
        if len(found) >= count:
            return found
        assert time.monotonic() < give_up, f"no event of {operation}"
        time.sleep(0.05)


def whats_of(event: Resource) -> set[str]:
    """The resources that an audit event names."""
    return {entity["what"]["reference"] for entity in event.get("entity", ()) if "what" in entity}
