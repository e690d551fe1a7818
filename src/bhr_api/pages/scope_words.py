"""Scopes in plain words: what an app would see and do, and what it would not (SMART App Launch 2.2, scopes).

scopes-and-launch-context.html. A person who decides should not have to know what a scope is.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bhr_api.access import ResourceScope, parse_resource_scope, parse_scopes

_WORDS: Mapping[str, str] = {
    "*": "everything that is open to you",
    "AllergyIntolerance": "allergies",
    "Appointment": "appointments",
    "AuditEvent": "who looked at what",
    "CarePlan": "care plans",
    "CareTeam": "care teams",
    "ClinicalImpression": "clinical impressions",
    "Communication": "messages",
    "Condition": "diagnoses and problems",
    "Consent": "consents",
    "Coverage": "insurance",
    "DiagnosticReport": "reports of tests",
    "DocumentReference": "notes and documents",
    "Encounter": "visits",
    "EpisodeOfCare": "episodes of care",
    "FamilyMemberHistory": "family history",
    "Flag": "alerts",
    "Goal": "goals",
    "Group": "groups",
    "Immunization": "vaccinations",
    "Location": "places",
    "MedicationAdministration": "medication that was given",
    "MedicationDispense": "medication that was handed out",
    "MedicationRequest": "prescriptions",
    "MedicationStatement": "medication that is taken",
    "Observation": "measurements, test results and screening scores",
    "Organization": "organizations",
    "Patient": "name, birth date, address and contacts",
    "Practitioner": "care professionals",
    "PractitionerRole": "what care professionals do where",
    "Procedure": "procedures",
    "Provenance": "who wrote what",
    "Questionnaire": "questionnaires",
    "QuestionnaireResponse": "answers to questionnaires",
    "RelatedPerson": "relatives and guardians",
    "RiskAssessment": "risk assessments",
    "ServiceRequest": "referrals and orders",
    "Specimen": "specimens",
    "Task": "tasks",
}
# What people ask about first; what is missing from the scopes is told of these.
_TELLING = (
    "CarePlan",
    "Goal",
    "Condition",
    "DocumentReference",
    "MedicationRequest",
    "Observation",
    "QuestionnaireResponse",
    "Encounter",
    "Consent",
)
_PERSONAL: Mapping[str, str] = {
    "openid": "Know that it is you, each time you use it",
    "fhirUser": "Know who you are in the record",
    "profile": "Know your name",
    "offline_access": "Keep this access when you are not here, until you take it back",
    "online_access": "Keep this access while you are signed in here",
    "launch": "Know which record was open when you started it",
    "launch/patient": "Know which client you chose",
    "launch/encounter": "Know which visit was open when you started it",
}
_PLACES: Mapping[str, str] = {
    "patient": "In this record:",
    "user": "In every record that is open to you:",
    "system": "In all records:",
}
_SHOWN = 6
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class AskedFor:
    """One thing that an app asks for: the scope and what it means."""

    scope: str
    words: str


@dataclass(frozen=True, slots=True)
class ScopeWords:
    """What an app asks for in the chosen client's record, in others', and about the user; and what it does not get."""

    of_client: Sequence[AskedFor]
    of_others: Sequence[AskedFor]
    of_user: Sequence[AskedFor]
    not_seen: Sequence[str]
    only_reads: bool


def in_words(scope: str, narrow: Callable[[str], str] = str) -> ScopeWords:
    """The words for a `scope` value.

    `narrow` gives what of a part its user may grant. What it leaves nothing of, or is not understood, is left out; of a part
    for every type (`patient/*.rs`) the words stay short, whatever types it comes to.
    """
    parts = list(dict.fromkeys(scope.split()))
    granted = {part: parse_scopes(narrow(part)) for part in parts if part not in _PERSONAL}
    resources = [one for scopes in granted.values() for one in scopes]
    return ScopeWords(
        of_client=_asked(granted, "patient"),
        of_others=_asked(granted, "user"),
        of_user=[AskedFor(part, _PERSONAL[part]) for part in parts if part in _PERSONAL],
        not_seen=_not_seen(resources),
        only_reads=not any(one.letters & set("cud") for one in resources),
    )


def _asked(granted: Mapping[str, Sequence[ResourceScope]], context: str) -> list[AskedFor]:
    return [
        AskedFor(part, "; ".join(dict.fromkeys(_sentences(part, scopes))))
        for part, scopes in granted.items()
        if scopes and scopes[0].context == context
    ]


def _sentences(part: str, scopes: Sequence[ResourceScope]) -> list[str]:
    asked = parse_resource_scope(part)
    if asked is None or asked.resource_type != "*":
        return [_sentence(one) for one in scopes]
    letters = frozenset[str]().union(*(one.letters for one in scopes))
    return [_sentence(replace(asked, letters=letters))]


def in_short(scope: str) -> Sequence[str]:
    """The words for what was granted, which may be of many types: a sentence for each way in which records may be used."""
    granted = [parsed for part in scope.split() if (parsed := parse_resource_scope(part)) is not None]
    types: dict[tuple[str, str], list[str]] = {}
    for one in granted:
        if one.restriction:
            types[_PLACES[one.context], _sentence(one)] = []
        else:
            types.setdefault((_PLACES[one.context], _list(_verbs(one.letters))), []).append(one.resource_type)
    told = [f"{place} {done}{_few(names)}" for (place, done), names in types.items()]
    return [*told, *(_PERSONAL[part] for part in scope.split() if part in _PERSONAL)]


def _few(names: Sequence[str]) -> str:
    """The types that tell most, and how many others there are."""
    ranked = sorted(names, key=lambda name: (name not in _TELLING, name not in _WORDS))
    shown, others = [what(name) for name in ranked[:_SHOWN]], len(names) - _SHOWN
    if others > 0:
        shown.append(f"{others} other kinds of entries" if others > 1 else "another kind of entries")
    return f" {_list(shown)}" if shown else ""


def what(resource_type: str) -> str:
    """What resources of a type are to people: `care plans`."""
    return _WORDS.get(resource_type) or f"{_CAPITAL.sub(' ', resource_type).lower()} records"


def _sentence(scope: ResourceScope) -> str:
    verbs = _verbs(scope.letters)
    told = f"{_list(verbs)} {what(scope.resource_type)}"
    if scope.restriction:
        told += ", only where " + _list([f"{name} is {_alternatives(value)}" for name, value in scope.restriction])
    return told[0].upper() + told[1:]


def _verbs(letters: frozenset[str]) -> list[str]:
    seeing = "see" if "r" in letters else "find" if "s" in letters else None
    doing = [verb for letter, verb in (("c", "add"), ("u", "change"), ("d", "delete")) if letter in letters]
    return [*([seeing] if seeing else []), *doing]


def _alternatives(value: str) -> str:
    """Codes without their systems, which are addresses."""
    return " or ".join(part.rpartition("|")[2] or "any of its system" for part in value.split(","))


def _not_seen(resources: Iterable[ResourceScope]) -> list[str]:
    seen = {one.resource_type for one in resources if one.letters & set("rs")}
    return [] if "*" in seen else [what(name) for name in _TELLING if name not in seen]


def _list(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
