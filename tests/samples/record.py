"""Sample bundles made once for all tests, and ways to look into them."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from bhr_api.fhir.definitions import Resource
from bhr_api.samples import Story, generate, story
from bhr_api.samples.generator import TODAY

# Forty clients are every reason for care on every trajectory.
CLIENTS = range(1, 41)


@cache
def bundles() -> tuple[Resource, ...]:
    """The shared bundle, then the bundles of the clients in order."""
    return tuple(generate(len(CLIENTS)))


def story_of(client: int) -> Story:
    """The story that the bundle of `client` tells."""
    return story(client, seed=1, today=TODAY)


def resources(client: int, resource_type: str | None = None) -> list[Resource]:
    """The resources of `client`, or those of one type; client 0 is the shared bundle."""
    found: list[Resource] = [entry["resource"] for entry in bundles()[client]["entry"]]
    return [resource for resource in found if resource_type in (None, resource["resourceType"])]


def path(resource: Resource) -> str:
    """The relative reference to `resource`."""
    return f"{resource['resourceType']}/{resource['id']}"


def objects(value: Any) -> Iterator[Resource]:
    """Every JSON object inside `value`, itself included."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(part)


def codes(concept: Resource) -> set[str]:
    """The codes of a CodeableConcept."""
    return {coding["code"] for coding in concept.get("coding", [])}
