"""DESIGN promise 3: a page walk shows each match that nobody changes exactly once, whatever is written meanwhile.

The writers' resources are copies of the untouched ones under ids of their own. So they match what those match, tie with them
under every sort, and can bring no untouched resource into a chain or a `_has` that it was not in before.

Some of them are changed all the time and never deleted. Where the order does not hang on that, these are shown once too.
"""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg
import httpx
import pytest

from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer
from tests.reliability.calls import BOUND_SECONDS
from tests.reliability.conftest import OwnServerWith
from tests.reliability.processes import OwnServer
from tests.reliability.samples import Resource, entry, new_name, transaction

pytestmark = pytest.mark.xdist_group("reliability")

WALKS = 200
SOAK_WALKS = 2000
WALKERS = 8
WRITERS = 8
# So many resources of each writer are there at any time.
KEPT = 6
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
WRITTEN = {"tag": [{"system": "urn:example:reliability", "code": "beside-the-walk"}]}

PATIENTS, OBSERVATIONS, CONDITIONS = 120, 300, 180
FAMILIES = ("Amadi", "Brun", "Çelik", "Dvořák", "de Groot", "Eze")
CODES = ("44249-1", "69737-5", "73831-0", "55758-7")
# What the writers change: the values that the walks are sorted by.
CHANGING = {
    "Patient": ("birthDate", "gender", "name"),
    "Observation": ("status", "effectiveDateTime", "valueQuantity"),
    "Condition": ("clinicalStatus", "onsetDateTime"),
}
# Resources of the writers that are changed and never deleted: their ids with their types.
LASTING = {f"{name.lower()}-9-lasting-{n}": name for name in CHANGING for n in range(WRITERS)}
STEADY = ("_id", "-_id")
Matches = Callable[[Resource], bool]


def patient(n: int) -> Resource:
    """A patient; some have no birth date and some no practitioner, who sort as missing."""
    found: Resource = {"gender": ("female", "male", "other")[n % 3], "name": [{"family": FAMILIES[n % 6]}]}
    if n % 7:
        found["birthDate"] = f"{1950 + n % 50}-0{1 + n % 9}"
    if n % 4:
        found["generalPractitioner"] = [{"reference": f"Practitioner/doctor-{n % 5}"}]
    return {"resourceType": "Patient", "id": f"patient-{n}", **found}


def about(n: int) -> Resource:
    """Every third resource is about the first patient, so that there are pages of them."""
    return {"subject": {"reference": f"Patient/patient-{0 if n % 3 == 0 else n % PATIENTS}"}}


def code(n: int) -> Resource:
    """One of the codes."""
    return {"code": {"coding": [{"system": "http://loinc.org", "code": CODES[n % 4]}]}}


def observation(n: int) -> Resource:
    """A score; some are of no time, some have no value, and many share both."""
    found: Resource = {"status": ("final", "amended", "preliminary")[n % 3], **code(n), **about(n)}
    if n % 11:
        found["effectiveDateTime"] = f"2026-{1 + n % 12:02}-{1 + n % 28:02}T08:00:00Z"
    if n % 5:
        found["valueQuantity"] = {"value": n % 27, "system": "http://unitsofmeasure.org", "code": "{score}"}
    return {"resourceType": "Observation", "id": f"observation-{n}", **found}


def condition(n: int) -> Resource:
    """A problem; some began at no known time."""
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    status = {"coding": [{"system": system, "code": ("active", "remission", "resolved")[n % 3]}]}
    found: Resource = {"clinicalStatus": status, **code(n), **about(n)}
    if n % 6:
        found["onsetDateTime"] = f"{2015 + n % 10}-{1 + n % 12:02}"
    return {"resourceType": "Condition", "id": f"condition-{n}", **found}


RECORD = [
    *(patient(n) for n in range(PATIENTS)),
    *(observation(n) for n in range(OBSERVATIONS)),
    *(condition(n) for n in range(CONDITIONS)),
]
FAMILY_OF = {f"Patient/{one['id']}": one["name"][0]["family"] for one in RECORD if one["resourceType"] == "Patient"}
SCORED = {one["subject"]["reference"] for one in RECORD if one["id"].startswith("o") and CODES[1] in str(one["code"])}


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk at `path` by `query`; `expected` are the ids that it has to show once."""

    path: str
    query: str
    count: int
    expected: frozenset[str]
    and_back: bool

    def __str__(self) -> str:
        return f"{self.path}?{self.query}&_count={self.count}"


# Of each path: the types, the sorts, and the criteria with what they mean.
Kind = tuple[set[str], list[str], dict[str, Matches]]


def kinds(changed_since: str, later: frozenset[str]) -> dict[str, Kind]:
    """What is walked. `later` are the ids of what was stored at `changed_since` and after it."""
    every: dict[str, Matches] = {
        "": lambda one: "id" in one,
        f"_lastUpdated=ge{changed_since}": lambda one: one["id"] in later,
    }
    first = {"patient=Patient/patient-0": lambda one: one["subject"]["reference"] == "Patient/patient-0"}
    coded = {f"code={CODES[1]}": lambda one: CODES[1] in str(one["code"])}
    chained: dict[str, Matches] = {
        "patient.family:exact=Amadi": lambda one: FAMILY_OF[one["subject"]["reference"]] == "Amadi",
        f"subject:Patient._has:Observation:patient:code={CODES[1]}": lambda one: one["subject"]["reference"] in SCORED,
    }
    dated: dict[str, Matches] = {
        "date=ge2026-03&date=lt2026-09": lambda one: "2026-03" <= one.get("effectiveDateTime", "") < "2026-09"
    }
    had: dict[str, Matches] = {
        f"_has:Observation:patient:code={CODES[1]}": lambda one: f"Patient/{one['id']}" in SCORED,
        "gender=female,other": lambda one: one["gender"] != "male",
    }
    sorts = ["", "_id", "-_lastUpdated"]
    of_patients = ["family", "-family", "birthdate", "gender,-birthdate", "general-practitioner", "-name,_id"]
    of_scores = ["date", "-date", "code", "status", "status,-date", "patient", "value-quantity", "-value-quantity,code"]
    of_problems = ["onset-date", "-onset-date", "clinical-status,-onset-date", "-subject", "-code,_lastUpdated"]
    both = {"Observation", "Condition"}
    return {
        "Patient": ({"Patient"}, [*sorts, *of_patients], {**every, **had}),
        "Observation": ({"Observation"}, [*sorts, *of_scores], {**every, **first, **coded, **chained, **dated}),
        "Condition": ({"Condition"}, [*sorts, *of_problems], {**every, **first, **coded, **chained}),
        "?_type=Observation,Condition": (both, [*sorts, "-patient", "code,_id"], {**every, **first, **coded}),
        "?_type=Patient,Observation,Condition": ({"Patient", *both}, [*sorts, "-_id", "_lastUpdated,_id"], every),
    }


def walks(found: dict[str, Kind], number: int) -> list[Walk]:
    """That many walks of all kinds, of every sort and of all criteria, in pages of different sizes."""
    made: list[list[Walk]] = []
    turn = itertools.cycle((True, False))
    for target, (types, sorts, criteria) in found.items():
        path, _, types_asked = target.partition("?")
        crossed = [(sort, text) for sort in sorts for text in criteria]
        random.shuffle(crossed)
        of_kind: list[Walk] = []
        for sort, text in crossed:
            expected = frozenset(one["id"] for one in RECORD if one["resourceType"] in types and criteria[text](one))
            # A search of one type without a sort goes by the row number, which never changes.
            if not text and (sort in STEADY or not (sort or types_asked)):
                expected |= {id for id, resource_type in LASTING.items() if resource_type in types}
            query = "&".join(part for part in (types_asked, text, f"_sort={sort}" if sort else "") if part)
            count = random.choice([max(3, len(expected) // pages) for pages in (4, 9, 14)])
            of_kind.append(Walk(path, query, count, expected, next(turn)))
        made.append(of_kind)
    mixed = itertools.chain.from_iterable(zip(*(itertools.cycle(of_kind) for of_kind in made), strict=True))
    return list(itertools.islice(mixed, number))


class Told:
    """A client that comes back after 503, as Retry-After asks: shedding load is not what a walk is about."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def ask(self, method: str, url: str, proper: int, **sent: object) -> httpx.Response:
        """The answer, which has the status `proper`."""
        until = time.monotonic() + BOUND_SECONDS
        while True:
            answer = self.http.request(method, url, **sent)  # type: ignore[arg-type]
            if answer.status_code != 503 or time.monotonic() > until:
                assert answer.status_code == proper, f"{method} {url}: {answer.status_code} {answer.text[:300]}"
                return answer
            time.sleep(float(answer.headers["retry-after"]) * random.random())


def ids(page: Resource) -> list[str]:
    """The ids of the matches of a page."""
    return [one["resource"]["id"] for one in page.get("entry", []) if one["search"]["mode"] == "match"]


def link(page: Resource, relation: str) -> str | None:
    """Where a link of the page leads."""
    return next((one["url"] for one in page["link"] if one["relation"] == relation), None)


def pages(told: Told, page: Resource, relation: str) -> Iterator[Resource]:
    """The pages from `page` on, itself included, by the links of that relation."""
    yield page
    while url := link(page, relation):
        page = told.ask("GET", url, 200).json()
        yield page


def faults(told: Told, walk: Walk) -> list[str]:
    """What the walk showed twice, did not show, or showed too much of on one page."""
    first = told.ask("GET", str(walk), 200).json()
    forward = list(pages(told, first, "next"))
    found = [f"{walk}: forward: {fault}" for fault in _faults(forward, walk)]
    if walk.and_back:
        # Where all that was left of a last page is deleted by the time it is asked for, it is empty and leads nowhere.
        last = next(page for page in reversed(forward) if ids(page))
        found += [f"{walk}: back: {fault}" for fault in _faults(list(pages(told, last, "previous")), walk)]
    return found


def _faults(walked: list[Resource], walk: Walk) -> list[str]:
    shown = Counter(itertools.chain.from_iterable(map(ids, walked)))
    untouched = {one["id"] for one in RECORD}
    known = untouched | walk.expected
    return [
        *(f"page of {len(ids(page))}" for page in walked if len(ids(page)) > walk.count),
        *(f"{id} shown {times} times" for id, times in shown.items() if times > 1 and id in known),
        *(f"{id} is no match" for id in sorted((shown.keys() & untouched) - walk.expected)),
        *(f"{id} missed" for id in sorted(walk.expected - shown.keys())),
    ]


class Writer:
    """Makes, changes and deletes resources of its own, which are copies of untouched ones, until `stop` is set."""

    def __init__(self, told: Told, stop: threading.Event, lasting: dict[str, str]) -> None:
        self.done: Counter[str] = Counter()
        self._told = told
        self._stop = stop
        self._lasting = lasting
        self._own: dict[str, str] = {}

    def write(self) -> None:
        """Write until told to stop."""
        while not self._stop.is_set():
            act = random.choice([self._create, self._update, self._patch, self._delete])
            if len(self._own) < KEPT / 2:
                act = self._create
            elif len(self._own) > KEPT:
                act = self._delete
            act()
            self.done[act.__name__] += 1

    def _create(self) -> None:
        resource_type = random.choice(list(CHANGING))
        copied = _like(resource_type)
        if random.random() < 0.5:
            id = self._told.ask("POST", resource_type, 201, json=copied).json()["id"]
        else:
            # Among the untouched ids in their order, not before or behind them all.
            id = f"{copied['id']}-{new_name()}"
            self._told.ask("PUT", f"{resource_type}/{id}", 201, json={**copied, "id": id})
        self._own[id] = resource_type

    def _update(self) -> None:
        id, resource_type = self._any()
        self._told.ask("PUT", f"{resource_type}/{id}", 200, json={**_like(resource_type), "id": id})

    def _patch(self) -> None:
        id, resource_type = self._any()
        other = _like(resource_type)
        changes = {name: other.get(name) for name in CHANGING[resource_type]}
        self._told.ask("PATCH", f"{resource_type}/{id}", 200, json=changes, headers=MERGE_PATCH)

    def _delete(self) -> None:
        id, resource_type = random.choice(list(self._own.items()))
        self._told.ask("DELETE", f"{resource_type}/{id}", 204)
        del self._own[id]

    def _any(self) -> tuple[str, str]:
        return random.choice([*self._own.items(), *self._lasting.items()])


def _like(resource_type: str) -> Resource:
    return {**random.choice([one for one in RECORD if one["resourceType"] == resource_type]), "meta": WRITTEN}


@contextmanager
def written(server: RunningServer, token: str) -> Iterator[list[Writer]]:
    """While this lasts, the writers are at work. Raises what befell one of them."""
    stop = threading.Event()
    with server.client(token) as http, ThreadPoolExecutor(WRITERS) as threads:
        lasting = [dict(list(LASTING.items())[n::WRITERS]) for n in range(WRITERS)]
        writers = [Writer(Told(http), stop, own) for own in lasting]
        running = [threads.submit(writer.write) for writer in writers]
        try:
            yield writers
        finally:
            stop.set()
        for one in running:
            one.result()


def stored(told: Told) -> dict[str, Kind]:
    """Store the record in two halves, with what lasts, and say what to walk."""
    lasting = [{**_like(resource_type), "id": id} for id, resource_type in LASTING.items()]
    halves = [[*RECORD[::2], *lasting], RECORD[1::2]]
    for half in halves:
        puts = [entry("PUT", f"{one['resourceType']}/{one['id']}", one) for one in half]
        answer = told.ask("POST", "", 200, json=transaction(puts)).json()
    changed_since = min(one["response"]["lastModified"] for one in answer["entry"])
    return kinds(changed_since, frozenset(one["id"] for one in halves[1]))


async def _analyze(connection: asyncpg.Connection) -> None:
    """What autovacuum does within a minute of the load."""
    await connection.execute("ANALYZE")


def walk_beside_writers(server: OwnServer, number: int) -> None:
    """Assert that no walk of that many showed an untouched match other than once."""
    running = server.running
    token = running.token(running.new_tenant())
    with running.client(token) as http, ThreadPoolExecutor(WALKERS) as walkers:
        told = Told(http)
        asked = walks(stored(told), number)
        on_database(running.dsn, _analyze)
        with written(running, token) as writers:
            found = list(walkers.map(lambda walk: faults(told, walk), asked))
    assert list(itertools.chain.from_iterable(found)) == []
    assert server.failures() == []
    for writer in writers:
        assert len(writer.done) == 4, "a writer did not come to do all that it does"


def test_walks_show_every_untouched_match_once_while_others_write(own_server: OwnServerWith) -> None:
    walk_beside_writers(own_server(), WALKS)


@pytest.mark.soak
def test_thousands_of_walks_show_every_untouched_match_once(own_server: OwnServerWith) -> None:
    walk_beside_writers(own_server(), SOAK_WALKS)
