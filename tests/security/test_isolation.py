"""What a token may not see does not exist: whatever is asked, for every type (DESIGN promise 2; SECURITY.md section 3).

The same requests are sent where the hidden resources are and where they are not; the answers must be the same.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from bhr_api.access import Letter
from tests.fixtures.server import EVERYTHING, RunningServer
from tests.security.attempts import OWN, Attempt, Target, content_of, every_attempt, needing, single_attempts
from tests.security.conftest import ABSENT, HIDDEN, SECRET, World
from tests.security.minimal_resources import PERSONAL_TYPES

# What differs between any two answers: ids and instants that the server makes, cursors, and the request's own id.
_CHANGING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    r"|\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"
    r"|_cursor=[\w.%-]+"
)
_OWN_HEADERS = frozenset({"x-request-id", "date", "content-length", "content-encoding", "vary", "connection"})

# Types of each kind of subject path. What goes through the same code for every type is tried with these.
REPRESENTATIVE = (
    "Patient",
    "Observation",
    "CarePlan",
    "Appointment",
    "Coverage",
    "Device",
    "Person",
    "Provenance",
    "Task",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as far as it can be compared with another."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str

    def __contains__(self, text: str) -> bool:
        return text in self.body or any(text in value for _, value in self.headers)


def ask(http: httpx.Client, attempt: Attempt) -> Answer:
    answer = http.request(attempt.method, attempt.path, content=content_of(attempt), headers=attempt.headers)
    headers = tuple(
        (name, _CHANGING.sub("*", value)) for name, value in answer.headers.items() if name not in _OWN_HEADERS
    )
    body = json.dumps(in_order(answer.json())) if answer.content else ""
    return Answer(answer.status_code, headers, _CHANGING.sub("*", body))


def in_order(value: Any) -> Any:
    """`value` with the entries of searchsets in the order of their addresses: included resources have none of their own."""
    if isinstance(value, list):
        return [in_order(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {name: in_order(item) for name, item in value.items()}
    if value.get("type") == "searchset":
        value["entry"] = sorted(value.get("entry", ()), key=lambda entry: str(entry["fullUrl"]))
    return value


def renamed(answer: Answer) -> Answer:
    """The answer about the absent resource, as if it were about the hidden one."""
    headers = tuple((name, value.replace(ABSENT, HIDDEN)) for name, value in answer.headers)
    return Answer(answer.status, headers, answer.body.replace(ABSENT, HIDDEN))


def versions_of(world: World, target: Target) -> list[str]:
    """What becomes of the hidden resource and of its deleted twin, as their history tells."""
    paths = [f"/{target.resource_type}/{target.id}"]
    if target.resource_type != "Patient":
        paths.append(f"/{target.resource_type}/{target.deleted_id}")
    return [
        entry["response"]["etag"] for path in paths for entry in world.operator.get(f"{path}/_history").json()["entry"]
    ]


UNTOUCHED = ['W/"2"', 'W/"1"']


def require_untouched(world: World, target: Target) -> None:
    expected = UNTOUCHED + ([] if target.resource_type == "Patient" else UNTOUCHED)
    assert versions_of(world, target) == expected


@pytest.mark.parametrize("how", ["patient", "restriction", "caseload", "patient-of-caseload"])
@pytest.mark.parametrize("resource_type", PERSONAL_TYPES)
def test_a_resource_out_of_reach_does_not_exist(
    world: World, world_without: World, resource_type: str, how: str
) -> None:
    target = Target(resource_type, HIDDEN, HIDDEN)
    attempts = every_attempt(target) if how == "patient" else attempts_on(target)
    with world.confined(how) as here, world_without.confined(how) as elsewhere:
        assert how == "restriction" or here.get(f"/{resource_type}/{OWN}").status_code == 200
        telling = [
            (attempt, answer, twin)
            for attempt in attempts
            if (answer := ask(here, attempt)) != (twin := ask(elsewhere, attempt)) or SECRET in answer
        ]
    assert not telling, "\n".join(f"{attempt}\n  {answer}\n  {twin}" for attempt, answer, twin in telling)
    require_untouched(world, target)


def attempts_on(target: Target) -> Iterator[Attempt]:
    return every_attempt(target) if target.resource_type in REPRESENTATIVE else single_attempts(target)


@pytest.mark.parametrize("resource_type", PERSONAL_TYPES)
def test_another_tenants_resource_does_not_exist(server: RunningServer, world: World, resource_type: str) -> None:
    hidden, absent = Target(resource_type, HIDDEN, HIDDEN), Target(resource_type, ABSENT, ABSENT)
    with ExitStack() as stack:
        asking, naming_nothing = (
            stack.enter_context(server.client(server.token(server.new_tenant(), EVERYTHING))) for _ in range(2)
        )
        for attempt, twin in zip(attempts_on(hidden), attempts_on(absent), strict=True):
            answer = ask(asking, attempt)
            assert SECRET not in answer, attempt
            assert answer == renamed(ask(naming_nothing, twin)), attempt
    require_untouched(world, hidden)


def letters_without(letter: Letter) -> str:
    return "cruds".replace(letter, "")


@pytest.mark.parametrize("letter", "cruds")
@pytest.mark.parametrize("resource_type", REPRESENTATIVE)
def test_without_the_letter_existing_and_absent_answer_alike(
    world: World, world_without: World, resource_type: str, letter: Letter
) -> None:
    target = Target(resource_type, HIDDEN, HIDDEN)
    scope = f"system/*.{letters_without(letter)}"
    with world.client(scope) as here, world_without.client(scope) as elsewhere:
        for attempt in needing(letter, target):
            answer = ask(here, attempt)
            assert answer.status == 403, attempt
            assert SECRET not in answer, attempt
            assert answer == ask(elsewhere, attempt), attempt
    require_untouched(world, target)


def other_types_scope(resource_type: str) -> str:
    names = ("Patient", "Organization", "Practitioner", "Task", "List", "Provenance")
    return " ".join(f"system/{name}.cruds" for name in names if name != resource_type)


@pytest.mark.parametrize("resource_type", PERSONAL_TYPES)
def test_a_type_outside_the_scopes_is_in_no_answer(world: World, resource_type: str) -> None:
    target = Target(resource_type, HIDDEN, HIDDEN)
    with world.client(other_types_scope(resource_type)) as here:
        for attempt in about_the_type(attempts_on(target), resource_type):
            answer = ask(here, attempt)
            assert f'"resourceType": "{resource_type}"' not in answer, attempt
            assert answer.status in ((403,) if attempt.letters and attempt.path else (200, 201, 403)), attempt
    require_untouched(world, target)


def about_the_type(attempts: Iterable[Attempt], resource_type: str) -> Iterator[Attempt]:
    """Without what is about the types that refer to it, which this caller may read."""
    for attempt in attempts:
        if attempt.letters or resource_type not in ("Task", "List", "Provenance", "Patient"):
            yield attempt


@pytest.mark.parametrize("resource_type", REPRESENTATIVE)
def test_without_a_token_everything_is_401(server: RunningServer, resource_type: str, world: World) -> None:
    target = Target(resource_type, HIDDEN, HIDDEN)
    with server.client(None) as http:
        answers = {ask(http, attempt) for attempt in every_attempt(target) if attempt.method != "HEAD"}
    assert len(answers) == 1
    assert answers.pop().status == 401
    require_untouched(world, target)


SYSTEM_WIDE = [
    "/_history",
    "/_history?_count=5",
    "/_history?_since=2020-01-01",
    "/_history?_at=2026",
    "/AuditEvent",
    f"/AuditEvent?patient=Patient/{HIDDEN}",
]


@pytest.mark.parametrize("path", SYSTEM_WIDE)
def test_the_whole_system_shows_a_patient_only_its_own(world: World, path: str) -> None:
    with world.client("patient/*.cruds", patient=OWN) as http:
        answer = http.get(path)
    assert SECRET not in answer.text
    assert not [url for url in full_urls(answer) if HIDDEN in url]


def full_urls(answer: httpx.Response) -> list[str]:
    """Where the entries' resources are; none in a refusal."""
    return [entry["fullUrl"] for entry in answer.json().get("entry", ())]


def test_a_walk_through_pages_shows_a_patient_only_its_own(world: World) -> None:
    shown: list[str] = []
    with world.client("patient/*.cruds", patient=OWN) as http:
        url: str | None = "/_history?_count=7"
        while url is not None:
            answer = http.get(url)
            shown += full_urls(answer)
            assert SECRET not in answer.text
            links = answer.json()["link"]
            url = next((link["url"] for link in links if link["relation"] == "next"), None)
    assert not [url for url in shown if HIDDEN in url]
    assert len(set(shown)) >= len(PERSONAL_TYPES)
