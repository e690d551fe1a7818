"""Sample clients as transaction bundles (FHIR R4, http.html#transaction).

Every entry is an update under a readable id: loading the bundles twice changes versions and nothing else. References
are relative and literal, inside the client's bundle or into the shared one.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from random import Random
from typing import Final

from bhr_api.fhir.definitions import Resource
from bhr_api.samples import staff
from bhr_api.samples.care_plan import add_care_plan
from bhr_api.samples.chart import Chart
from bhr_api.samples.consents import add_consents
from bhr_api.samples.contacts import add_contacts
from bhr_api.samples.coordination import add_coordination
from bhr_api.samples.crisis import add_crisis
from bhr_api.samples.enrolment import add_enrolment
from bhr_api.samples.goals import add_goals
from bhr_api.samples.instruments import GAD_7, PHQ_9, questionnaire
from bhr_api.samples.measurement import add_measurements
from bhr_api.samples.medication import add_medication
from bhr_api.samples.story import story

TODAY: Final = date(2026, 11, 1)
FULL_URL_BASE: Final = "http://example.org/fhir"


def generate(patients: int, *, seed: int = 1, today: date = TODAY) -> Iterator[Resource]:
    """The shared bundle, then one transaction Bundle for each of `patients` clients.

    The record of client n depends on n, `seed` and `today` alone: asking for more clients leaves the first ones as
    they were. Each record covers the 12 to 18 months before `today` and appointments shortly after it.
    """
    teams = staff.team_of(max(patients, 1))
    yield transaction([*staff.shared_resources(teams), questionnaire(PHQ_9), questionnaire(GAD_7)])
    for number in range(1, patients + 1):
        yield transaction(client_record(number, seed=seed, today=today))


def client_record(number: int, *, seed: int = 1, today: date = TODAY) -> list[Resource]:
    """Every resource of client `number`, counted from 1."""
    chart = Chart(story(number, seed=seed, today=today), Random(f"{seed}/{number}/chart"))
    add_enrolment(chart)
    add_consents(chart)
    positives = add_measurements(chart)
    add_goals(chart)
    add_care_plan(chart)
    add_medication(chart)
    add_coordination(chart)
    add_contacts(chart)
    add_crisis(chart, positives)
    return chart.resources


def transaction(resources: Iterable[Resource]) -> Resource:
    """A transaction Bundle that puts every resource under its own id."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": [_entry(resource) for resource in resources]}


def _entry(resource: Resource) -> Resource:
    path = f"{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": f"{FULL_URL_BASE}/{path}", "resource": resource, "request": {"method": "PUT", "url": path}}
