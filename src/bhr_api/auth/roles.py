"""Roles: what each kind of person may do, as data (DESIGN 5; SECURITY 1.5, least privilege).

These are there without being set up. A row of `role` takes the place of the one of its name, or adds one (`bhr-api roles`);
a change holds from the next look at a token on, within two seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast, get_args

from bhr_api.access import RelationKind, Role, parse_scopes

RELATIONS: Sequence[str] = get_args(RelationKind)

# What is written about clients day by day.
_NOTES = (
    "AdverseEvent Appointment Binary CarePlan ClinicalImpression Communication CommunicationRequest Composition Condition"
    " DetectedIssue DiagnosticReport DocumentReference Encounter Flag Goal List Media MedicationAdministration"
    " MedicationStatement Observation Procedure Provenance QuestionnaireResponse RiskAssessment ServiceRequest Task"
).split()
# What a worker needs to know, and others decide: who is in the team gives access, and a consent takes it away.
_GIVEN = (
    "AllergyIntolerance CareTeam Consent Coverage EpisodeOfCare FamilyMemberHistory Immunization MedicationDispense"
    " MedicationRequest Patient RelatedPerson Specimen"
).split()
# About nobody in particular.
_DIRECTORY = (
    "ActivityDefinition CodeSystem Endpoint HealthcareService Location Medication Organization PlanDefinition Practitioner"
    " PractitionerRole Questionnaire SearchParameter StructureDefinition ValueSet"
).split()
# What clients and their families write themselves (DOMAIN c.12).
_OWN_WORDS = ("Communication", "Observation", "QuestionnaireResponse")


def _scope(letters: str, types: Iterable[str]) -> str:
    return " ".join(f"user/{name}.{letters}" for name in types)


_WORKER = " ".join((_scope("crus", _NOTES), _scope("rs", _GIVEN), _scope("rs", _DIRECTORY)))
_CLINICIAN = " ".join((_scope("crus", _NOTES), _scope("crus", _GIVEN), _scope("rs", _DIRECTORY)))
_OWN_RECORD = f"user/*.rs {_scope('c', _OWN_WORDS)}"

BUILT_IN_ROLES: Mapping[str, tuple[str, RelationKind]] = {
    "worker": (_WORKER, "caseload"),
    "supervisor": (_CLINICIAN, "team"),
    "clinician": (_CLINICIAN, "tenant"),
    "privacy-officer": (_scope("rs", ["AuditEvent", "Consent", "Provenance"]), "tenant"),
    "administrator": (_scope("cruds", _DIRECTORY), "tenant"),
    "client": (_OWN_RECORD, "self"),
    "guardian": (_OWN_RECORD, "caseload"),
}
"""Name -> (scope, relation)."""


def role(name: str, scope: str, relation: str) -> Role:
    """A role as it is kept. What cannot be enforced in its scope allows nothing."""
    return Role(name, parse_scopes(scope), cast(RelationKind, relation))


def effective_roles(names: Iterable[str], changed: Iterable[tuple[str, str, str]]) -> tuple[Role, ...]:
    """The roles of these names: as `changed` (name, scope, relation) says, else the built-in ones; unknown names are none."""
    own = {name: (scope, relation) for name, scope, relation in changed}
    kept = ((name, own.get(name) or BUILT_IN_ROLES.get(name)) for name in names)
    return tuple(role(name, *found) for name, found in kept if found is not None)
