"""read and vread (FHIR R4, http.html#read)."""

import httpx


def test_what_was_created_reads_back(client: httpx.Client) -> None:
    created = client.post("/Patient", json={"resourceType": "Patient", "birthDate": "1990-02"})
    read = client.get(f"/Patient/{created.json()['id']}")
    assert created.status_code == 201
    assert read.json() == created.json()
    assert read.headers["etag"] == 'W/"1"'


def test_an_unknown_id_is_not_found(client: httpx.Client) -> None:
    answer = client.get("/Patient/nobody")
    assert answer.status_code == 404
    assert answer.json()["issue"][0]["code"] == "not-found"
