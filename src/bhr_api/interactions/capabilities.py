"""capabilities: the CapabilityStatement, generated from what is served (FHIR R4, http.html#capabilities).

It names nothing that the server does not do.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from bhr_api import __version__
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPES, Resource, SearchParameter
from bhr_api.fhir.references import ReferentialIntegrity
from bhr_api.interactions.audit_parameters import SERVED_PARAMETERS
from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation, Operations
from bhr_api.interactions.patch import PATCH_TYPES
from bhr_api.interactions.requests import SERVER_WRITTEN
from bhr_api.search.parameters import Parameter, special_parameters
from bhr_api.search.served_parameters import BUILT_IN, ParameterSet, ServedParameters

_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_READING = ("read", "vread", "history-instance", "history-type", "search-type")
_ON_SYSTEM = ("transaction", "batch", "search-system", "history-system")
_WRITING = ("create", "update", "patch", "delete")

# http.html#transactional-integrity: what becomes of a resource between a write and a read.
_INTEGRITY = (
    "A write is stored whole or refused whole: elements that are not known and values that are not of their type are refused,"
    " never dropped. What was sent is what is read, but for id, meta.versionId and meta.lastUpdated, and for links within a"
    " transaction, which become those of the resources that it made. A transaction is done whole or not at all, and others see"
    " it so. Every change makes a version; If-Match guards an update, a patch or a deletion against what changed meanwhile."
    " Patches are held against the same rules as updates."
    " With `Prefer: respond-async`, batch, transaction, searches, histories of types and of the system, and operations that"
    " change nothing are answered later (R4 async.html): 202 with Content-Location, where a batch-response will be."
)
_REFERENCES: Mapping[ReferentialIntegrity, str] = {
    "off": "References need not lead to a resource that is here.",
    "on-write": "What a written resource refers to on this server must be here; it may be deleted later.",
    "strict": "What a resource refers to on this server must be here, and cannot be deleted while it is referred to.",
}


def capability_statement(
    base_url: str,
    issuer: str,
    operations: Operations[Context],
    profiles: Mapping[str, Sequence[str]],
    integrity: ReferentialIntegrity = "off",
    served: ServedParameters = BUILT_IN,
) -> bytes:
    """The CapabilityStatement of the server at `base_url`, whose OAuth endpoints are under `issuer`, as JSON.

    `profiles` are the loaded ones by resource type, `integrity` is what is promised of references; `served` are the search
    parameters, which include what a tenant has added.
    """
    statement: Resource = {
        "resourceType": "CapabilityStatement",
        "id": "bhr-api",
        "url": f"{base_url}/metadata",
        "version": __version__,
        "name": "BhrApi",
        "title": "bhr_api, behavioral-health records over FHIR R4",
        "status": "active",
        "date": "2026-11-24",
        "kind": "instance",
        "software": {"name": "bhr_api", "version": __version__},
        "implementation": {"description": "bhr_api", "url": base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "patchFormat": sorted(PATCH_TYPES),
        "rest": [
            {
                "mode": "server",
                "documentation": f"{_INTEGRITY} {_REFERENCES[integrity]}",
                "security": _security(issuer),
                "resource": [
                    _resource(name, operations, profiles.get(name, ()), integrity, served) for name in RESOURCE_TYPES
                ],
                "interaction": [{"code": code} for code in _ON_SYSTEM],
                **_operations([operation for operation in operations.all if "system" in operation.levels]),
            }
        ],
    }
    return json_text.dumps(statement)


def _security(issuer: str) -> dict[str, Any]:
    """SMART App Launch 2.2; older clients find the endpoints only in the extension."""
    names = ("authorize", "token", "register", "revoke", "introspect")
    endpoints = {name: f"{issuer}/oauth/{name}" for name in names} | {"manage": f"{issuer}/app/apps"}
    return {
        "extension": [
            {
                "url": _OAUTH_URIS,
                "extension": [{"url": name, "valueUri": url} for name, url in endpoints.items()],
            }
        ],
        "cors": True,
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ],
                "text": "OAuth2 with SMART-on-FHIR scopes (http://hl7.org/fhir/smart-app-launch)",
            }
        ],
    }


def parameters_served(resource_type: str, served: ServedParameters = BUILT_IN) -> Mapping[str, Parameter]:
    """The parameters that a search of the type takes. Those of AuditEvent compile to columns of the audit table."""
    parameters = served.of(resource_type)
    if resource_type != "AuditEvent":
        return parameters
    return {code: parameter for code, parameter in parameters.items() if code in SERVED_PARAMETERS}


def special_parameters_served(resource_type: str) -> Mapping[str, SearchParameter]:
    """The parameters of the whole resource, and of no type of R4's. Audit events have none."""
    return {} if resource_type in SERVER_WRITTEN else special_parameters(resource_type)


def includes_of(resource_type: str, served: ServedParameters = BUILT_IN) -> list[str]:
    """The values of `_include`. Audit events are not rows of the resource table, so nothing comes with them."""
    if resource_type in SERVER_WRITTEN:
        return []
    parameters = parameters_served(resource_type, served)
    codes = [code for code, parameter in parameters.items() if parameter.type == "reference"]
    return ["*", *(f"{resource_type}:{code}" for code in codes)] if codes else []


def reverse_includes_of(resource_type: str, served: ServedParameters = BUILT_IN) -> list[str]:
    """The values of `_revinclude`."""
    return [] if resource_type in SERVER_WRITTEN else _reverse_includes(served.answering)[resource_type]


@lru_cache(maxsize=8)
def _reverse_includes(parameters: ParameterSet) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in RESOURCE_TYPES}
    for source in RESOURCE_TYPES:
        if source in SERVER_WRITTEN:
            continue
        for code, parameter in parameters.of(source).items():
            if parameter.type == "reference":
                for target in parameter.targets or RESOURCE_TYPES:
                    found[target].append(f"{source}:{code}")
    return found


def _search_parameters(name: str, served: ServedParameters) -> Iterator[tuple[str, str, str]]:
    """(code, canonical, type) of everything that a search of the type may name."""
    for code, parameter in parameters_served(name, served).items():
        yield code, parameter.url, parameter.type
    for code, definition in special_parameters_served(name).items():
        yield code, definition.url, definition.type


def _operations(offered: Sequence[Operation[Context]]) -> dict[str, Any]:
    described = [{"name": operation.name, "definition": operation.url} for operation in offered]
    return {"operation": described} if described else {}


def _resource(
    name: str,
    operations: Operations[Context],
    profiles: Sequence[str],
    integrity: ReferentialIntegrity,
    served: ServedParameters,
) -> dict[str, Any]:
    interactions = ("read", "search-type") if name in SERVER_WRITTEN else (*_READING, *_WRITING)
    described: dict[str, Any] = {
        "type": name,
        **({"supportedProfile": list(profiles)} if profiles else {}),
        "interaction": [{"code": code} for code in interactions],
        "searchParam": [
            {"name": code, "definition": url, "type": type} for code, url, type in _search_parameters(name, served)
        ],
    }
    if name not in SERVER_WRITTEN:
        described |= {
            "versioning": "versioned-update",
            "readHistory": True,
            "updateCreate": True,
            "conditionalCreate": True,
            "conditionalRead": "full-support",
            "conditionalUpdate": True,
            "conditionalDelete": "single",
            # `enforced`: "ensures that references can always be resolved". `local` would refuse those to other servers.
            "referencePolicy": ["literal", "logical", *(["enforced"] if integrity == "strict" else [])],
        }
    includes = {"searchInclude": includes_of(name, served), "searchRevInclude": reverse_includes_of(name, served)}
    own = _operations([operation for operation in operations.all if operation.is_of(name)])
    return described | {member: values for member, values in includes.items() if values} | own
