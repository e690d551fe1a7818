"""Search parameters that a tenant adds (FHIR R4, searchparameter.html; docs/search.md)."""

from collections.abc import Iterator

import httpx
import pytest

from tests.fixtures.server import RunningServer
from tests.interactions.added_parameters import (
    EXTENSIONS,
    Resource,
    add,
    answer_of,
    ids,
    in_order,
    put,
    search_parameter,
    wait_until_complete,
)

PET = f"{EXTENSIONS}/pet"
LANGUAGE = "urn:ietf:bcp:47"


def pet(kind: str, **value: object) -> Resource:
    """A patient's pet as an extension."""
    return {"url": PET, "extension": [{"url": "kind", "valueCode": kind}, *([{"url": "x", **value}] if value else [])]}


def patient(id: str, *extensions: Resource, **members: object) -> Resource:
    return {"resourceType": "Patient", "id": id, **({"extension": list(extensions)} if extensions else {}), **members}


def of(name: str, type: str) -> str:
    return f"Patient.extension.where(url = '{EXTENSIONS}/{name}').value.ofType({type})"


PARAMETERS = [
    search_parameter(
        "pet", "Patient", "token", f"Patient.extension.where(url = '{PET}').extension.where(url='kind').value"
    ),
    search_parameter("language-spoken", "Patient", "token", "Patient.communication.language"),
    search_parameter("nickname", "Patient", "string", "Patient.name.where(use = 'nickname').given"),
    search_parameter("moved-in", "Patient", "date", of("moved-in", "date")),
    search_parameter("siblings", "Patient", "number", of("siblings", "integer")),
    search_parameter("height", "Patient", "quantity", of("height", "Quantity")),
    search_parameter("homepage", "Patient", "uri", of("homepage", "uri")),
    search_parameter("sponsor", "Patient", "reference", of("sponsor", "Reference"), target=["Organization"]),
    search_parameter("place", "Observation", "reference", "Observation.device", target=["Device"]),
    search_parameter("serial", "Device", "string", "Device.serialNumber"),
    search_parameter("birth-order", ["Patient", "Person"], "date", "Patient.birthDate | Person.birthDate"),
    search_parameter(
        "speaks",
        "Patient",
        "composite",
        "Patient.communication",
        component=[
            {"definition": "http://example.org/fhir/SearchParameter/Patient-language-spoken", "expression": "language"},
            {"definition": "http://hl7.org/fhir/SearchParameter/Patient-active", "expression": "preferred"},
        ],
    ),
    search_parameter(
        "pet-of-gender",
        "Patient",
        "composite",
        "Patient",
        component=[
            {"definition": "http://example.org/fhir/SearchParameter/Patient-pet", "expression": "extension"},
            {"definition": "http://hl7.org/fhir/SearchParameter/individual-gender", "expression": "gender"},
        ],
    ),
]


def value(name: str, **member: object) -> Resource:
    return {"url": f"{EXTENSIONS}/{name}", **member}


def speaks(code: str, *, preferred: bool) -> Resource:
    return {
        "language": {"coding": [{"system": LANGUAGE, "code": code}], "text": f"tongue {code}"},
        "preferred": preferred,
    }


RECORD: list[Resource] = [
    {"resourceType": "Organization", "id": "north", "name": "North"},
    {"resourceType": "Organization", "id": "south", "name": "South"},
    patient(
        "ann",
        pet("dog"),
        pet("cat"),
        value("moved-in", valueDate="2020-03"),
        value("siblings", valueInteger=2),
        value(
            "height", valueQuantity={"value": 170, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"}
        ),
        value("homepage", valueUri="http://example.org/ann"),
        value("sponsor", valueReference={"reference": "Organization/north"}),
        gender="female",
        birthDate="1990-01-01",
        name=[{"use": "nickname", "given": ["Annie"]}, {"use": "official", "given": ["Anna"]}],
        communication=[speaks("en", preferred=True), speaks("de", preferred=False)],
    ),
    patient(
        "bob",
        pet("dog"),
        value("moved-in", valueDate="2022-05-06"),
        value("siblings", valueInteger=0),
        value("sponsor", valueReference={"reference": "Organization/south"}),
        gender="male",
        birthDate="1980-01-01",
        communication=[speaks("de", preferred=True)],
    ),
    patient("cyd", value("siblings", valueString="two"), name=[{"use": "official", "given": ["Annie"]}]),
    {"resourceType": "Device", "id": "watch", "serialNumber": "ABC-1"},
    {
        "resourceType": "Observation",
        "id": "steps",
        "status": "final",
        "code": {"text": "Steps"},
        "subject": {"reference": "Patient/ann"},
        "device": {"reference": "Device/watch"},
    },
]


@pytest.fixture(scope="module")
def tenant_name(server: RunningServer) -> str:
    return server.new_tenant()


@pytest.fixture(scope="module")
def record(server: RunningServer, tenant_name: str) -> Iterator[httpx.Client]:
    """A record half of which was there before the parameters were added."""
    with server.client(server.token(tenant_name)) as client:
        put(client, *RECORD[::2])
        found = add(client, *PARAMETERS)
        put(client, *RECORD[1::2])
        wait_until_complete(client, *found)
        yield client


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("Patient?pet=dog", ["ann", "bob"], id="token"),
        pytest.param("Patient?pet=dog,cat&pet=cat", ["ann"], id="token-and-or"),
        pytest.param("Patient?pet:not=dog", ["cyd"], id="token-not"),
        pytest.param("Patient?pet:missing=true", ["cyd"], id="missing"),
        pytest.param("Patient?pet:missing=false", ["ann", "bob"], id="not-missing"),
        pytest.param(f"Patient?language-spoken={LANGUAGE}|en", ["ann"], id="system-code"),
        pytest.param(f"Patient?language-spoken={LANGUAGE}|", ["ann", "bob"], id="system"),
        pytest.param("Patient?language-spoken:text=tongue e", ["ann"], id="text"),
        pytest.param("Patient?language-spoken=de,en", ["ann", "bob"], id="or"),
        pytest.param("Patient?nickname=ann", ["ann"], id="string"),
        pytest.param("Patient?nickname:exact=Annie", ["ann"], id="exact"),
        pytest.param("Patient?nickname:contains=NNI", ["ann"], id="contains"),
        pytest.param("Patient?moved-in=ge2021", ["bob"], id="date"),
        pytest.param("Patient?moved-in=2020-03", ["ann"], id="partial-date"),
        pytest.param("Patient?siblings=gt1", ["ann"], id="number"),
        pytest.param("Patient?siblings:missing=true", ["cyd"], id="values-of-another-type-are-none"),
        pytest.param("Patient?height=1.7|http://unitsofmeasure.org|m", ["ann"], id="quantity-converted"),
        pytest.param("Patient?homepage:below=http://example.org/", ["ann"], id="uri-below"),
        pytest.param("Patient?homepage=http://example.org/ann", ["ann"], id="uri"),
        pytest.param("Patient?sponsor=north", ["ann"], id="reference"),
        pytest.param("Patient?sponsor.name=sou", ["bob"], id="chain"),
        pytest.param("Patient?sponsor:Organization.name=sou", ["bob"], id="typed-chain"),
        pytest.param("Observation?place.serial=abc", ["steps"], id="chain-through-and-to-added"),
        pytest.param("Observation?subject:Patient.pet=cat", ["steps"], id="chain-to-added"),
        pytest.param("Organization?_has:Patient:sponsor:pet=cat", ["north"], id="has"),
        pytest.param("Device?_has:Observation:place:_id=steps", ["watch"], id="has-by-added"),
        pytest.param("Observation?_include=Observation:place", ["steps", "watch"], id="include"),
        pytest.param("Observation?_include=*", ["ann", "steps", "watch"], id="include-all"),
        pytest.param("Organization?_id=north&_revinclude=Patient:sponsor", ["ann", "north"], id="revinclude"),
        pytest.param('Patient?_filter=pet eq "cat" or nickname sw "zz"', ["ann"], id="filter"),
        pytest.param("Patient?_filter=sponsor.name eq North", ["ann"], id="filter-chain"),
        pytest.param(f"Patient?speaks={LANGUAGE}|de$true", ["bob"], id="composite-of-an-element"),
        pytest.param("Patient?speaks:missing=true", ["cyd"], id="composite-missing"),
        pytest.param("Patient?pet-of-gender=dog$male", ["bob"], id="composite-of-the-resource"),
        pytest.param("Patient?birth-order=lt1985", ["bob"], id="several-bases"),
        pytest.param("?_type=Patient,Person&birth-order=gt1985", ["ann"], id="system-search"),
    ],
)
def test_an_added_parameter_searches_as_any_other(record: httpx.Client, path: str, expected: list[str]) -> None:
    assert ids(record, path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("Patient?_sort=moved-in", ["cyd", "ann", "bob"], id="date"),
        pytest.param("Patient?_sort=-siblings", ["ann", "bob", "cyd"], id="number"),
        pytest.param("Patient?_sort=-nickname,birthdate", ["ann", "cyd", "bob"], id="string"),
        pytest.param("Patient?_sort=-language-spoken,-birthdate", ["ann", "bob", "cyd"], id="token"),
    ],
)
def test_an_added_parameter_sorts(record: httpx.Client, path: str, expected: list[str]) -> None:
    assert in_order(record, path) == expected


def test_explain_tells_of_an_added_parameter(record: httpx.Client) -> None:
    answer = record.get("Patient/$explain?pet=dog")
    assert answer.status_code == 200
    assert "pet" in answer.text


def test_conditional_writes_go_by_an_added_parameter(record: httpx.Client) -> None:
    dog = {"resourceType": "Device", "serialNumber": "COND-1"}
    first = record.post("Device", json=dog, headers={"If-None-Exist": "serial:exact=COND-1"})
    second = record.post("Device", json=dog, headers={"If-None-Exist": "serial:exact=COND-1"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert record.put("Device?serial:exact=COND-1", json=dog).status_code == 200
    assert record.delete("Device?serial:exact=COND-1").status_code == 204


def test_a_transaction_goes_by_an_added_parameter(record: httpx.Client) -> None:
    entry = {
        "resource": {
            "resourceType": "Basic",
            "code": {"text": "x"},
            "subject": {"reference": "Device?serial:exact=ABC-1"},
        },
        "request": {"method": "POST", "url": "Basic"},
    }
    answer = record.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert answer.status_code == 200, answer.text
    location = answer.json()["entry"][0]["response"]["location"].partition("/_history")[0]
    assert record.get(location).json()["subject"] == {"reference": "Device/watch"}


def test_an_update_takes_the_old_value_away(record: httpx.Client) -> None:
    put(record, {"resourceType": "Device", "id": "moved", "serialNumber": "OLD-7"})
    put(record, {"resourceType": "Device", "id": "moved", "serialNumber": "NEW-7"})
    assert ids(record, "Device?serial=old-7") == []
    assert ids(record, "Device?serial=new-7") == ["moved"]
    assert record.delete("Device/moved").status_code == 204
    assert ids(record, "Device?serial=new-7") == []


def test_a_patients_token_learns_nothing_of_others(
    server: RunningServer, tenant_name: str, record: httpx.Client
) -> None:
    with server.client(server.token(tenant_name, "patient/*.rs", patient="bob")) as bob:
        assert ids(bob, "Patient?pet=cat") == []
        assert ids(bob, "Patient?pet=dog") == ["bob"]
        assert ids(bob, "Patient?pet:missing=true") == []
        assert ids(bob, "Observation?subject:Patient.pet=cat") == []
        assert ids(bob, "Observation?place.serial=abc") == []
        assert ids(bob, "Organization?_id=north&_revinclude=Patient:sponsor") == ["north"]
        assert ids(bob, "Organization?_has:Patient:sponsor:pet=cat") == []
        assert bob.get("Patient?pet=cat&_total=accurate").json()["total"] == 0


def test_another_tenant_has_no_such_parameter(client: httpx.Client, record: httpx.Client) -> None:
    assert ids(record, "Patient?pet=cat") == ["ann"]
    answer = client.get("Patient?pet=cat")
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["code"] == "not-supported"
    assert answer.json() == client.get("Patient?pet=cat").json()


def test_the_statement_names_it_to_its_tenant_alone(
    server: RunningServer, client: httpx.Client, record: httpx.Client
) -> None:
    def codes(http: httpx.Client) -> set[str]:
        resources = http.get("metadata").json()["rest"][0]["resource"]
        (patient,) = (one for one in resources if one["type"] == "Patient")
        return {one["name"] for one in patient["searchParam"]}

    assert answer_of(record, "Patient?pet=x").status_code == 200
    assert "pet" in codes(record)
    assert "pet" not in codes(client)
    with server.client(None) as stranger:
        assert "pet" not in codes(stranger)
    with server.client("bhr_at_default_" + "x" * 43) as liar:
        assert "pet" not in codes(liar)


def test_until_its_index_is_complete_a_parameter_is_refused(client: httpx.Client) -> None:
    put(client, *RECORD[:3])
    (id,) = add(client, PARAMETERS[0])
    for path in ("Patient?pet=dog", "Patient?_sort=pet", "Patient?_filter=pet eq dog", "Observation?subject.pet=dog"):
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert answer.json()["issue"][0]["code"] == "transient"
        assert "% done" in answer.json()["issue"][0]["diagnostics"]
        assert int(answer.headers["Retry-After"]) > 0
    lenient = client.get("Patient?pet=dog", headers={"Prefer": "handling=lenient"})
    assert lenient.status_code == 503
    wait_until_complete(client, id)
    assert ids(client, "Patient?pet=dog") == ["ann"]
