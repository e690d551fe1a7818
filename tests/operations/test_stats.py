"""Observation/$stats (observation-operation-stats.html)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from bhr_api.fhir import json_text
from bhr_api.fhir.validation import validate
from tests.fixtures.server import RunningServer
from tests.operations.records import (
    LOINC,
    Resource,
    audited,
    observation,
    parameters,
    patient,
    put,
    reference,
    whats_of,
)

MakeClient = Callable[..., httpx.Client]
STATS = f"/Observation/$stats?subject=Patient/own&system={LOINC}&code=29463-7"
UCUM = "http://unitsofmeasure.org"


def quantity(value: float, code: str = "kg") -> Resource:
    return {"value": value, "unit": code, "system": UCUM, "code": code}


def concept(code: str) -> Resource:
    return {"coding": [{"system": LOINC, "code": code}]}


def weight(id: str, value: float, of: str = "own", **more: Any) -> Resource:
    given: Resource = {"code": concept("29463-7"), "effectiveDateTime": "2024-05-01", "valueQuantity": quantity(value)}
    return observation(id, of, **{**given, **more})


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    put(client, patient("own"), patient("other"))
    put(client, weight("w1", 80, effectiveDateTime="2024-05-01"), weight("w2", 82.5, effectiveDateTime="2024-05-03"))
    put(client, weight("x", 60, of="other"))
    return client


def told(answer: httpx.Response) -> list[Resource]:
    assert answer.status_code == 200, answer.text
    return [part["resource"] for part in answer.json()["parameter"] if part["name"] == "statistics"]


def figures_in(statistics: Resource) -> dict[str, float | None]:
    return {
        component["code"]["coding"][0]["code"] + component["code"].get("text", ""): component.get(
            "valueQuantity", {"value": None}
        )["value"]
        for component in statistics["component"]
    }


def test_statistics_are_an_observation_with_components(record: httpx.Client) -> None:
    (found,) = told(record.get(f"{STATS}&statistic=average,count&statistic=maximum"))
    assert (found["status"], found["code"], found["subject"]) == (
        "final",
        concept("29463-7"),
        reference("Patient/own"),
    )
    assert figures_in(found) == {"average": 81.25, "count": 2, "maximum": 82.5}
    assert found["component"][0]["valueQuantity"] == quantity(81.25)
    assert [issue for issue in validate(json_text.parse(json_text.dumps(found))) if issue.severity == "error"] == []


def test_another_patients_measurements_are_none(record: httpx.Client, client_with: MakeClient) -> None:
    token = client_with("patient/*.cruds", patient="own")
    hidden, absent = (token.get(f"{STATS.replace('own', id)}&statistic=total-count") for id in ("other", "none"))
    assert hidden.text.replace("other", "none") == absent.text
    assert figures_in(told(hidden)[0]) == {"total-count": 0}


def test_another_tenants_measurements_are_none(record: httpx.Client, server: RunningServer) -> None:
    with server.client(server.token(server.new_tenant())) as stranger:
        assert figures_in(told(stranger.get(f"{STATS}&statistic=total-count"))[0]) == {"total-count": 0}


@pytest.mark.parametrize(("scope", "status"), [("system/Observation.s", 200), ("system/Observation.r", 403)])
def test_it_asks_for_the_scope_of_a_search(
    record: httpx.Client, client_with: MakeClient, scope: str, status: int
) -> None:
    assert client_with(scope).get(f"{STATS}&statistic=count").status_code == status


def test_what_is_in_error_is_left_out(record: httpx.Client) -> None:
    put(record, weight("wrong", 800, status="entered-in-error"))
    assert figures_in(told(record.get(f"{STATS}&statistic=total-count"))[0]) == {"total-count": 2}


@pytest.mark.parametrize(
    "invalid",
    [
        pytest.param({"valueQuantity": None, "dataAbsentReason": concept("x")}, id="no-value"),
        pytest.param({"valueQuantity": {**quantity(1), "comparator": "<"}}, id="a-bound"),
        pytest.param({"valueQuantity": {"value": 1, "unit": "kg"}}, id="no-ucum"),
        pytest.param({"valueQuantity": None, "valueString": "heavy"}, id="no-quantity"),
        pytest.param(
            {"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}, id="modifier-extension"
        ),
    ],
)
def test_what_has_no_valid_value_counts_in_total_only(record: httpx.Client, invalid: Resource) -> None:
    odd = {name: value for name, value in weight("odd", 1, **invalid).items() if value is not None}
    put(record, odd)
    found = figures_in(told(record.get(f"{STATS}&statistic=count,total-count,sum"))[0])
    assert found == {"count": 2, "total-count": 3, "sum": 162.5}


def test_units_of_one_dimension_are_converted_to_the_newest(record: httpx.Client) -> None:
    put(record, weight("w0", 0, effectiveDateTime="2023", valueQuantity=quantity(81000, "g")))
    (found,) = told(record.get(f"{STATS}&statistic=minimum,median"))
    assert figures_in(found) == {"minimum": 80, "median": 81}
    assert found["component"][0]["valueQuantity"]["code"] == "kg"


def test_units_that_do_not_agree_are_refused(record: httpx.Client) -> None:
    put(record, weight("w0", 0, valueQuantity=quantity(3, "{score}")))
    answer = record.get(f"{STATS}&statistic=average")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "business-rule")


def test_units_of_what_is_derived(record: httpx.Client) -> None:
    (found,) = told(record.get(f"{STATS}&statistic=variance,regression,skew"))
    assert [component["valueQuantity"]["code"] for component in found["component"]] == ["kg.kg", "kg/d", "kg", "1"]
    assert figures_in(found) == {"variance": 3.125, "regressiongradient": 1.25, "regressionintercept": 80, "skew": 0}


def test_what_is_not_defined_says_so(record: httpx.Client) -> None:
    (found,) = told(record.get(f"{STATS.replace('29463-7', 'none')}&statistic=average"))
    assert found["component"][0]["dataAbsentReason"]["coding"][0]["code"] == "not-applicable"


def test_a_period_is_reckoned_over_and_told(record: httpx.Client) -> None:
    period = {"start": "2024-05-02", "end": "2024-05-03"}
    body = parameters(
        subject={"valueUri": "Patient/own"},
        coding={"valueCoding": {"system": LOINC, "code": "29463-7"}},
        period={"valuePeriod": period},
        statistic={"valueCode": "sum"},
    )
    (found,) = told(record.post("/Observation/$stats", json=body))
    assert (figures_in(found), found["effectivePeriod"]) == ({"sum": 82.5}, period)


def test_a_duration_is_the_last_hours(record: httpx.Client) -> None:
    for id, hours in (("h1", 1), ("h3", 3)):
        put(record, weight(id, 90, effectiveDateTime=(datetime.now(UTC) - timedelta(hours=hours)).isoformat()))
    (found,) = told(record.get(f"{STATS}&statistic=count&duration=2"))
    assert figures_in(found) == {"count": 1}
    assert found["effectivePeriod"].keys() == {"start", "end"}


def pressure(id: str, systolic: float, diastolic: float, **more: Any) -> Resource:
    parts = [("8480-6", systolic), ("8462-4", diastolic)]
    component = [{"code": concept(code), "valueQuantity": quantity(value, "mm[Hg]")} for code, value in parts]
    return observation(id, code=concept("85354-9"), component=component, **more)


def test_a_code_counts_in_components_too(record: httpx.Client) -> None:
    put(record, pressure("p1", 120, 80), pressure("p2", 130, 90))
    put(record, observation("alone", code=concept("8480-6"), valueQuantity=quantity(140, "mm[Hg]")))
    (found,) = told(record.get(f"{STATS.replace('29463-7', '8480-6')}&statistic=average,count"))
    assert figures_in(found) == {"average": 130, "count": 3}


def test_a_panel_stands_for_its_parts(record: httpx.Client) -> None:
    """R4: "85354-9(Blood pressure panel ...), the stats operation returns statistics for each of the individual panel"."""
    put(record, pressure("p1", 120, 80), pressure("p2", 130, 90))
    found = told(record.get(f"{STATS.replace('29463-7', '85354-9')}&statistic=average"))
    averages = {one["code"]["coding"][0]["code"]: figures_in(one)["average"] for one in found}
    assert averages == {"8480-6": 125, "8462-4": 85}


def test_a_panels_members_count_once(record: httpx.Client) -> None:
    put(record, observation("m", code=concept("8480-6"), valueQuantity=quantity(100, "mm[Hg]")))
    put(record, observation("foreign", "other", code=concept("8480-6"), valueQuantity=quantity(1, "mm[Hg]")))
    members = [reference(f"Observation/{id}") for id in ("m", "foreign")]
    put(record, *(observation(id, code=concept("55417-0"), hasMember=members) for id in ("n1", "n2")))
    asked = f"{STATS.replace('29463-7', '55417-0')}&code=8480-6&statistic=count,sum"
    assert [figures_in(one) for one in told(record.get(asked))] == [{"count": 1, "sum": 100}]


def test_sources_come_along_up_to_the_limit(record: httpx.Client) -> None:
    def sources(asked: str) -> list[str]:
        answer = record.get(f"{STATS}&statistic=count&{asked}").json()
        return [part["resource"]["id"] for part in answer["parameter"] if part["name"] == "source"]

    assert sources("include=true") == ["w2", "w1"]
    assert sources("include=true&limit=1") == ["w2"]
    assert sources("include=false&limit=nonsense") == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (f"system={LOINC}&code=x&statistic=count", "required"),
        ("subject=Patient/own&statistic=count", "required"),
        ("subject=Patient/own&code=x&statistic=count", "required"),
        (f"subject=Patient/own&system={LOINC}&code=x", "required"),
        (f"subject=Patient/own&system={LOINC}&code=x&statistic=mean", "value"),
        (f"subject=Patient/own&system={LOINC}&code=x&statistic=count&duration=-1", "value"),
        (f"subject=Patient/own&system={LOINC}&code=x&statistic=count&duration=1e99", "value"),
        (f"subject=Patient/own&system={LOINC}&code=x&statistic=count&period=2024", "value"),
        (f"subject=Patient/own&system={LOINC}&code=x&statistic=count&include=perhaps", "value"),
        ("subject=Patient/own&coding=x|y&statistic=count", "value"),
        (f"subject=Patient/own&system={LOINC}&code=x&statistic=count&date=2024", "value"),
    ],
)
def test_what_lacks_or_is_wrong_is_refused(record: httpx.Client, asked: str, code: str) -> None:
    answer = record.get(f"/Observation/$stats?{asked}")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, code)


def test_a_comma_in_a_subject_is_no_list_of_subjects(record: httpx.Client) -> None:
    answer = record.get(f"{STATS.replace('Patient/own', 'Patient/own,Patient/other')}&statistic=count")
    assert answer.status_code == 400


def test_the_disclosure_is_audited(record: httpx.Client) -> None:
    record.get(f"{STATS}&statistic=count")
    (event,) = audited(record, "$stats")
    assert whats_of(event) == {"Patient/own"}


def test_a_batch_may_hold_it(record: httpx.Client) -> None:
    entry = {"request": {"method": "GET", "url": f"{STATS}&statistic=count"}}
    answer = record.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]}).json()
    assert answer["entry"][0]["response"]["status"] == "200"
