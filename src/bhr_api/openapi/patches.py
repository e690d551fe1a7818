"""The bodies of PATCH (RFC 6902, RFC 7386, FHIR R4 fhirpatch.html)."""

from typing import Any

from bhr_api.openapi.schemas import ANY_RESOURCE, ref
from bhr_api.routers.requests import FHIR_JSON

_FHIRPATH_PATCH = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "delete"},
                {"name": "path", "valueString": "Goal.note[0]"},
            ],
        }
    ],
}


PATCH_BODY = {"$ref": "#/components/requestBodies/Patch"}


def body_components() -> dict[str, Any]:
    """The three kinds of patch (docs/patch.md)."""
    return {"Patch": _patch()}


def _patch() -> dict[str, Any]:
    steps = {"type": "array", "items": {"type": "object", "required": ["op", "path"]}}
    return {
        "required": True,
        "content": {
            "application/json-patch+json": {
                "schema": steps,
                "example": [{"op": "replace", "path": "/text/status", "value": "empty"}],
            },
            "application/merge-patch+json": {
                "schema": {"type": "object"},
                "example": {"text": None},
            },
            FHIR_JSON: {"schema": ref(ANY_RESOURCE), "example": _FHIRPATH_PATCH},
        },
    }
