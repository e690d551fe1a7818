"""A search that would be too expensive is cut by the time limit of statements and refused; never a part of an answer."""

import socket
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from bhr_api.app import Application
from bhr_api.settings import Settings
from tests.fixtures.server import RunningServer, serve
from tests.operations.records import Resource
from tests.search_plans.kinds import PATIENT, SURVEY
from tests.search_plans.planned_record import LARGEST

pytestmark = pytest.mark.xdist_group("planned record")

LIMIT_SECONDS = 0.2
# The text of each of 17,280 Observations, for words that none has.
COSTLY = "Observation?_content=xylophone"


@pytest.fixture(scope="module")
def limited(planned_dsn: str) -> Iterator[RunningServer]:
    """A server whose statements may take a fifth of a second."""
    listener = socket.create_server(("127.0.0.1", 0))
    settings = Settings(
        _env_file=None,
        port=listener.getsockname()[1],
        database_url=SecretStr(planned_dsn),
        statement_timeout_seconds=LIMIT_SECONDS,
        log_format="console",
    )
    running, thread = serve(Application(settings, planned_dsn), listener)
    yield RunningServer(settings.issuer, planned_dsn)
    running.should_exit = True
    thread.join(timeout=30)
    listener.close()


@pytest.fixture
def http(limited: RunningServer) -> Iterator[httpx.Client]:
    """Who may read all of the largest tenant."""
    with limited.client(limited.token(LARGEST, "system/*.rs")) as client:
        yield client


def issue_of(answer: httpx.Response) -> Resource:
    """The one issue of an OperationOutcome."""
    assert answer.json()["resourceType"] == "OperationOutcome"
    (issue,) = answer.json()["issue"]
    found: Resource = issue
    return found


@pytest.mark.parametrize("more", ["", "&_summary=count", "&_total=accurate", "&_sort=status", "&_include=*"])
def test_a_costly_search_is_refused_as_too_costly(http: httpx.Client, more: str) -> None:
    answer = http.get(f"/{COSTLY}{more}")
    assert answer.status_code == 422
    issue = issue_of(answer)
    assert (issue["severity"], issue["code"]) == ("error", "too-costly")
    assert "Narrow it" in issue["diagnostics"]
    # To wait would not help: the same request costs the same again.
    assert "retry-after" not in answer.headers


def test_it_is_cut_at_the_limit(http: httpx.Client) -> None:
    assert LIMIT_SECONDS <= http.get(f"/{COSTLY}").elapsed.total_seconds() < 10 * LIMIT_SECONDS


def test_what_narrows_it_gets_the_whole_answer(http: httpx.Client) -> None:
    bundle = http.get(f"/{COSTLY}&patient={PATIENT}&_total=accurate").json()
    assert (bundle["resourceType"], bundle["total"]) == ("Bundle", 0)


def test_the_connection_serves_the_next_request(http: httpx.Client) -> None:
    assert {http.get(f"/{COSTLY}").status_code for _ in range(12)} == {422}
    assert http.get(f"/Observation?patient={PATIENT}&_count=5").status_code == 200


def test_a_costly_entry_of_a_batch_is_refused_by_itself(http: httpx.Client) -> None:
    entries = [{"request": {"method": "GET", "url": url}} for url in (COSTLY, f"Patient/{PATIENT}")]
    answer = http.post("/", json={"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["422", "200"]


def test_explain_of_a_costly_search_tells_that_it_is_cut_and_what_would_help(http: httpx.Client) -> None:
    told = http.get(f"/{COSTLY.replace('?', '/$explain?')}").json()["parameter"]
    (statement,) = [one["part"] for one in told if one["name"] == "statement"]
    assert {"name": "isCut", "valueBoolean": True} in statement
    nodes = [one["part"] for one in statement if one["name"] == "node"]
    assert [{"name": "index", "valueString": "resource_row"} in node for node in nodes] == [True]
    advised = " ".join(one["valueString"] for one in told if one["name"] == "advice")
    assert "_content reads the text" in advised
    assert "patient=..." in advised


def test_explain_tells_what_so_many_resources_have_that_it_only_filters(http: httpx.Client) -> None:
    told = http.get("/Observation/$explain", params={"category": SURVEY, "code:not": "44261-6"}).json()["parameter"]
    criteria = [{part["name"]: part for part in one["part"]} for one in told if one["name"] == "criterion"]
    assert [(one["use"]["valueCode"], one["isHeavy"]["valueBoolean"]) for one in criteria] == [
        ("filters", True),
        ("filters", False),
    ]
