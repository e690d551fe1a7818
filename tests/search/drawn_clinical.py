"""Small valid resources of care (FHIR R4, clinicalsummary-module.html)."""

from typing import Any

from hypothesis import strategies as st

from tests.search.drawn_values import (
    NUMBERS,
    STRINGS,
    URIS,
    Strategy,
    ages,
    choice,
    codings,
    concepts,
    dates,
    datetimes,
    durations,
    having,
    identifiers,
    merged,
    number_of,
    one,
    parents,
    periods,
    quantities,
    references,
    some,
    timings,
)
from tests.search.reference_paths import Resource

# Most of what is done is done for a patient.
_SUBJECTS = ("Patient", "Patient", "Patient", "Group")


def observations() -> Strategy[Resource]:
    component = merged(
        having({"code": concepts()}),
        choice({"valueQuantity": quantities(), "valueCodeableConcept": concepts(), "valueString": one(STRINGS)}),
    )
    value = {
        "valueQuantity": quantities(), "valueCodeableConcept": concepts(), "valueString": one(STRINGS),
        "valueDateTime": datetimes(), "valuePeriod": periods(), "dataAbsentReason": concepts(),
    }  # fmt: skip
    return merged(choice(value), choice(_times("effective")), having(
        {"code": concepts()}, category=some(concepts()), component=some(component),
        derivedFrom=some(references("Observation", "QuestionnaireResponse")), encounter=references("Encounter"),
        identifier=some(identifiers()), method=concepts(),
        performer=some(references("Practitioner", "Patient", "Organization")), subject=references(*_SUBJECTS),
    )).filter(_keeps_obs_7)  # fmt: skip


def _times(stem: str) -> dict[str, Strategy[Any]]:
    return {f"{stem}DateTime": datetimes(), f"{stem}Period": periods(), f"{stem}Timing": timings()}


def _keeps_obs_7(observation: Resource) -> bool:
    # obs-7: with a value of its own, no component may have the observation's code.
    own = observation["code"]["coding"]
    components = (coding for part in observation.get("component", []) for coding in part["code"]["coding"])
    return not any(name.startswith("value") for name in observation) or not any(code in own for code in components)


def conditions() -> Strategy[Resource]:
    status = st.just({"coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved"}
    ]})  # fmt: skip
    onset = {
        "onsetDateTime": datetimes(), "onsetPeriod": periods(), "onsetAge": ages(), "onsetString": one(STRINGS)
    }  # fmt: skip
    ended = merged(
        having({"clinicalStatus": status}),
        choice({"abatementDateTime": datetimes(), "abatementPeriod": periods()}),
    )  # con-4: what has ended is not active.
    return merged(choice(onset), st.one_of(having(), ended), having(
        {"subject": references(*_SUBJECTS)}, asserter=references("Practitioner", "Patient"), category=some(concepts()),
        code=concepts(), encounter=references("Encounter"), identifier=some(identifiers()), recordedDate=datetimes(),
        severity=concepts(),
    ))  # fmt: skip


def care_plans() -> Strategy[Resource]:
    detail = merged(
        having(
            {"status": st.just("scheduled")},
            code=concepts(),
            performer=some(references("Practitioner", "Organization", "PractitionerRole")),
        ),
        choice({"scheduledPeriod": periods(), "scheduledTiming": timings()}),
    )
    return having(
        {"intent": one(("plan", "proposal")), "subject": references(*_SUBJECTS)},
        activity=some(having({"detail": detail})), addresses=some(references("Condition")),
        category=some(concepts()), encounter=references("Encounter"), goal=some(references("Goal")),
        identifier=some(identifiers()), instantiatesUri=some(one(URIS)), partOf=some(references("CarePlan")),
        period=periods(),
    )  # fmt: skip


def goals() -> Strategy[Resource]:
    return having(
        {"description": concepts(), "subject": references(*_SUBJECTS, "Organization")},
        category=some(concepts()), identifier=some(identifiers()), startDate=dates(),
        target=some(having({"dueDate": dates()})),
    )  # fmt: skip


def encounters() -> Strategy[Resource]:
    place = having({"location": references("Location")}, period=periods())
    who = having({"individual": references("Practitioner", "RelatedPerson", "PractitionerRole")})
    return having(
        {"class": codings()}, identifier=some(identifiers()), length=durations(), location=some(place),
        partOf=parents("Encounter"), participant=some(who), period=periods(), reasonCode=some(concepts()),
        subject=references(*_SUBJECTS), type=some(concepts()),
    )  # fmt: skip


def responses() -> Strategy[Resource]:
    canonical = st.builds(str.__add__, one(URIS), one(("", "|1", "|2")))
    return having(
        author=references("Practitioner", "Patient", "Organization"), authored=datetimes(), encounter=references("Encounter"),
        identifier=identifiers(), questionnaire=canonical, subject=references(*_SUBJECTS),
    )  # fmt: skip


def questionnaires() -> Strategy[Resource]:
    return having(
        date=datetimes(), description=one(STRINGS), effectivePeriod=periods(), identifier=some(identifiers()),
        name=one(STRINGS), title=one(STRINGS), url=one(URIS), version=one(("1", "2", "1.0")),
    )  # fmt: skip


def risk_assessments() -> Strategy[Resource]:
    chance = one(("0", "0.05", "1", "1.5", "5", "50", "99.5", "100")).map(number_of)
    prediction = having(probabilityDecimal=chance, qualitativeRisk=concepts()).filter(bool)
    return having(
        {"subject": references(*_SUBJECTS)}, identifier=some(identifiers()), method=concepts(),
        encounter=references("Encounter"), condition=references("Condition"), performer=references("Practitioner"),
        occurrenceDateTime=datetimes(), prediction=some(prediction),
    )  # fmt: skip


def charge_items() -> Strategy[Resource]:
    money = having({"value": one(NUMBERS).map(number_of)}, currency=one(("USD", "EUR")))
    return merged(choice(_times("occurrence")), having(
        {"code": concepts(), "subject": references(*_SUBJECTS)}, enteredDate=datetimes(),
        factorOverride=one(NUMBERS).map(number_of), identifier=some(identifiers()), priceOverride=money,
        quantity=quantities(),
    ))  # fmt: skip
