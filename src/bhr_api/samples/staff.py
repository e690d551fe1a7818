"""The organisation that the sample clients share: its parts, places, teams and service.

FHIR R4: organization.html, location.html, practitioner.html, practitionerrole.html, healthcareservice.html.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples import people
from bhr_api.samples.datatypes import HL7, code_only, coded, concept, identifier, reference

NUCC: Final = "http://nucc.org/provider-taxonomy"
CLIENTS_PER_TEAM: Final = 25

AGENCY: Final = "sample-agency"
RECOVERY_PROGRAM: Final = "sample-recovery-program"
COMMUNITY_PARTNER: Final = "sample-community-partner"
ORGANIZATION_NAMES: Final = {
    AGENCY: "Lantern Hollow Behavioral Health",
    RECOVERY_PROGRAM: "Lantern Hollow Recovery Program",
    COMMUNITY_PARTNER: "Copper Lantern Community Works",
}
LOCATION_NAMES: Final = {
    "sample-clinic": "Lantern Hollow outpatient clinic",
    "sample-residence": "Quail Feather supported residence",
    "sample-day-centre": "Ocotillo day centre",
    "sample-crisis-room": "Lantern Hollow crisis walk-in",
}


@dataclass(frozen=True, slots=True)
class Role:
    """A place in every team, with its code of the NUCC provider taxonomy."""

    key: str
    title: str
    taxonomy_code: str
    taxonomy_display: str

    @property
    def concept(self) -> Resource:
        """The role as a CodeableConcept, in the words of the team."""
        return concept(self.title, {"system": NUCC, "code": self.taxonomy_code, "display": self.taxonomy_display})


ROLES: Final = {
    role.key: role
    for role in (
        Role("supervisor", "Clinical supervisor", "103TC0700X", "Clinical Psychologist"),
        Role("clinician", "Therapist", "1041C0700X", "Clinical Social Worker"),
        Role("prescriber", "Psychiatric nurse practitioner", "363LP0808X", "Psychiatric/Mental Health"),
        Role("case-manager", "Case manager", "171M00000X", "Case Manager/Care Coordinator"),
        Role("support-worker-1", "Therapeutic support worker", "106S00000X", "Behavior Technician"),
        Role("support-worker-2", "Therapeutic support worker", "106S00000X", "Behavior Technician"),
        Role("peer-specialist", "Peer support specialist", "175T00000X", "Peer Specialist"),
    )
}


def team_of(client_number: int) -> int:
    """The number of the team, from 1, that looks after this client."""
    return (client_number - 1) // CLIENTS_PER_TEAM + 1


def practitioner(team: int, role: str) -> Resource:
    """A Reference to the member of `team` in `role`."""
    return reference("Practitioner", _practitioner_id(team, role), _person(team, role).full_name)


def organization(organization_id: str) -> Resource:
    """A Reference to one of the organisations."""
    return reference("Organization", organization_id, ORGANIZATION_NAMES[organization_id])


def location(location_id: str) -> Resource:
    """A Reference to one of the places."""
    return reference("Location", location_id, LOCATION_NAMES[location_id])


def shared_resources(teams: int) -> Iterator[Resource]:
    """Organizations, Locations, the HealthcareService, and the people and roles of `teams` teams."""
    yield from _organizations()
    yield from map(_location, LOCATION_NAMES)
    yield _healthcare_service()
    for team in range(1, teams + 1):
        for role in ROLES.values():
            yield _practitioner(team, role)
            yield _practitioner_role(team, role)


def _practitioner_id(team: int, role: str) -> str:
    return f"sample-team-{team:02}-{role}"


def _person(team: int, role: str) -> people.Person:
    return people.person(Random(f"staff/{team}/{role}"))


def _organizations() -> Iterator[Resource]:
    for organization_id, name in ORGANIZATION_NAMES.items():
        random = Random(organization_id)
        resource: Resource = {
            "resourceType": "Organization",
            "id": organization_id,
            "identifier": [identifier("organization", organization_id)],
            "active": True,
            "type": [coded(f"{HL7}/organization-type", *_organization_type(organization_id))],
            "name": name,
            "telecom": [people.phone(random, "work"), people.email(organization_id)],
            "address": [people.address(random) | {"use": "work"}],
        }
        if organization_id == RECOVERY_PROGRAM:
            # 42 CFR part 2 binds the programme, not its parent: the origin label hangs on this extension.
            url = canonical.structure_definition("part2-program")
            resource |= {"extension": [{"url": url, "valueBoolean": True}], "partOf": organization(AGENCY)}
        yield resource


def _organization_type(organization_id: str) -> tuple[str, str]:
    if organization_id == RECOVERY_PROGRAM:
        return "dept", "Hospital Department"
    return ("cg", "Community Group") if organization_id == COMMUNITY_PARTNER else ("prov", "Healthcare Provider")


def _location(location_id: str) -> Resource:
    random = Random(location_id)
    return {
        "resourceType": "Location",
        "id": location_id,
        "identifier": [identifier("location", location_id)],
        "status": "active",
        "name": LOCATION_NAMES[location_id],
        "mode": "instance",
        "telecom": [people.phone(random, "work")],
        "address": people.address(random) | {"use": "work"},
        "managingOrganization": organization(AGENCY),
    }


def _healthcare_service() -> Resource:
    return {
        "resourceType": "HealthcareService",
        "id": "sample-community-support",
        "identifier": [identifier("service", "community-support")],
        "active": True,
        "providedBy": organization(AGENCY),
        "category": [concept("Community behavioral-health support")],
        "type": [concept("Therapeutic support in the home and the community")],
        "location": [location(name) for name in LOCATION_NAMES],
        "name": "Community support service",
        "comment": "Day, evening, weekend and overnight shifts.",
        "telecom": [people.phone(Random("community-support"), "work")],
        "appointmentRequired": True,
    }


def _practitioner(team: int, role: Role) -> Resource:
    practitioner_id = _practitioner_id(team, role.key)
    somebody = _person(team, role.key)
    return {
        "resourceType": "Practitioner",
        "id": practitioner_id,
        "identifier": [identifier("staff", practitioner_id)],
        "active": True,
        "name": [somebody.human_name],
        "telecom": [people.phone(Random(practitioner_id), "work"), people.email(practitioner_id)],
        "gender": somebody.gender,
        "qualification": [{"code": concept(role.title)}],
        "communication": [code_only("urn:ietf:bcp:47", "en")],
    }


def _practitioner_role(team: int, role: Role) -> Resource:
    return {
        "resourceType": "PractitionerRole",
        "id": f"{_practitioner_id(team, role.key)}-role",
        "identifier": [identifier("staff-role", f"team-{team:02}-{role.key}")],
        "active": True,
        "practitioner": practitioner(team, role.key),
        "organization": organization(AGENCY),
        "code": [role.concept],
        "specialty": [role.concept],
        "location": [location("sample-clinic")],
        "healthcareService": [reference("HealthcareService", "sample-community-support", "Community support service")],
        "telecom": [people.phone(Random(f"{team}/{role.key}/role"), "work")],
    }
