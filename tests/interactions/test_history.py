"""history (FHIR R4, http.html#history)."""

from typing import Any

import asyncpg
import httpx

from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer


def put(client: httpx.Client, id: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.put(f"/Patient/{id}", json={"resourceType": "Patient", "id": id, **more}).json()
    return answer


def versions(bundle: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (entry["fullUrl"].rpartition("/")[2], entry["response"]["etag"].strip('W/"'))
        for entry in bundle.get("entry", [])
    ]


def test_the_history_of_an_instance_is_newest_first(client: httpx.Client) -> None:
    put(client, "p1")
    put(client, "p1", gender="male")
    client.delete("/Patient/p1")
    bundle = client.get("/Patient/p1/_history").json()
    assert bundle["type"] == "history"
    assert versions(bundle) == [("p1", "3"), ("p1", "2"), ("p1", "1")]
    assert [entry["request"]["method"] for entry in bundle["entry"]] == ["DELETE", "PUT", "PUT"]
    assert "resource" not in bundle["entry"][0]


def test_every_version_can_be_read(client: httpx.Client) -> None:
    first = put(client, "p1")
    put(client, "p1", gender="male")
    client.delete("/Patient/p1")
    assert client.get("/Patient/p1/_history/1").json() == first
    assert client.get("/Patient/p1/_history/2").json()["gender"] == "male"
    assert client.get("/Patient/p1/_history/3").status_code == 410
    assert client.get("/Patient/p1/_history/4").status_code == 404
    assert client.get("/Patient/p1/_history/x").status_code == 404


def test_history_pages_hold_every_version_once(client: httpx.Client) -> None:
    for number in range(5):
        put(client, "p1", multipleBirthInteger=number)
        put(client, f"other{number}")
    for path in ("/Patient/p1/_history", "/Patient/_history", "/_history"):
        whole = versions(client.get(path).json())
        walked: list[tuple[str, str]] = []
        url: str | None = f"{path}?_count=2"
        while url:
            page = client.get(url).json()
            walked += versions(page)
            url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
        assert walked == whole
        assert len(set(walked)) == len(walked) == (5 if "p1" in path else 10)


def test_since_leaves_out_what_is_older(client: httpx.Client) -> None:
    put(client, "p1")
    second = put(client, "p1", gender="male")
    bundle = client.get("/Patient/p1/_history", params={"_since": second["meta"]["lastUpdated"]}).json()
    assert versions(bundle) == [("p1", "2")]


def test_at_finds_the_version_that_was_current(client: httpx.Client) -> None:
    first = put(client, "p1")
    put(client, "p1", gender="male")
    bundle = client.get("/Patient/p1/_history", params={"_at": first["meta"]["lastUpdated"]}).json()
    assert versions(bundle) == [("p1", "1")]


def test_a_version_ends_with_the_next_one_that_an_erasure_left(client: httpx.Client, server: RunningServer) -> None:
    first, _, third = (put(client, "gap", gender=gender) for gender in ("male", "female", "other"))

    async def erase(connection: asyncpg.Connection) -> None:
        await connection.execute("DELETE FROM resource_history WHERE id = 'gap' AND version = 2")

    on_database(server.dsn, erase)

    def at(moment: str) -> list[tuple[str, str]]:
        return versions(client.get("/Patient/gap/_history", params={"_at": moment}).json())

    assert at(first["meta"]["lastUpdated"]) == [("gap", "1")]
    assert at(third["meta"]["lastUpdated"]) == at("2099") == [("gap", "3")]


def test_the_history_of_an_unknown_instance_is_not_found(client: httpx.Client) -> None:
    assert client.get("/Patient/nobody/_history").status_code == 404


def test_a_cursor_serves_its_own_query_only(client: httpx.Client) -> None:
    for _ in range(3):
        put(client, "p1")
    page = client.get("/Patient/p1/_history?_count=1").json()
    cursor = page["link"][-1]["url"].rpartition("_cursor=")[2]
    assert client.get(f"/Patient/_history?_count=1&_cursor={cursor}").status_code == 400
