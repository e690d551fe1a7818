"""What a value set or code system refers to (FHIR R4, valueset.html and codesystem.html)."""

from collections.abc import Iterator
from typing import Any

from bhr_api.fhir.definitions import Resource


def mentions(resource: Resource) -> frozenset[str]:
    """The canonicals of the value sets and code systems that the meaning of `resource` rests on."""
    if resource.get("resourceType") == "CodeSystem":
        supplemented = resource.get("supplements")
        return frozenset({supplemented} if isinstance(supplemented, str) else ())
    compose = resource.get("compose") or {}
    return frozenset(name for part in (*compose.get("include", ()), *compose.get("exclude", ())) for name in _of(part))


def _of(part: dict[str, Any]) -> Iterator[str]:
    system = part.get("system")
    if isinstance(system, str):
        yield system
        if isinstance(part.get("version"), str):
            yield f"{system}|{part['version']}"
    yield from (canonical for canonical in part.get("valueSet", ()) if isinstance(canonical, str))
