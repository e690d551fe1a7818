"""import, check and reindex where BHR_REFERENTIAL_INTEGRITY asks for something (docs/references.md)."""

import json
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import CommandLine
from tests.interactions.integrity_cases import Resource, entry, goal, observation, put, to, transaction

PATIENT: Resource = {"resourceType": "Patient", "id": "p"}


def ndjson(*resources: Resource) -> bytes:
    return b"".join(json.dumps(resource).encode() + b"\n" for resource in resources)


@pytest.fixture(params=["on-write", "strict"])
def integrity(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each setting that looks at references."""
    value = str(request.param)
    monkeypatch.setenv("BHR_REFERENTIAL_INTEGRITY", value)
    return value


@pytest.mark.usefixtures("integrity")
def test_references_within_an_import_may_lead_forward(bhr_api: CommandLine, tenant: str, tmp_path: Path) -> None:
    """From line to line, from file to file, in circles, and from a transaction, which is carried out before them."""
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "a.json").write_bytes(
        json.dumps(transaction(entry("POST", "Observation", observation(subject=to("Patient/p"))))).encode()
    )
    circle = [observation(id="x", focus=[to("Observation/y")]), observation(id="y", focus=[to("Observation/x")])]
    (tmp_path / "records" / "b.ndjson").write_bytes(ndjson({**goal("Patient/p"), "id": "g"}, *circle))
    (tmp_path / "records" / "c.ndjson").write_bytes(ndjson(PATIENT))
    outcome = bhr_api.run("import", "records", "--tenant", tenant)
    assert (outcome.exit_code, "Stored 5 resources" in outcome.stderr) == (0, True), outcome.stderr


@pytest.mark.usefixtures("integrity")
def test_a_reference_that_leads_nowhere_at_the_end_is_told_of_with_its_line(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    lines = [{**goal("Patient/p"), "id": "g"}, observation(id="o", subject=to("Patient/none")), PATIENT]
    (tmp_path / "records.ndjson").write_bytes(ndjson(*lines))
    told = bhr_api.refusal("import", "records.ndjson", "--tenant", tenant)
    assert told == "0 refused, 1 stored references lead nowhere; import-errors.ndjson tells which and why."
    (outcome,) = [json.loads(line) for line in Path("import-errors.ndjson").read_text().splitlines()]
    (issue,) = outcome["issue"]
    assert (issue["severity"], issue["code"], issue["expression"]) == ("warning", "not-found", ["Observation.subject"])
    assert issue["diagnostics"].startswith("records.ndjson:2: Stored, but with a reference that leads nowhere")
    assert "Patient/none" in issue["diagnostics"]
    assert client.get("Observation/o").status_code == 200


def test_without_the_setting_nothing_is_told(bhr_api: CommandLine, tenant: str, tmp_path: Path) -> None:
    (tmp_path / "records.ndjson").write_bytes(ndjson(observation(id="o", subject=to("Patient/none"))))
    assert bhr_api.run("import", "records.ndjson", "--tenant", tenant).exit_code == 0


def test_after_the_change_to_strict_a_reindex_is_asked_for_and_enough(
    bhr_api: CommandLine,
    client: httpx.Client,
    strict_client: httpx.Client,
    tenant: str,
    server_base_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`client` writes by a server without the setting; `author` has no search parameter."""
    client.put("Patient/p", json=PATIENT)
    put(client, "Observation", "o", **observation(note=[{"text": "x", "authorReference": to("Patient/p")}]))
    assert strict_client.delete("Patient/p").status_code == 503
    monkeypatch.setenv("BHR_REFERENTIAL_INTEGRITY", "strict")
    report = bhr_api.run("check").stdout
    assert f"{tenant}" in next(line for line in report.splitlines() if "References" in line and "PROBLEM" in line)
    told = bhr_api.run("reindex", "--tenant", tenant, "--public-url", server_base_url).stderr
    assert "Indexed 2 resources anew." in told
    assert strict_client.delete("Patient/p").status_code == 409
    (line,) = [line for line in bhr_api.run("check").stdout.splitlines() if "References" in line]
    assert tenant not in line
    # Back and forth: what is written without the setting is missed again, and known to be.
    monkeypatch.setenv("BHR_REFERENTIAL_INTEGRITY", "off")
    assert "Indexed 2 resources" in bhr_api.run("reindex", "--tenant", tenant, "--all").stderr
    assert strict_client.delete("Patient/p").status_code == 503


def test_without_strict_check_does_not_ask_for_references(bhr_api: CommandLine) -> None:
    assert "References" not in bhr_api.run("check").stdout
