"""import and export: files in, the same files out."""

import bz2
import gzip
import json
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import CommandLine

Resource = dict[str, Any]


def goal(id: str, **more: Any) -> Resource:
    return {
        "resourceType": "Goal",
        "id": id,
        "lifecycleStatus": "active",
        "description": {"text": "Sleep seven hours"},
        "subject": {"reference": "Patient/p1"},
        **more,
    }


PATIENT: Resource = {"resourceType": "Patient", "id": "p1", "name": [{"family": "Example"}]}


def ndjson(*resources: Any) -> bytes:
    return b"".join(json.dumps(resource).encode() + b"\n" for resource in resources)


def bundle(kind: str, *entries: Resource) -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": list(entries)}).encode()


def test_imported_resources_have_their_ids_and_are_found(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    # The goal comes first: what it points at need not be there yet.
    (tmp_path / "records.ndjson").write_bytes(ndjson(goal("g1"), PATIENT))
    bhr_api.output("import", "records.ndjson", "--tenant", tenant)
    found = client.get("/Goal?patient=p1").json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["g1"]
    assert found["entry"][0]["resource"]["meta"]["versionId"] == "1"


def test_a_resource_without_an_id_gets_one(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    (tmp_path / "one.ndjson").write_bytes(ndjson({"resourceType": "Patient"}))
    bhr_api.output("import", "one.ndjson", "--tenant", tenant)
    (entry,) = client.get("/Patient").json()["entry"]
    assert len(entry["resource"]["id"]) == 36


def test_a_later_line_about_a_resource_is_its_next_version(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    (tmp_path / "twice.ndjson").write_bytes(ndjson(PATIENT, {**PATIENT, "active": True}))
    bhr_api.output("import", "twice.ndjson", "--tenant", tenant)
    stored = client.get("/Patient/p1").json()
    assert (stored["meta"]["versionId"], stored["active"]) == ("2", True)


def test_a_refused_line_is_told_and_holds_up_no_other(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    lines = [
        ndjson(PATIENT),
        b'{"resourceType": "Patient", "id": "broken"\n',
        ndjson({**goal("g1"), "lifecycleStatus": "someday"}, {"resourceType": "Unicorn"}),
        ndjson({"resourceType": "AuditEvent", "id": "a1"}, goal("g2")),
    ]
    (tmp_path / "mixed.ndjson").write_bytes(b"".join(lines))
    line = bhr_api.refusal("import", "mixed.ndjson", "--tenant", tenant, "--errors", "refused.ndjson")
    assert line == "4 refused; refused.ndjson tells which and why."
    outcomes = [json.loads(text) for text in (tmp_path / "refused.ndjson").read_text().splitlines()]
    assert [outcome["issue"][0]["diagnostics"].split(": ")[0] for outcome in outcomes] == [
        f"mixed.ndjson:{number}" for number in (2, 3, 4, 5)
    ]
    assert outcomes[1]["issue"][0]["expression"] == ["Goal.lifecycleStatus"]
    assert client.get("/Goal/g2").status_code == 200
    assert client.get("/Patient/p1").status_code == 200


def test_the_file_of_refusals_is_its_owners_alone(bhr_api: CommandLine, tenant: str, tmp_path: Path) -> None:
    (tmp_path / "bad.ndjson").write_bytes(b"{}\n")
    bhr_api.refusal("import", "bad.ndjson", "--tenant", tenant)
    assert stat.S_IMODE((tmp_path / "import-errors.ndjson").stat().st_mode) == 0o600


def test_a_transaction_is_carried_out_as_a_whole(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    uuid = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    patient = {"resourceType": "Patient"}
    entries: list[Resource] = [
        {"fullUrl": uuid, "resource": patient, "request": {"method": "POST", "url": "Patient"}},
        {
            "resource": goal("g1", subject={"reference": uuid}),
            "request": {"method": "PUT", "url": "Goal/g1"},
        },
    ]
    (tmp_path / "whole.json").write_bytes(bundle("transaction", *entries))
    broken = {"resource": {**goal("g2"), "subject": 1}, "request": {"method": "PUT", "url": "Goal/g2"}}
    lost = {"resource": PATIENT, "request": {"method": "PUT", "url": "Patient/p1"}}
    (tmp_path / "broken.json").write_bytes(bundle("transaction", lost, broken))
    bhr_api.refusal("import", str(tmp_path), "--tenant", tenant)
    stored = client.get("/Goal/g1").json()
    assert client.get(f"/{stored['subject']['reference']}").status_code == 200
    assert client.get("/Patient/p1").status_code == 404


def test_of_a_batch_the_refused_entries_are_told(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    entries: list[Resource] = [
        {"resource": {**PATIENT, "gender": "?"}, "request": {"method": "PUT", "url": "Patient/p1"}},
        {"resource": goal("g1"), "request": {"method": "PUT", "url": "Goal/g1"}},
    ]
    (tmp_path / "batch.json").write_bytes(bundle("batch", *entries))
    assert bhr_api.refusal("import", "batch.json", "--tenant", tenant).startswith("1 refused")
    assert "batch.json Bundle.entry[0]: " in (tmp_path / "import-errors.ndjson").read_text()
    assert client.get("/Goal/g1").status_code == 200


def test_of_a_collection_each_resource_is_stored_and_its_references_follow(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    uuid = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    entries: list[Resource] = [
        {"resource": goal("g1", subject={"reference": uuid})},
        {"resource": {"resourceType": "Goal", "id": "broken"}},
        {"fullUrl": uuid, "resource": PATIENT},
    ]
    (tmp_path / "collection.json").write_bytes(bundle("collection", *entries))
    assert bhr_api.refusal("import", "collection.json", "--tenant", tenant).startswith("1 refused")
    assert client.get("/Goal/g1").json()["subject"] == {"reference": "Patient/p1"}


def test_a_document_bundle_is_a_record_itself(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    stored = {"resourceType": "Bundle", "id": "b1", "type": "history"}
    (tmp_path / "kept.json").write_bytes(json.dumps(stored).encode())
    bhr_api.output("import", "kept.json", "--tenant", tenant)
    assert client.get("/Bundle/b1").json()["type"] == "history"


@pytest.mark.parametrize(("suffix", "pack"), [("ndjson.gz", gzip.compress), ("ndjson.bz2", bz2.compress)])
def test_packed_files_are_unpacked(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path, suffix: str, pack: Any
) -> None:
    (tmp_path / f"patients.{suffix}").write_bytes(pack(ndjson(PATIENT)))
    bhr_api.output("import", str(tmp_path), "--tenant", tenant)
    assert client.get("/Patient/p1").status_code == 200


def test_a_cut_off_gzip_file_is_told(bhr_api: CommandLine, tenant: str, tmp_path: Path) -> None:
    (tmp_path / "cut.ndjson.gz").write_bytes(gzip.compress(ndjson(PATIENT))[:-12])
    assert "cut.ndjson.gz is damaged" in bhr_api.refusal("import", "cut.ndjson.gz", "--tenant", tenant)


@pytest.mark.parametrize(
    ("path", "reason"), [("absent.ndjson", "There is no absent"), ("notes.txt", "notes.txt is none of .ndjson")]
)
def test_what_is_no_file_to_import_is_refused(bhr_api: CommandLine, tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "notes.txt").touch()
    assert bhr_api.refusal("import", path).startswith(reason)


def test_imported_versions_are_audited(bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path) -> None:
    (tmp_path / "two.ndjson").write_bytes(ndjson(PATIENT, goal("g1")))
    bhr_api.output("import", "two.ndjson", "--tenant", tenant)
    events = client.get("/AuditEvent?entity=Goal/g1").json()["entry"]
    assert "command-line" in json.dumps(events)


def test_an_export_is_one_private_file_for_each_type(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    for id in ("g1", "g2"):
        client.put(f"/Goal/{id}", json=goal(id)).raise_for_status()
    client.put("/Patient/p1", json=PATIENT).raise_for_status()
    client.put("/Patient/p2", json={"resourceType": "Patient", "id": "p2"}).raise_for_status()
    client.delete("/Patient/p2").raise_for_status()
    bhr_api.output("export", "out", "--tenant", tenant)
    files = {file.name: len(file.read_text().splitlines()) for file in (tmp_path / "out").iterdir()}
    assert files == {"Goal.ndjson": 2, "Patient.ndjson": 1}
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "out").iterdir()} == {0o600}


def test_an_exported_resource_is_the_bytes_that_are_stored(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    sent = b'{"resourceType":"Goal" , "id":"g1","lifecycleStatus":"active","description":{"text":"Schlaf \\u00fc 7 h"},'
    sent += '"subject":{"reference":"Patient/p1"}, "note":[{"text":"ü"}]}'.encode()
    client.put("/Goal/g1", content=sent).raise_for_status()
    bhr_api.output("export", "out", "--tenant", tenant, "--type", "Goal")
    assert (tmp_path / "out" / "Goal.ndjson").read_bytes() == client.get("/Goal/g1").content + b"\n"


def test_a_resource_sent_with_line_breaks_is_one_line_with_its_digits(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    observation = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"text": "Hours of sleep\nlast night"},
        "valueQuantity": {"value": 0},
    }
    sent = json.dumps(observation, indent=2).replace('"value": 0', '"value": 7.50')
    client.put("/Observation/o1", content=sent.encode()).raise_for_status()
    bhr_api.output("export", "out", "--tenant", tenant)
    (line,) = (tmp_path / "out" / "Observation.ndjson").read_bytes().splitlines()
    assert b'"value":7.50' in line
    assert json.loads(line)["code"] == observation["code"]


def test_what_was_exported_imports_into_another_tenant(
    bhr_api: CommandLine, client: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    client.put("/Patient/p1", json=PATIENT).raise_for_status()
    client.put("/Goal/g1", json=goal("g1")).raise_for_status()
    bhr_api.output("export", "out", "--tenant", tenant)
    copy = f"{tenant}-copy"
    bhr_api.output("tenants", "add", copy)
    bhr_api.output("import", "out", "--tenant", copy)
    bhr_api.output("export", "again", "--tenant", copy)
    for name in ("Patient.ndjson", "Goal.ndjson"):
        first, second = (json.loads((tmp_path / folder / name).read_text()) for folder in ("out", "again"))
        assert first.pop("meta") != second.pop("meta")
        assert first == second


def test_an_export_goes_into_an_empty_directory(bhr_api: CommandLine, tenant: str, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "Goal.ndjson").touch()
    assert "full is not empty" in bhr_api.refusal("export", "full", "--tenant", tenant)


def test_an_export_is_audited(bhr_api: CommandLine, client: httpx.Client, tenant: str) -> None:
    bhr_api.output("export", "out", "--tenant", tenant, "--type", "Goal")
    assert '"export"' in client.get("/AuditEvent").text


def test_a_type_that_r4_has_not_is_refused(bhr_api: CommandLine) -> None:
    assert bhr_api.refusal("export", "out", "--type", "goal").startswith("'goal' is no R4 resource type")
