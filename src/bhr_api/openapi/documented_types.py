"""The resource types whose addresses are written out one by one, with what each is for in behavioral health.

All other R4 types are served alike and documented by the generic addresses (docs/openapi.md).
"""

from collections.abc import Mapping
from types import MappingProxyType

DOCUMENTED_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "Patient": "The client whose record it is.",
        "RelatedPerson": "A family member, guardian or other person in the client's life.",
        "Practitioner": "Who works with clients: clinician, therapeutic support worker, case manager, peer specialist.",
        "PractitionerRole": "What a practitioner does for which organization, and where.",
        "Organization": "An agency or program.",
        "Location": "Where services are given: a clinic, a residence, a home.",
        "EpisodeOfCare": "The time during which an organization has the client in its care.",
        "Encounter": "A visit, session, shift or call.",
        "Appointment": "A visit that is planned or was missed.",
        "Condition": "A diagnosis, need or concern.",
        "CarePlan": "What is planned for the client, with its activities and reviews.",
        "CareTeam": "Who looks after the client.",
        "Goal": "What the client wants to reach, with measurable targets.",
        "Observation": "A screening score, a daily-living rating, a behavior count or a sign.",
        "Questionnaire": "A screening instrument: its items and answers.",
        "QuestionnaireResponse": "The client's answers to a questionnaire.",
        "RiskAssessment": "How likely harm is judged to be, and why.",
        "Flag": "A warning that whoever opens the record must see, such as a risk of suicide.",
        "AdverseEvent": "An incident that did or could do harm.",
        "Procedure": "What was done: a coping-skill session, an intervention, counseling.",
        "ServiceRequest": "An order or referral.",
        "Task": "Something that somebody has to do, such as a follow-up after a positive risk item.",
        "MedicationRequest": "A prescription.",
        "MedicationAdministration": "A dose that was given, refused or missed.",
        "DocumentReference": "A note or document: a progress note, a safety plan.",
        "Communication": "What was told to whom, such as a talk with the family.",
        "Consent": "What the client permits or forbids.",
        "Provenance": "Who wrote, reviewed or signed which version.",
        "AuditEvent": "Who read or changed what. The server writes it; clients may read and search.",
    }
)
