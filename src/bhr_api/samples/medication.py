"""Medicines: the order, what the client says about taking them, and what staff gave or saw refused.

FHIR R4 medicationrequest.html, medicationstatement.html, medicationadministration.html. A refused dose is `not-done`
with the reason PATOBJ (v3-ActReason, patient objection).
"""

from datetime import date, timedelta
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples.chart import Chart
from bhr_api.samples.datatypes import HL7, coded, identifier, moment, period, quantity

DAYS_OF_ADMINISTRATIONS: Final = 28
REFUSED_SHARE: Final = {"improving": 0.05, "plateau": 0.12, "worsening": 0.3}


def add_medication(chart: Chart) -> None:
    """Adds the order and the statement, and in a residence the administrations of the last four weeks."""
    chart.add("MedicationRequest", "medication", _request(chart))
    chart.add("MedicationStatement", "medication", _statement(chart))
    if chart.story.lives_in_residence:
        for number in range(1, DAYS_OF_ADMINISTRATIONS + 1):
            day = chart.story.today - timedelta(days=DAYS_OF_ADMINISTRATIONS + 1 - number)
            chart.add("MedicationAdministration", f"dose-{number:02}", _administration(chart, day))


def _first_day(chart: Chart) -> date:
    return chart.story.start + timedelta(days=14)


def _dosage(chart: Chart) -> Resource:
    medicine = chart.story.presentation.medicine
    return {
        "text": f"{medicine.milligrams} mg by mouth once a day",
        "timing": {
            "repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "timeOfDay": [f"{medicine.hour:02}:00:00"]}
        },
        "route": coded(canonical.SNOMED_CT, "26643006", "Oral route"),
        "doseAndRate": [{"doseQuantity": quantity(medicine.milligrams, "mg")}],
    }


def _request(chart: Chart) -> Resource:
    return {
        "identifier": [identifier("prescription", f"{chart.story.patient_id}-1")],
        "status": "active",
        "intent": "order",
        "category": [coded(f"{HL7}/medicationrequest-category", "community", "Community")],
        "priority": "routine",
        "reportedBoolean": False,
        "medicationCodeableConcept": chart.story.presentation.medicine.concept,
        "subject": chart.patient,
        "authoredOn": moment(_first_day(chart), 9),
        "requester": chart.practitioner("prescriber"),
        "reasonReference": [chart.refer("Condition", "condition-1")],
        "dosageInstruction": [_dosage(chart)],
        "dispenseRequest": {
            "numberOfRepeatsAllowed": 5,
            "quantity": quantity(30, "tablets", "{tbl}"),
            "expectedSupplyDuration": quantity(30, "days", "d"),
        },
    }


def _statement(chart: Chart) -> Resource:
    is_doubtful = chart.story.trajectory == "worsening"
    words = "Forgets it on some days." if is_doubtful else "Takes it every day with breakfast or supper."
    return {
        "basedOn": [chart.refer("MedicationRequest", "medication")],
        "status": "active",
        "category": coded(f"{HL7}/medication-statement-category", "community", "Community"),
        "medicationCodeableConcept": chart.story.presentation.medicine.concept,
        "subject": chart.patient,
        "effectivePeriod": period(_first_day(chart)),
        "dateAsserted": chart.story.series["phq-9"][-1].day.isoformat(),
        "informationSource": chart.patient,
        "reasonReference": [chart.refer("Condition", "condition-1")],
        "note": [{"text": words}],
        "dosage": [_dosage(chart)],
    }


def _administration(chart: Chart, day: date) -> Resource:
    medicine = chart.story.presentation.medicine
    is_refused = chart.random.random() < REFUSED_SHARE[chart.story.trajectory]
    administration: Resource = {
        "status": "not-done" if is_refused else "completed",
        "medicationCodeableConcept": medicine.concept,
        "subject": chart.patient,
        "effectiveDateTime": moment(day, medicine.hour, chart.random.randrange(20)),
        "performer": [{"actor": chart.practitioner(chart.random.choice(("support-worker-1", "support-worker-2")))}],
        "request": chart.refer("MedicationRequest", "medication"),
    }
    if is_refused:
        administration["statusReason"] = [coded(canonical.ACT_REASON, "PATOBJ", "patient objection")]
        administration["note"] = [{"text": "Client said no twice, half an hour apart. Prescriber informed."}]
    else:
        administration["dosage"] = {
            "route": coded(canonical.SNOMED_CT, "26643006", "Oral route"),
            "dose": quantity(medicine.milligrams, "mg"),
        }
    return administration
