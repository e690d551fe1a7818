"""Every interaction of FHIR R4, http.html, for those who watch the statements that it takes."""

import time
from typing import Any

import httpx

from tests.fixtures.server import running_server
from tests.interactions.added_parameters import add, answer_of, search_parameter, wait_until_complete
from tests.noted_statements import Noted

Resource = dict[str, Any]
LOINC_PHQ9 = "http://loinc.org|44261-6"

SEARCHES = {
    "token": f"Observation?code={LOINC_PHQ9}",
    "token, heavy and in order": f"Observation?code={LOINC_PHQ9}&_sort=-date&_count=2",
    "token:not": "Observation?category:not=survey",
    "string": "Patient?name=a",
    "string:contains": "Patient?name:contains=a&family:exact=x",
    "reference": "CarePlan?subject:Patient=sample-0001",
    "the patient's record": "Observation?patient=sample-0001",
    "the main date": "Observation?date=ge2020&patient=sample-0001",
    "another date": "Patient?birthdate=lt2030",
    "number": "RiskAssessment?probability=gt0.2",
    "quantity": "Observation?value-quantity=gt5",
    "uri": "Questionnaire?url=http://example.org/none",
    "composite": f"Observation?code-value-quantity={LOINC_PHQ9}$ge5",
    "composites, one of several": "Observation?code-value-concept=http://x.example|a$b,http://x.example|c$d",
    "_id": "Patient?_id=sample-0001,none",
    "_lastUpdated": "Goal?_lastUpdated=ge2020",
    ":missing": "Patient?identifier:missing=false&birthdate:missing=true",
    "_sort by a date": "Goal?_sort=target-date,-start-date",
    "_sort by a string": "Patient?_sort=family,-birthdate",
    "_sort by a quantity": "Observation?_sort=value-quantity",
    "_sort by a code": "Goal?_sort=lifecycle-status",
    "_include": "Observation?patient=sample-0001&_include=Observation:subject&_include=Observation:derived-from",
    "_include=*": "CarePlan?_include=*&_include:iterate=Goal:*&_count=2",
    "_revinclude": "Patient?_revinclude=Goal:subject&_revinclude:iterate=Provenance:target",
    "_total=accurate": "Observation?_total=accurate&_count=1",
    "_total=estimate": "Observation?status=final&_total=estimate",
    "_summary=count": "Observation?value-quantity=gt5&_summary=count",
    "chained": "Observation?patient.name=a",
    "chained, from few": "Observation?subject:Patient.identifier=none&derived-from:QuestionnaireResponse.status=none",
    "chained twice": "Goal?addresses:Condition.subject:Patient.family=a",
    "_has": "Patient?_has:Goal:subject:lifecycle-status=active",
    "_has, from few": "Patient?_has:Goal:subject:identifier=none&_has:Observation:patient:code=none",
    "a chain in _has": "Patient?_has:Observation:subject:performer:Practitioner.name=a",
    ":in, a value set": "Encounter?status:in=http://hl7.org/fhir/ValueSet/encounter-status",
    ":below and :above": "Encounter?location:below=Location/x&service-provider:above=Organization/x",
    ":text": "Condition?code:text=a&_text=b&_content=c",
    "two codes": "Observation?code=a,b&_sort=date",
    "near": "Location?near=42.25|-83.69|11.2|km",
    "_list": "Condition?_list=x",
    "_filter": 'Patient?_filter=name co "a" and (family ew b or gender ne male or identifier ne 1 or telecom sw 5)',
    "_filter, of items": "Encounter?_filter=participant ne Practitioner/x or date po 2024 or not (location pr true)",
    "_filter, along paths": "Observation?_filter=subject[name eq a or _id sw b].gender eq male and category ne survey",
    "compartment": "Patient/sample-0001/Observation",
    "audit": "AuditEvent?date=ge2026&_sort=-date",
    "audit, of a patient": "AuditEvent?patient=sample-0001&_total=accurate",
    "audit, of an entity": "AuditEvent?entity=Patient/sample-0001&action=R&_total=estimate",
}
READS = [
    "Patient/sample-0001",
    "Patient/sample-0001/_history/1",
    "Patient/sample-0001/_history",
    "Patient/_history?_since=2026-01-01T00:00:00Z",
    "_history?_count=3",
    "metadata",
    "Patient/sample-0001/$everything?_count=500",
    "Patient/sample-0001/$everything?_type=Practitioner&_since=2020-01-01T00:00:00Z",
    "Patient/sample-0001/$everything?start=2020&end=2100",
    "Observation/$lastn?patient=sample-0001&category=survey",
    "Observation/$stats?subject=Patient/sample-0001&system=http://loinc.org&code=44261-6&statistic=average",
    "DocumentReference/$docref?patient=sample-0001",
    "Patient/sample-0001/$meta",
    "Observation/$meta",
    "?_type=Patient,Goal",
]


def interact(client: httpx.Client, allowed: set[int]) -> None:
    """The interactions of FHIR R4, http.html."""
    for url in [*SEARCHES.values(), *READS]:
        answer = client.get(url)
        assert answer.status_code in allowed, (url, answer.text)
        follow(client, answer, "next", "previous")
        follow(client, answer, "related")
    for url in ("Patient/none", "Patient/none/_history", "Patient/sample-0001/_history/99"):
        assert client.get(url).status_code == 404
    for entry in client.get("AuditEvent?_count=1").json().get("entry", ()):
        assert client.get(f"AuditEvent/{entry['resource']['id']}").status_code == 200
    encounters = client.get("Encounter?patient=sample-0001&_count=1").json().get("entry", ())
    for entry in encounters:
        assert client.get(f"Encounter/{entry['resource']['id']}/$everything").status_code in allowed
    goal = client.get("Goal?patient=sample-0001&_count=1").json()["entry"][0]["resource"]
    del goal["meta"]
    address = f"Goal/{goal['id']}"
    assert client.post("Goal", json=goal, headers={"If-None-Exist": f"_id={goal['id']}"}).status_code == 200
    assert client.post("Goal", json=goal, headers={"If-None-Exist": "identifier=none"}).status_code == 201
    version = client.put(f"Goal?_id={goal['id']}", json=goal).headers["ETag"]
    assert client.put(address, json=goal, headers={"If-Match": version}).status_code == 200
    assert client.get(address, headers={"If-None-Match": version}).status_code == 200
    for kind in ("batch", "transaction"):
        assert client.post("", json=bundle_of(kind, goal)).status_code == 200
        put_off(client, bundle_of(kind, goal))
    assert client.delete(f"Goal?_id={goal['id']}").status_code in (200, 204)
    assert client.get(address).status_code == 410
    # A token of one patient cannot create by PUT.
    assert client.put(address, json=goal).status_code in {201} | (allowed & {404})
    assert client.delete(address).status_code in (200, 204)


def put_off(client: httpx.Client, bundle: Resource) -> None:
    """The same asynchronously; then the answer is thrown away."""
    place = client.post("", json=bundle, headers={"Prefer": "respond-async"}).headers["Content-Location"]
    while (answer := client.get(place)).status_code == 202:
        time.sleep(0.1)
    assert answer.json()["entry"][0]["response"]["status"] == "200"
    assert client.delete(place).status_code == 202


def trace_deleted_patient(client: httpx.Client) -> None:
    """The audit goes on telling whose record it was."""
    assert client.put("Patient/gone", json={"resourceType": "Patient", "id": "gone"}).status_code == 201
    assert client.delete("Patient/gone").status_code in (200, 204)
    assert client.get("AuditEvent?patient=gone&_sort=-date").json()["entry"]


def follow(client: httpx.Client, answer: httpx.Response, *relations: str) -> None:
    """From page to page by links of these relations, one after the other."""
    for relation in relations:
        links = answer.json().get("link", ()) if answer.status_code == 200 else ()
        for link in links:
            if link["relation"] == relation:
                answer = client.get(link["url"])
                assert answer.status_code == 200


def bundle_of(kind: str, goal: Resource) -> Resource:
    """A bundle with one of each interaction."""
    address = f"Goal/{goal['id']}"
    requests: list[Resource] = [
        {"resource": goal, "request": {"method": "PUT", "url": address}},
        {"resource": goal, "request": {"method": "POST", "url": "Goal"}},
        {"resource": goal, "request": {"method": "POST", "url": "Goal", "ifNoneExist": f"_id={goal['id']}"}},
        {"request": {"method": "GET", "url": "Patient/sample-0001"}},
        {"request": {"method": "GET", "url": "Goal?patient=sample-0001"}},
        {"request": {"method": "DELETE", "url": "Goal/none"}},
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": requests}


def look_after_references(dsn: str) -> None:
    """Writes and deletions where referential integrity is strict, by one who sees everything and by a patient's token."""
    with running_server(dsn, referential_integrity="strict") as server:
        tenant = server.new_tenant()
        goal = {"lifecycleStatus": "active", "description": {"text": "x"}, "subject": {"reference": "Patient/p"}}
        past = {**goal, "addresses": [{"reference": "Condition/c/_history/1"}]}
        tokens = server.token(tenant), server.token(tenant, "patient/*.cruds", patient="p")
        with server.client(tokens[0]) as client:
            client.put("Patient/p", json={"resourceType": "Patient", "id": "p"}).raise_for_status()
        for token in tokens:
            with server.client(token) as client:
                created = client.post("Goal", json={"resourceType": "Goal", **goal})
                assert created.status_code == 201
                assert client.post("Goal", json={"resourceType": "Goal", **past}).status_code == 422
                assert client.delete("Patient/p").status_code == 409
                deletion = {"request": {"method": "DELETE", "url": f"Goal/{created.json()['id']}"}}
                creation = {"resource": {"resourceType": "Goal", **goal}, "request": {"method": "POST", "url": "Goal"}}
                both = {"resourceType": "Bundle", "type": "transaction", "entry": [deletion, creation]}
                assert client.post("", json=both).status_code == 200


def add_search_parameters(client: httpx.Client, notes: Noted) -> None:
    """A parameter that is indexed, becomes another one, and goes."""
    (id,) = add(client, search_parameter("x-goal", "Goal", "token", "Goal.description"))
    wait_until_complete(client, id)
    assert answer_of(client, "Goal?x-goal=a").status_code == 200
    changed = search_parameter("x-goal", "Goal", "token", "Goal.category", id=id)
    assert client.put(f"SearchParameter/{id}", json=changed).status_code == 200
    wait_until_complete(client, id)
    assert client.delete(f"SearchParameter/{id}").status_code == 204
    give_up = time.monotonic() + 60
    while not any("DELETE FROM added_parameter" in sql and values for sql, values in list(notes.executions.items())):
        assert time.monotonic() < give_up, "nothing let go of the parameter"
        time.sleep(0.1)
