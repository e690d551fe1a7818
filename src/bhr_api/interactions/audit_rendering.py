"""An audit row as an AuditEvent, rendered when it is read (FHIR R4, auditevent.html; DICOM PS3.15 A.5).

The examples of R4 decide the codes: a search is action E with its query as an entity of role 24.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from bhr_api.fhir.canonical import code_system, identifier_system
from bhr_api.fhir.dates import instant_text
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.references import parse_local
from bhr_api.store.audit import AuditEvent
from bhr_api.store.audit_reading import id_of

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
EVENT_TYPE = f"{_TERMINOLOGY}/audit-event-type"
RESOURCE_TYPE = "http://hl7.org/fhir/resource-types"
RESTFUL_INTERACTION = "http://hl7.org/fhir/restful-interaction"
# The server's own names: what OAuth did, and interactions that R4 has no code for.
INTERACTION = code_system("audit-interaction")
CLIENT_ID = identifier_system("oauth-client")
ACTION = "http://hl7.org/fhir/audit-event-action"
OUTCOME = "http://hl7.org/fhir/audit-event-outcome"


class Coded(NamedTuple):
    """A Coding."""

    system: str
    code: str
    display: str

    def json(self) -> dict[str, str]:
        """As FHIR writes it."""
        return self._asdict()


class Meaning(NamedTuple):
    """What an interaction is in the terms of AuditEvent; `subtype` is a restful-interaction code."""

    type: Coded
    subtype: str | None
    action: str


REST = Coded(EVENT_TYPE, "rest", "RESTful Operation")
AUTHENTICATION = Coded(DICOM, "110114", "User Authentication")

_RESTFUL = {
    "create": "C",
    "read": "R",
    "vread": "R",
    "history-instance": "R",
    "history-type": "R",
    "history-system": "R",
    "capabilities": "R",
    "update": "U",
    "patch": "U",
    "delete": "D",
    "search-type": "E",
    "search-system": "E",
    "transaction": "E",
    "batch": "E",
    "operation": "E",
}
MEANINGS: Mapping[str, Meaning] = {
    **{name: Meaning(REST, name, action) for name, action in _RESTFUL.items()},
    "search-compartment": Meaning(REST, "search-type", "E"),
    "conditional-update": Meaning(REST, "update", "U"),
    "conditional-patch": Meaning(REST, "patch", "U"),
    "conditional-delete": Meaning(REST, "delete", "D"),
    "async-status": Meaning(REST, None, "R"),
    "async-cancel": Meaning(REST, None, "D"),
    "unknown": Meaning(REST, None, "E"),
    "authenticate": Meaning(AUTHENTICATION, None, "E"),
    "oauth-grant": Meaning(AUTHENTICATION, None, "E"),
    "oauth-refuse": Meaning(AUTHENTICATION, None, "E"),
    "oauth-revoke": Meaning(AUTHENTICATION, None, "E"),
    "oauth-introspect": Meaning(AUTHENTICATION, None, "E"),
    "oauth-authorize": Meaning(AUTHENTICATION, None, "E"),
    "oauth-launch": Meaning(AUTHENTICATION, None, "E"),
    "oauth-userinfo": Meaning(AUTHENTICATION, None, "E"),
    "oauth-register": Meaning(AUTHENTICATION, None, "E"),
    "oauth-login": Meaning(AUTHENTICATION, None, "E"),
    "oauth-logout": Meaning(AUTHENTICATION, None, "E"),
    "oauth-account": Meaning(AUTHENTICATION, None, "E"),
}
# Any name that is not above is that of an operation.
OPERATION = Meaning(REST, "operation", "E")

# HTTP statuses [low, high) by outcome. 503 tells that the server is not there for use: a major failure.
OUTCOMES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "0": ((0, 400),),
    "4": ((400, 500),),
    "8": ((500, 503), (504, 1000)),
    "12": ((503, 504),),
}

_PERSON = Coded(f"{_TERMINOLOGY}/audit-entity-type", "1", "Person")
_SYSTEM_OBJECT = Coded(f"{_TERMINOLOGY}/audit-entity-type", "2", "System Object")
_OTHER = Coded(f"{_TERMINOLOGY}/audit-entity-type", "4", "Other")
_PATIENT = Coded(f"{_TERMINOLOGY}/object-role", "1", "Patient")
_DOMAIN_RESOURCE = Coded(f"{_TERMINOLOGY}/object-role", "4", "Domain Resource")
_QUERY = Coded(f"{_TERMINOLOGY}/object-role", "24", "Query")
_APPLICATION = Coded(DICOM, "110150", "Application")
_HUMAN = Coded(f"{_TERMINOLOGY}/extra-security-role-type", "humanuser", "human user")
_APPLICATION_SERVER = Coded(f"{_TERMINOLOGY}/security-source-type", "4", "Application Server")
_IP_ADDRESS = "2"

# The types that AuditEvent.agent.who may refer to (R4 auditevent.html).
AGENT_TYPES = ("Practitioner", "Organization", "Device", "Patient", "PractitionerRole", "RelatedPerson")


def meaning_of(interaction: str) -> Meaning:
    """What the interaction of that name is as an AuditEvent."""
    return MEANINGS.get(interaction, OPERATION)


def subtypes_of(interaction: str) -> list[tuple[str, str]]:
    """(system, code) of each subtype: R4's code where there is one, and the server's own name where that differs."""
    code = meaning_of(interaction).subtype
    found = [] if code is None else [(RESTFUL_INTERACTION, code)]
    return found if code == interaction else [*found, (INTERACTION, interaction)]


def outcome_of(status: int) -> str:
    """AuditEvent.outcome of an HTTP status."""
    return next(outcome for outcome, ranges in OUTCOMES.items() if any(low <= status < high for low, high in ranges))


def audit_event(event: AuditEvent, patient_ids: Mapping[int, str], base_url: str) -> Resource:
    """The AuditEvent of a row; `patient_ids` are the ids of its patients by self_token, as far as they are known."""
    meaning = meaning_of(event.interaction)
    recorded = instant_text(event.recorded)
    entities = _entities(event, patient_ids)
    return {
        "resourceType": "AuditEvent",
        "id": id_of(event.event_id),
        "meta": {"versionId": "1", "lastUpdated": recorded},
        "type": meaning.type.json(),
        "subtype": [{"system": system, "code": code} for system, code in subtypes_of(event.interaction)],
        "action": meaning.action,
        "recorded": recorded,
        "outcome": outcome_of(event.status),
        "outcomeDesc": _outcome_description(event),
        "agent": _agents(event, base_url),
        "source": {
            "observer": {"identifier": {"system": "urn:ietf:rfc:3986", "value": base_url}, "display": "bhr-api"},
            "type": [_APPLICATION_SERVER.json()],
        },
        # FHIR's JSON has no empty arrays.
        **({"entity": entities} if entities else {}),
    }


def _is_authorization(event: AuditEvent) -> bool:
    return event.interaction.startswith("oauth-")


def _outcome_description(event: AuditEvent) -> str:
    # The authorization server keeps its outcome and the reason where others keep their query.
    status = f"HTTP status {event.status}"
    if not (_is_authorization(event) and event.query):
        return status
    # It may quote what a client sent; datatypes.html#string has no control characters.
    return f"{status}: " + "".join(character if character >= " " else " " for character in event.query).rstrip()


def _agents(event: AuditEvent, base_url: str) -> list[dict[str, Any]]:
    client: dict[str, Any] = {"type": {"coding": [_APPLICATION.json()]}}
    if event.client_id:
        client["who"] = {"identifier": {"system": CLIENT_ID, "value": event.client_id}}
        client["altId"] = event.client_id
    client["requestor"] = event.fhir_user is None
    if event.source:
        client["network"] = {"address": event.source, "type": _IP_ADDRESS}
    if event.fhir_user is None:
        return [client]
    user = {"type": {"coding": [_HUMAN.json()]}, "who": _who(event.fhir_user, base_url), "requestor": True}
    return [user, client]


def _who(fhir_user: str, base_url: str) -> dict[str, Any]:
    local = parse_local(fhir_user, base_url)
    if local is not None and local.resource_type in AGENT_TYPES:
        return {"reference": str(local)}
    return {"identifier": {"system": "urn:ietf:rfc:3986", "value": fhir_user}}


def _entities(event: AuditEvent, patient_ids: Mapping[int, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if event.resource_type and event.resource_id:
        found.append(_resource_entity(event))
    found += [
        _patient_entity(patient_ids.get(token))
        for token in event.patients
        if event.resource_type != "Patient" or patient_ids.get(token) != event.resource_id
    ]
    # A search of the whole server without parameters leaves nothing to write down.
    if event.query is not None and (event.query or event.resource_type) and not _is_authorization(event):
        found.append(_query_entity(event))
    elif event.resource_type and not event.resource_id:
        found.append({"type": Coded(RESOURCE_TYPE, event.resource_type, event.resource_type).json()})
    if event.request_id:
        found.append({"type": _OTHER.json(), "detail": [{"type": "X-Request-Id", "valueString": event.request_id}]})
    return found


def _resource_entity(event: AuditEvent) -> dict[str, Any]:
    version = "" if event.version is None else f"/_history/{event.version}"
    is_patient = event.resource_type == "Patient"
    return {
        "what": {"reference": f"{event.resource_type}/{event.resource_id}{version}"},
        "type": (_PERSON if is_patient else _SYSTEM_OBJECT).json(),
        "role": (_PATIENT if is_patient else _DOMAIN_RESOURCE).json(),
    }


def _patient_entity(id: str | None) -> dict[str, Any]:
    who: dict[str, Any] = {"type": _PERSON.json(), "role": _PATIENT.json()}
    if id is None:
        return {**who, "description": "A patient whose record is no longer stored here."}
    return {"what": {"reference": f"Patient/{id}"}, **who}


def _query_entity(event: AuditEvent) -> dict[str, Any]:
    address = event.resource_type or ""
    if event.resource_id:
        address += f"/{event.resource_id}"
    text = f"{address}?{event.query}" if event.query else address
    return {"type": _SYSTEM_OBJECT.json(), "role": _QUERY.json(), "query": b64encode(text.encode()).decode()}
