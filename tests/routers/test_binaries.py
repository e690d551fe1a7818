"""Binary in its own format (FHIR R4, binary.html#rest)."""

from base64 import b64decode, b64encode
from typing import Any

import httpx
import pytest

PAGE = b"<script>alert(1)</script>"
PNG = {"Content-Type": "image/png", "X-Security-Context": "Patient/a"}


def test_raw_content_is_stored_as_a_binary(client: httpx.Client) -> None:
    answer = client.post("/Binary", content=b"\x89PNG", headers=PNG)
    assert answer.status_code == 201, answer.text
    kept = client.get(f"/Binary/{answer.json()['id']}").json()
    assert (kept["contentType"], b64decode(kept["data"])) == ("image/png", b"\x89PNG")
    assert kept["securityContext"] == {"reference": "Patient/a"}


def test_a_binary_is_read_as_it_is(client: httpx.Client) -> None:
    client.put("/Binary/scan", content=b"\x89PNG", headers=PNG)
    answer = client.get("/Binary/scan", headers={"Accept": "image/png"})
    assert (answer.status_code, answer.content) == (200, b"\x89PNG")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-security-context"] == "Patient/a"
    assert answer.headers["etag"] == 'W/"1"'
    past = client.get("/Binary/scan/_history/1", headers={"Accept": "image/*"})
    assert past.content == b"\x89PNG"


@pytest.mark.parametrize("accept", ["*/*", "application/fhir+json", "text/html,*/*;q=0.8"])
def test_who_takes_fhir_gets_the_resource(client: httpx.Client, accept: str) -> None:
    client.put("/Binary/scan", content=b"\x89PNG", headers=PNG)
    answer = client.get("/Binary/scan", headers={"Accept": accept})
    assert answer.json()["resourceType"] == "Binary"


def test_fhir_in_xml_is_not_served_for_it_either(client: httpx.Client) -> None:
    client.put("/Binary/scan", content=b"\x89PNG", headers=PNG)
    assert client.get("/Binary/scan", headers={"Accept": "application/fhir+xml"}).status_code == 406
    assert client.get("/Patient/none", headers={"Accept": "image/png"}).status_code == 406


def test_a_page_among_the_binaries_is_never_one_of_this_server_s(client: httpx.Client) -> None:
    client.put("/Binary/page", content=PAGE, headers={"Content-Type": "text/html"})
    answer = client.get("/Binary/page", headers={"Accept": "text/html"})
    assert answer.content == PAGE
    assert answer.headers["content-disposition"] == "attachment"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_json_that_is_no_resource_is_still_refused(client: httpx.Client) -> None:
    assert client.post("/Binary", json={"a": 1}).status_code in (400, 422)
    assert client.post("/Binary", content=b"x", headers={"Content-Type": ""}).status_code in (400, 415)


def test_another_tenant_and_a_token_without_scope_get_nothing(
    client: httpx.Client, server: Any, client_with: Any
) -> None:
    client.put("/Binary/scan", content=b"\x89PNG", headers=PNG)
    with server.client(server.token(server.new_tenant())) as other:
        assert other.get("/Binary/scan", headers={"Accept": "image/png"}).status_code == 404
    assert client_with("system/Patient.r").get("/Binary/scan", headers={"Accept": "image/png"}).status_code == 403


def test_a_binary_resource_is_taken_as_before(client: httpx.Client) -> None:
    data = b64encode(b"text").decode()
    sent = {"resourceType": "Binary", "id": "note", "contentType": "text/plain", "data": data}
    assert client.put("/Binary/note", json=sent).status_code == 201
    assert client.get("/Binary/note", headers={"Accept": "text/plain"}).content == b"text"


@pytest.mark.parametrize("part", ["_summary=true", "_summary=text", "_elements=id", "_elements=contentType"])
def test_raw_content_has_no_parts(client: httpx.Client, part: str) -> None:
    client.put("/Binary/scan", content=b"\x89PNG", headers=PNG)
    for address in ("/Binary/scan", "/Binary/scan/_history/1"):
        answer = client.get(f"{address}?{part}", headers={"Accept": "image/png"})
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "value")
        assert client.get(f"{address}?{part}").json()["contentType"] == "image/png"


def test_raw_content_is_whole_where_all_is_asked_for(client: httpx.Client) -> None:
    client.put("/Binary/scan", content=b"\x89PNG", headers=PNG)
    answer = client.get("/Binary/scan?_summary=false&_elements=", headers={"Accept": "image/png"})
    assert answer.content == b"\x89PNG"
