"""A resource alone, and whether a query finds it in memory."""

from datetime import UTC, datetime

from tests.search.reference_evaluator import matches
from tests.search.reference_paths import Resource

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BASE = "https://here.example/fhir"


def found(resource: Resource, *query: tuple[str, str]) -> bool:
    """Whether the query finds the resource, at `NOW`."""
    return matches(resource, resource["resourceType"], query, now=NOW, base_url=BASE)


def patient(**elements: object) -> Resource:
    return {"resourceType": "Patient", "id": "p1", **elements}


def observation(**elements: object) -> Resource:
    return {"resourceType": "Observation", "id": "o1", "status": "final", **elements}
