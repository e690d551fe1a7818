"""Small resources and bundles to race and crash with."""

import uuid
from collections.abc import Sequence
from typing import Any

Resource = dict[str, Any]

SYSTEM = "urn:example:reliability"


def new_name() -> str:
    """A name that no other test uses."""
    return uuid.uuid4().hex


def patient(name: str, **elements: Any) -> Resource:
    """A Patient with the identifier `name`."""
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": name}], **elements}


def observation(value: int, *, name: str | None = None, **elements: Any) -> Resource:
    """An Observation of an integer."""
    found: Resource = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "Coping skills practised"},
        "valueInteger": value,
        **elements,
    }
    return found if name is None else {**found, "identifier": [{"system": SYSTEM, "value": name}]}


def entry(method: str, url: str, resource: Resource | None = None, **request: str) -> Resource:
    """A bundle entry; `request` takes ifMatch and ifNoneExist."""
    made: Resource = {"request": {"method": method, "url": url, **request}}
    return made if resource is None else {"resource": resource, **made}


def transaction(entries: Sequence[Resource]) -> Resource:
    """A transaction bundle."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def batch(entries: Sequence[Resource]) -> Resource:
    """A batch bundle."""
    return {**transaction(entries), "type": "batch"}


def entry_statuses(answer: Resource) -> list[int]:
    """The status of each entry of a transaction-response."""
    return [int(made["response"]["status"].split()[0]) for made in answer["entry"]]
