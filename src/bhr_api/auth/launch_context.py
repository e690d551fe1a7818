"""The launch context: what an app is told of where it starts (SMART App Launch 2.2, scopes-and-launch-context.html).

Sections "Launch context arrives with your access_token" and "fhirContext".
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bhr_api.fhir.references import ID

_REFERENCE = re.compile(r"[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64}")
_MOST_TEXT = 2000
_MOST_ITEMS = 50
_IDENTIFYING = ("reference", "canonical", "identifier")
_MEMBERS = frozenset({"patient", "encounter", "fhirContext", "need_patient_banner", "intent", "tenant"})


class InvalidLaunchContextError(ValueError):
    """A launch context that no app could be given; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class LaunchContext:
    """`patient` and `encounter` are ids, `fhir_context` the items of `fhirContext` as they are given to the app."""

    patient: str | None = None
    encounter: str | None = None
    fhir_context: tuple[Mapping[str, Any], ...] = ()
    need_patient_banner: bool | None = None
    intent: str | None = None
    tenant: str | None = None

    def members(self) -> dict[str, Any]:
        """The context as members of a token response; what there is none of is left out."""
        members = {
            "patient": self.patient,
            "encounter": self.encounter,
            "fhirContext": list(self.fhir_context) or None,
            "need_patient_banner": self.need_patient_banner,
            "intent": self.intent,
            "tenant": self.tenant,
        }
        return {name: value for name, value in members.items() if value is not None}

    def to_json(self) -> str:
        """The members as JSON text, as they are stored."""
        return json.dumps(self.members(), ensure_ascii=False)


def stored_context(text: str) -> LaunchContext:
    """The context that `to_json` wrote."""
    return launch_context(json.loads(text))


def launch_context(members: Mapping[str, Any]) -> LaunchContext:
    """The context that `members` spell, each of them of its form. Raises `InvalidLaunchContextError`."""
    if unknown := members.keys() - _MEMBERS:
        raise InvalidLaunchContextError(f"{min(unknown)!r} is no part of a launch context.")
    banner = members.get("need_patient_banner")
    if banner is not None and not isinstance(banner, bool):
        raise InvalidLaunchContextError("need_patient_banner is true or false.")
    context = LaunchContext(
        patient=_id(members, "patient"),
        encounter=_id(members, "encounter"),
        fhir_context=_items(members.get("fhirContext", [])),
        need_patient_banner=banner,
        intent=_text(members, "intent"),
        tenant=_text(members, "tenant"),
    )
    if context.encounter is not None and context.patient is None:
        raise InvalidLaunchContextError("An encounter is one of a patient: name the patient too.")
    return context


def _id(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    if value is not None and not (isinstance(value, str) and ID.fullmatch(value)):
        raise InvalidLaunchContextError(f"{name} is the id of a resource, without its type.")
    return value


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    if value is not None and not (isinstance(value, str) and 0 < len(value) <= _MOST_TEXT and value.isprintable()):
        raise InvalidLaunchContextError(f"{name} is a text of printable characters.")
    return value


def _items(value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or len(value) > _MOST_ITEMS:
        raise InvalidLaunchContextError(f"fhirContext is a list of at most {_MOST_ITEMS} objects.")
    return tuple(_item(item) for item in value)


def _item(item: Any) -> Mapping[str, Any]:
    if not isinstance(item, dict) or not any(name in item for name in _IDENTIFYING):
        raise InvalidLaunchContextError(f"Each item of fhirContext is an object with one of {', '.join(_IDENTIFYING)}.")
    reference = item.get("reference")
    if reference is not None and not (isinstance(reference, str) and _REFERENCE.fullmatch(reference)):
        raise InvalidLaunchContextError("A reference in fhirContext is relative, such as ImagingStudy/123.")
    # SMART: patient and encounter have members of their own; in fhirContext they need a role that says what else they are.
    if str(reference).startswith(("Patient/", "Encounter/")) and item.get("role", "launch") == "launch":
        raise InvalidLaunchContextError(
            "A Patient or Encounter stands in fhirContext with another role than launch only."
        )
    if not _is_interoperable(item):
        raise InvalidLaunchContextError("An item of fhirContext holds Infinity, NaN or half a character.")
    text = json.dumps(item)
    if "\\u0000" in text or len(text) > _MOST_TEXT:
        raise InvalidLaunchContextError(f"An item of fhirContext has at most {_MOST_TEXT} characters, and none is NUL.")
    return item


def _is_interoperable(item: Mapping[str, Any]) -> bool:
    """Whether it can be stored and sent: Python reads numbers that JSON has not, and halves of surrogate pairs."""
    try:
        json.dumps(item, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return True
