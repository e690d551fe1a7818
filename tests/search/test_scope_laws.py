"""Laws of scopes: what a narrower one shows is in the wider one, and a restricted one shows exactly the intersection.

Whatever a scope means is decided here once more by the JSON of each resource, apart from SQL and index (SMART App Launch 2.2,
scopes-and-launch-context.html).
"""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bhr_api.access import Caller, Letter, Person, RelationKind, Role, parse_scopes
from bhr_api.auth.scopes import narrow_scope
from bhr_api.fhir.definitions import RESOURCE_TYPES, Resource
from bhr_api.interactions.context import Context
from bhr_api.search.extract import index_entry
from bhr_api.search.visibility import Visibility
from tests.fixtures.record import Record, open_record

BASE = "http://127.0.0.1/fhir"
PATIENTS = ("a", "b", "c")
CODES = ("x", "y")
# Of whose records the worker takes care, and the team besides.
CASELOAD, TEAM = {"a"}, {"a", "b"}


def resources() -> Iterator[Resource]:
    """Observations and flags of every patient and kind, one of nobody's, one of two codes, and a directory."""
    for patient in PATIENTS:
        yield {"resourceType": "Patient", "id": patient}
        subject = {"reference": f"Patient/{patient}"}
        for code in CODES:
            coded = {"coding": [{"system": "http://s", "code": code}]}
            yield {
                "resourceType": "Flag",
                "id": f"{patient}{code}",
                "status": "active",
                "code": coded,
                "subject": subject,
            }
            for status in ("final", "amended"):
                yield {"resourceType": "Observation", "id": f"{patient}{code}{status[0]}", "status": status,
                       "code": coded, "subject": subject}  # fmt: skip
    both = {"coding": [{"system": "http://s", "code": code} for code in CODES]}
    subject = {"reference": "Patient/a"}
    yield {"resourceType": "Observation", "id": "both", "status": "final", "code": both, "subject": subject}
    yield {"resourceType": "Observation", "id": "nobody", "status": "final", "code": both}
    yield {"resourceType": "Organization", "id": "o", "name": "O"}
    yield {"resourceType": "CareTeam", "id": "t", "status": "active", "subject": {"reference": "Patient/a"},
           "participant": [{"member": {"reference": "Practitioner/w"}}]}  # fmt: skip
    yield {"resourceType": "CareTeam", "id": "u", "status": "active", "subject": {"reference": "Patient/b"},
           "managingOrganization": [{"reference": "Organization/o"}]}  # fmt: skip


ALL = {f"{one['resourceType']}/{one['id']}": one for one in resources()}


@pytest.fixture(scope="module")
def record(database_dsn: str) -> Iterator[tuple[Record, Context]]:
    """The record, and a context of its tenant."""
    with open_record(database_dsn, BASE) as record:
        context = record.new_tenant()
        record.store(context, list(ALL.values()))
        yield record, context


TYPES = ("*", "Patient", "Observation", "Flag", "Organization", "CareTeam")
LETTERS = ("r", "rs", "cruds", "cud", "s", "u")
RESTRICTIONS = (
    "code=x",
    "code=http://s|y",
    "code=x,y",
    "code=x&code=y",
    "code=x&status=final",
    "status=amended",
    "code=z",
)


@st.composite
def scope_texts(draw: st.DrawFn, contexts: tuple[str, ...] = ("patient", "user", "system")) -> str:
    """Up to four scopes; some are restricted."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        resource_type, letters = draw(st.sampled_from(TYPES)), draw(st.sampled_from(LETTERS))
        restricted = resource_type in ("Observation", "Flag") and draw(st.booleans())
        restriction = draw(st.sampled_from(RESTRICTIONS)) if restricted else ""
        found.append(
            f"{draw(st.sampled_from(contexts))}/{resource_type}.{letters}" + (restriction and f"?{restriction}")
        )
    return " ".join(found)


@st.composite
def callers(draw: st.DrawFn) -> Caller:
    """Software, patients' apps and people with roles, of every relation."""
    person = None
    if draw(st.booleans()):
        relations = get_args(RelationKind)
        roles = tuple(
            Role(str(n), parse_scopes(draw(scope_texts(("user",)))), draw(st.sampled_from(relations)))
            for n in range(draw(st.integers(1, 2)))
        )
        selves = draw(st.sampled_from((("Practitioner/w",), ("Patient/c",), ("Practitioner/w", "Patient/c"))))
        person = Person("u", selves, ("Organization/o",), roles)
    patient = draw(st.sampled_from((None, *PATIENTS)))
    contexts = ("patient", "user", "system") if person is None else ("patient", "user", "user")
    return Caller(1, "c", parse_scopes(draw(scope_texts(contexts))), patient=patient, person=person)


def seen(record: tuple[Record, Context], caller: Caller, letter: Letter = "r") -> set[str]:
    """What the SQL condition lets through."""
    visibility = Visibility.of(caller_in(record, caller), record[1].hasher)
    binder = visibility.binder()
    condition = visibility.of_any_type(letter, "r", binder)
    rows = record[0].fetch(f"SELECT r.resource_type, r.id FROM resource r WHERE {condition}", binder.values)
    return {f"{RESOURCE_TYPES[kind - 1]}/{id}" for kind, id in rows}


def caller_in(record: tuple[Record, Context], caller: Caller) -> Caller:
    return Caller(record[1].tenant, "c", caller.scopes, patient=caller.patient, person=caller.person)


def is_allowed(caller: Caller, letter: str, one: Resource) -> bool:
    """What SMART says of it, decided by the JSON."""
    roles = [None] if caller.person is None else list(caller.person.roles)
    return any(
        letter in scope.letters
        and scope.resource_type in ("*", one["resourceType"])
        and meets(one, scope.restriction)
        and any(
            by_context(caller, scope.context, role, letter, one)
            for role in roles + [None] * (scope.context == "system")
        )
        for scope in caller.scopes
    )


def by_context(caller: Caller, context: str, role: Role | None, letter: str, one: Resource) -> bool:
    if context == "patient" and caller.patient is None:
        return False
    within_role = role is None or any(
        letter in scope.letters and scope.resource_type in ("*", one["resourceType"]) and meets(one, scope.restriction)
        for scope in role.scopes
    )
    is_shared = one["resourceType"] == "Organization"
    patient = patient_of(one)
    if role is None or role.relation == "tenant":
        of_role = True
    elif role.relation == "self":
        own = (
            [each.removeprefix("Patient/") for each in caller.person.selves if "Patient/" in each]
            if caller.person
            else []
        )
        if not own or (context == "patient" and caller.patient != own[0]):
            return False
        of_role = patient == own[0]
    elif role.relation == "none":
        return False
    else:
        cared_for = TEAM if role.relation == "team" else CASELOAD
        is_worker = caller.person is not None and "Practitioner/w" in caller.person.selves
        of_role = patient in (cared_for if is_worker else cared_for - CASELOAD)
    of_context = context != "patient" or patient == caller.patient
    is_open = context != "patient" and (role is None or role.relation == "tenant")
    if is_shared:
        return within_role and (letter in "rs" or is_open)
    return within_role and of_role and of_context


def patient_of(one: Resource) -> str | None:
    if one["resourceType"] == "Patient":
        return str(one["id"])
    reference = one.get("subject", {}).get("reference")
    return None if reference is None else str(reference).removeprefix("Patient/")


def meets(one: Resource, restriction: tuple[tuple[str, str], ...]) -> bool:
    codings = one.get("code", {}).get("coding", ())
    carried: dict[str, set[str]] = {
        "status": {one.get("status", "")},
        "code": {form for each in codings for form in (each["code"], f"{each['system']}|{each['code']}")},
    }
    return all(carried.get(name, set()) & set(value.split(",")) for name, value in restriction)


LAW = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@LAW
@given(callers(), st.sampled_from("cruds"))
def test_sql_lets_through_what_the_scopes_say(record: Any, caller: Caller, letter: Letter) -> None:
    assert seen(record, caller, letter) == {name for name, one in ALL.items() if is_allowed(caller, letter, one)}


@LAW
@given(callers(), st.sampled_from("cruds"))
def test_what_is_in_hand_is_judged_as_sql_judges_it(record: Any, caller: Caller, letter: Letter) -> None:
    context = record[1]
    visibility = Visibility.of(caller_in(record, caller), context.hasher)
    person = caller.person
    is_worker = person is not None and "Practitioner/w" in person.selves
    # What `store/relations.py` would find for whoever stands for the person, teams included.
    stands_for = {"Organization/o": TEAM - CASELOAD} | ({"Practitioner/w": CASELOAD} if is_worker else {})
    entries = {name: index_entry(dict(one), context.hasher, BASE) for name, one in ALL.items()}
    related = frozenset(
        (context.hasher.resource(*each.split("/")), context.hasher.resource("Patient", patient))
        for each, patients in stands_for.items()
        for patient in patients
    )
    judged = {
        name
        for name, entry in entries.items()
        if visibility.knowing(related).allows_version(
            entry.resource_type,
            letter,
            entry.patient,
            lambda entry=entry: entry.tokens,  # type: ignore[misc]
        )
    }
    assert judged == seen(record, caller, letter)


@LAW
@given(scope_texts(("system",)), scope_texts(("system",)), st.sampled_from("rs"))
def test_a_granted_scope_shows_exactly_the_intersection(
    record: Any, asked: str, registered: str, letter: Letter
) -> None:
    def of(text: str) -> set[str]:
        return seen(record, Caller(1, "c", parse_scopes(text)), letter)

    assert of(narrow_scope(asked, registered, "system")) == of(asked) & of(registered)
    # More scopes never show less.
    assert of(f"{asked} {registered}") == of(asked) | of(registered)
