"""Entering care: the client, the family, the intake, the diagnoses, the care team and the episode.

FHIR R4: patient.html, relatedperson.html, encounter.html, condition.html, careteam.html, episodeofcare.html.
"""

from datetime import timedelta
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples import people, staff
from bhr_api.samples.chart import Chart
from bhr_api.samples.datatypes import HL7, code_only, coded, concept, identifier, moment, period

CAREGIVER: Final = coded(canonical.SNOMED_CT, "133932002", "Caregiver")
LEGAL_GUARDIAN: Final = coded(f"{HL7}/v3-RoleCode", "GUARD", "guardian")
TEAM_ROLES: Final = ("clinician", "case-manager", "support-worker-1", "support-worker-2", "prescriber")


def add_enrolment(chart: Chart) -> None:
    """Adds everything that exists from the first day on."""
    chart.add("Patient", "", _patient(chart))
    chart.add("RelatedPerson", "family", _related_person(chart))
    chart.add("EpisodeOfCare", "episode", _episode(chart))
    chart.add("Encounter", "intake", _intake(chart))
    for number in range(1, len(chart.story.presentation.diagnoses) + 1):
        chart.add("Condition", f"condition-{number}", _condition(chart, number))
    chart.add("CareTeam", "team", _care_team(chart))


def _patient(chart: Chart) -> Resource:
    story = chart.story
    return {
        "identifier": [
            {"use": "usual", "type": coded(f"{HL7}/v2-0203", "MR", "Medical record number")}
            | identifier("mrn", f"S{story.number:06}")
        ],
        "active": True,
        "name": [story.person.human_name],
        "telecom": [people.phone(chart.random), people.email(story.patient_id, "home")],
        "gender": story.person.gender,
        "birthDate": story.birth_date.isoformat(),
        "address": [people.address(chart.random)],
        "contact": [_emergency_contact(chart)],
        "communication": [
            {"language": coded("urn:ietf:bcp:47", "en-US", "English (United States)"), "preferred": True}
        ],
        "generalPractitioner": [chart.practitioner("clinician")],
        "managingOrganization": chart.organization,
    }


def _emergency_contact(chart: Chart) -> Resource:
    return {
        "relationship": [coded(f"{HL7}/v2-0131", "C", "Emergency Contact")],
        "name": chart.story.relative.human_name,
        "telecom": [people.phone(chart.random, "home")],
    }


def _related_person(chart: Chart) -> Resource:
    story = chart.story
    if story.presentation.youth:
        relationship = [coded(f"{HL7}/v3-RoleCode", "PRN", "parent"), LEGAL_GUARDIAN]
    else:
        relationship = [coded(f"{HL7}/v3-RoleCode", *chart.random.choice((("SIB", "sibling"), ("PRN", "parent"))))]
    return {
        "identifier": [identifier("related-person", f"{story.patient_id}-family")],
        "active": True,
        "patient": chart.patient,
        "relationship": relationship,
        "name": [story.relative.human_name],
        "telecom": [people.phone(chart.random, "home"), people.email(f"{story.patient_id}-family", "home")],
        "gender": story.relative.gender,
        "period": period(story.start),
    }


def _episode(chart: Chart) -> Resource:
    diagnoses = range(1, len(chart.story.presentation.diagnoses) + 1)
    return {
        "identifier": [identifier("episode", f"{chart.story.patient_id}-1")],
        "status": "active",
        "statusHistory": [
            {"status": "planned", "period": period(chart.story.start - timedelta(days=14), chart.story.start)},
            {"status": "active", "period": period(chart.story.start)},
        ],
        "type": [concept("Community behavioral-health support")],
        "diagnosis": [
            {
                "condition": chart.refer("Condition", f"condition-{rank}"),
                "role": code_only(f"{HL7}/diagnosis-role", "CC"),
                "rank": rank,
            }
            for rank in diagnoses
        ],
        "patient": chart.patient,
        "managingOrganization": chart.organization,
        "period": period(chart.story.start),
        "careManager": chart.practitioner("case-manager"),
        "team": [chart.refer("CareTeam", "team")],
    }


def _intake(chart: Chart) -> Resource:
    day = chart.story.start
    return {
        "identifier": [identifier("encounter", f"{chart.story.patient_id}-intake")],
        "status": "finished",
        "class": {"system": canonical.ACT_CODE, "code": "AMB", "display": "ambulatory"},
        "type": [concept("Intake assessment")],
        "subject": chart.patient,
        "episodeOfCare": [chart.refer("EpisodeOfCare", "episode")],
        "participant": [{"individual": chart.practitioner(role)} for role in ("clinician", "case-manager")],
        "period": {"start": moment(day, 10), "end": moment(day, 11, 30)},
        "reasonCode": [concept(diagnosis.icd_10_cm[1]) for diagnosis in chart.story.presentation.diagnoses],
        "location": [{"location": staff.location("sample-clinic")}],
        "serviceProvider": chart.organization,
    }


def _condition(chart: Chart, number: int) -> Resource:
    story = chart.story
    return {
        "clinicalStatus": code_only(f"{HL7}/condition-clinical", "active"),
        "verificationStatus": code_only(f"{HL7}/condition-ver-status", "confirmed"),
        "category": [coded(f"{HL7}/condition-category", "problem-list-item", "Problem List Item")],
        "code": story.presentation.diagnoses[number - 1].concept,
        "subject": chart.patient,
        "encounter": chart.refer("Encounter", "intake"),
        "onsetDateTime": (story.start - timedelta(days=chart.random.randrange(90, 1500))).isoformat()[:7],
        "recordedDate": story.start.isoformat(),
        "recorder": chart.practitioner("clinician"),
        "asserter": chart.practitioner("clinician"),
    }


def _care_team(chart: Chart) -> Resource:
    since = period(chart.story.start)
    # ctm-1: onBehalfOf is for practitioners alone.
    workers = [
        {"role": [staff.ROLES[role].concept], "member": chart.practitioner(role), "onBehalfOf": chart.organization}
        | {"period": since}
        for role in TEAM_ROLES
    ]
    return {
        "identifier": [identifier("care-team", chart.story.patient_id)],
        "status": "active",
        "category": [coded(canonical.LOINC, "LA28865-6", "Longitudinal care-coordination focused care team")],
        "name": f"Care team of {chart.story.person.full_name}",
        "subject": chart.patient,
        "period": since,
        "participant": [
            *workers,
            {"role": [CAREGIVER], "member": chart.relative, "period": since},
            {"role": [concept("Client")], "member": chart.patient, "period": since},
        ],
        "managingOrganization": [chart.organization],
    }
