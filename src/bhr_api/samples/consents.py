"""Consents to use and disclose: general, family, and for a programme under 42 CFR part 2.

FHIR R4 consent.html in the shape of IHE PCF (ITI volume 3): a base provision and one level of exceptions. The part 2
consent holds the elements of 42 CFR 2.31(a).
"""

from datetime import timedelta

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples import staff
from bhr_api.samples.chart import Chart
from bhr_api.samples.datatypes import EXAMPLE, HL7, code_only, coded, coding, moment, period, plain_text


def add_consents(chart: Chart) -> None:
    """Adds the consents that the client, or the guardian of a minor, has given."""
    chart.add("Consent", "consent-treatment", _treatment(chart))
    chart.add("Consent", "consent-family", _family(chart))
    if chart.story.presentation.part_2:
        chart.add("Consent", "consent-part-2", _part_2(chart))


def _consent(chart: Chart, words: str, category: Resource, provision: Resource) -> Resource:
    signer = chart.relative if chart.story.presentation.youth else chart.patient
    title = f"Signed form, {chart.story.start.isoformat()}"
    return {
        "status": "active",
        "scope": code_only(f"{HL7}/consentscope", "patient-privacy"),
        "category": [category],
        "patient": chart.patient,
        "dateTime": moment(chart.story.start, 11),
        "performer": [signer],
        "organization": [chart.organization],
        "sourceAttachment": plain_text(words, title),
        "policy": [{"authority": EXAMPLE, "uri": f"{EXAMPLE}/policy/privacy"}],
        "provision": {"type": "permit"} | provision,
    }


def _actor(role: str, who: Resource) -> Resource:
    return {"role": code_only(f"{HL7}/v3-ParticipationType", role), "reference": who}


def _purposes(*codes: str) -> list[Resource]:
    return [coding(canonical.ACT_REASON, code) for code in codes]


def _treatment(chart: Chart) -> Resource:
    return _consent(
        chart,
        "I agree that my care team and the agency use my record to treat me, to be paid and to run the service. "
        "I may take this back in writing at any time.",
        coded(canonical.LOINC, "59284-0", "Patient Consent"),
        {
            "period": period(chart.story.start, chart.story.today + timedelta(days=365)),
            "actor": [_actor("IRCP", chart.organization), _actor("IRCP", chart.refer("CareTeam", "team"))],
            "purpose": _purposes("TREAT", "HPAYMT", "HOPERAT"),
            "securityLabel": [coding(canonical.CONFIDENTIALITY, "N"), coding(canonical.CONFIDENTIALITY, "R")],
        },
    )


def _family(chart: Chart) -> Resource:
    consent = _consent(
        chart,
        "I agree that the team talks with the family member named here about my progress and my appointments, "
        "but not about what is marked as restricted.",
        coded(canonical.LOINC, "64292-6", "Release of information consent"),
        {
            "period": period(chart.story.start, chart.story.today + timedelta(days=365)),
            "actor": [_actor("IRCP", chart.relative)],
            "purpose": _purposes("FAMRQT", "SUPNWK"),
            "provision": [{"type": "deny", "securityLabel": [coding(canonical.CONFIDENTIALITY, "R")]}],
        },
    )
    if chart.story.number % 7 == 0:
        # A revoked consent stays in the record, inactive, with the day on which it ended.
        consent["status"] = "inactive"
        consent["provision"]["period"]["end"] = (chart.story.today - timedelta(days=30)).isoformat()
    return consent


def _part_2(chart: Chart) -> Resource:
    return _consent(
        chart,
        "I agree that the recovery program tells my community support team that I am in treatment for alcohol use, how "
        "I attend, and what my treatment plan is, so that they can coordinate my care. I may revoke this in writing, "
        "except where somebody has already acted on it. It ends on the date given here.",
        coded(canonical.ACT_CODE, "42CFRPart2CD", "42 CFR Part 2 consent directive"),
        {
            "period": period(chart.story.start, chart.story.today + timedelta(days=180)),
            "actor": [
                _actor("CST", staff.organization(staff.RECOVERY_PROGRAM)),
                _actor("IRCP", staff.organization(staff.AGENCY)),
            ],
            "purpose": _purposes("TREAT", "CAREMGT"),
            "securityLabel": [coding(canonical.ACT_CODE, "SUD"), coding(canonical.ACT_CODE, "ETHUD")],
        },
    )
