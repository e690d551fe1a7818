"""Small valid resources of people, organizations and places (FHIR R4, administration-module.html)."""

from hypothesis import strategies as st

from tests.search.drawn_values import (
    CODES,
    PLACES,
    STRINGS,
    Strategy,
    concepts,
    dates,
    datetimes,
    having,
    identifiers,
    merged,
    names,
    one,
    parents,
    periods,
    references,
    some,
)
from tests.search.reference_paths import Resource


def points() -> Strategy[Resource]:
    return having({"system": one(("phone", "email")), "value": one(CODES)}, use=one(("home", "work")))


def addresses(*uses: str) -> Strategy[Resource]:
    uses = uses or ("home", "work")
    parts = having(city=one(STRINGS), line=some(one(STRINGS)), postalCode=one(CODES), use=one(uses))
    return parts.filter(bool)


def patients() -> Strategy[Resource]:
    # The value set of languages is closed (elementdefinition-maxValueSet), though its binding is only preferred.
    languages = having({"coding": some(having({"system": st.just("urn:ietf:bcp:47"), "code": one(("en", "es"))}))})
    deceased = st.one_of(
        having(), having({"deceasedBoolean": st.booleans()}), having({"deceasedDateTime": datetimes()})
    )
    links = having({"other": references("Patient"), "type": one(("replaces", "seealso"))})
    return merged(deceased, having(
        active=st.booleans(), address=some(addresses()), birthDate=dates(),
        communication=some(having({"language": languages})), gender=one(("male", "female", "other", "unknown")),
        link=some(links, 1),
        generalPractitioner=some(references("Practitioner", "Organization", "PractitionerRole")),
        identifier=some(identifiers()), managingOrganization=references("Organization"),
        name=some(names()), telecom=some(points()),
    ))  # fmt: skip


def practitioners() -> Strategy[Resource]:
    return having(
        active=st.booleans(), address=some(addresses()), gender=one(("male", "female")), identifier=some(identifiers()),
        name=some(names()), telecom=some(points()),
    )  # fmt: skip


def practitioner_roles() -> Strategy[Resource]:
    return having(
        active=st.booleans(), code=some(concepts()), identifier=some(identifiers()),
        location=some(references("Location")), organization=references("Organization"), period=periods(),
        practitioner=references("Practitioner"), specialty=some(concepts()), telecom=some(points()),
    )  # fmt: skip


def organizations() -> Strategy[Resource]:
    return having(
        # An organization has no home (invariant org-2).
        {"name": one(STRINGS)}, active=st.booleans(), address=some(addresses("work", "temp")),
        alias=some(one(STRINGS)), identifier=some(identifiers()), partOf=parents("Organization"),
        type=some(concepts()),
    )  # fmt: skip


def locations() -> Strategy[Resource]:
    place = one(PLACES).map(lambda place: {"latitude": place[0], "longitude": place[1]})
    return having(
        address=addresses(), alias=some(one(STRINGS)), identifier=some(identifiers()),
        managingOrganization=references("Organization"), name=one(STRINGS), partOf=parents("Location"),
        position=place, status=one(("active", "suspended")), type=some(concepts()),
    )  # fmt: skip


def groups() -> Strategy[Resource]:
    member = having({"entity": references("Patient", "Practitioner", "Group")})
    return having(
        {"type": one(("person", "practitioner")), "actual": st.just(True)}, code=concepts(),
        identifier=some(identifiers()), managingEntity=references("Organization", "Practitioner"), member=some(member),
    )  # fmt: skip


def lists() -> Strategy[Resource]:
    """Lists of anything, in no patient's record or in one."""
    listed = references("Patient", "Observation", "Condition", "Goal", "Encounter", "Location", "Questionnaire")
    return having(
        {"mode": one(("working", "snapshot"))}, code=concepts(), date=datetimes(), entry=some(having({"item": listed}), 4),
        encounter=references("Encounter"), identifier=some(identifiers()),
        note=some(having({"text": one(STRINGS)}), 1), source=references("Practitioner", "Patient"),
        subject=references("Patient", "Patient", "Group"), title=one(STRINGS),
    )  # fmt: skip
