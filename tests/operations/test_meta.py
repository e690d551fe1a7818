"""$meta, $meta-add and $meta-delete (resource-operation-meta.html, -add, -delete)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from bhr_api.interactions.context import Context
from bhr_api.interactions.requests import Request
from bhr_api.operations import labels
from bhr_api.operations.meta import META, META_ADD
from tests.fixtures.record import open_record
from tests.fixtures.server import RunningServer
from tests.operations.records import Resource, audited, named, observation, parameters, patient, put, whats_of

MakeClient = Callable[..., httpx.Client]
TAG = {"system": "http://example.org/tags", "code": "lost"}
SECRET = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
PROFILE = "http://example.org/StructureDefinition/mine"


def meta_of(answer: httpx.Response) -> Resource:
    assert answer.status_code == 200, answer.text
    (parameter,) = answer.json()["parameter"]
    assert parameter["name"] == "return"
    found: Resource = parameter["valueMeta"]
    return found


def sent(**meta: Any) -> Resource:
    return parameters(meta={"valueMeta": meta})


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    put(client, patient("own", meta={"tag": [TAG]}), patient("other", meta={"security": [SECRET]}))
    put(client, observation("o", meta={"profile": [PROFILE]}))
    return client


def test_the_meta_is_that_of_the_resource(record: httpx.Client) -> None:
    answer = record.get("/Patient/own/$meta")
    assert meta_of(answer) == record.get("/Patient/own").json()["meta"]
    assert answer.headers["etag"] == 'W/"1"'


def test_the_meta_of_a_version_is_that_of_the_version(record: httpx.Client) -> None:
    record.post("/Patient/own/$meta-delete", json=sent(tag=[TAG]))
    past = record.get("/Patient/own/_history/1/$meta")
    assert (meta_of(past)["tag"], past.headers["etag"]) == ([TAG], 'W/"1"')
    assert "tag" not in meta_of(record.get("/Patient/own/_history/2/$meta"))
    assert record.get("/Patient/own/_history/3/$meta").status_code == 404


@pytest.mark.parametrize("operation", ["$everything", "$validate", "$meta-add"])
def test_a_version_has_no_other_operation(record: httpx.Client, operation: str) -> None:
    assert record.post(f"/Patient/own/_history/1/{operation}", json=sent(tag=[TAG])).status_code == 404


@pytest.mark.parametrize("operation", ["$meta", "$meta-add", "$meta-delete"])
def test_another_patients_resource_and_none_answer_alike(
    record: httpx.Client, client_with: MakeClient, operation: str
) -> None:
    token = client_with("patient/*.cruds", patient="own")
    hidden, absent = (token.post(f"/Patient/{id}/{operation}", **body(operation)) for id in ("other", "none"))
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("other", "none") == absent.text


def body(operation: str) -> dict[str, Any]:
    return {} if operation == "$meta" else {"json": sent(tag=[TAG])}


@pytest.mark.parametrize("operation", ["$meta", "$meta-add", "$meta-delete"])
def test_another_tenants_resource_is_none(record: httpx.Client, server: RunningServer, operation: str) -> None:
    with server.client(server.token(server.new_tenant())) as stranger:
        assert stranger.post(f"/Patient/own/{operation}", **body(operation)).status_code == 404


@pytest.mark.parametrize(
    ("scope", "operation", "status"),
    [
        ("system/Patient.r", "$meta", 200),
        ("system/Patient.s", "$meta", 403),
        ("system/Patient.r", "$meta-add", 403),
        ("system/Patient.u", "$meta-add", 403),
        ("system/Patient.ru", "$meta-add", 200),
        ("system/Patient.ru", "$meta-delete", 200),
        ("system/Observation.cruds", "$meta-delete", 403),
    ],
)
def test_each_asks_for_the_scopes_of_what_it_does(
    record: httpx.Client, client_with: MakeClient, scope: str, operation: str, status: int
) -> None:
    assert client_with(scope).post(f"/Patient/own/{operation}", **body(operation)).status_code == status


def test_adding_makes_a_version(record: httpx.Client) -> None:
    found = meta_of(record.post("/Patient/own/$meta-add", json=sent(security=[SECRET], profile=[PROFILE])))
    now = record.get("/Patient/own").json()["meta"]
    assert found == now
    assert (now["versionId"], now["tag"], now["security"], now["profile"]) == ("2", [TAG], [SECRET], [PROFILE])
    assert [entry["request"]["method"] for entry in record.get("/Patient/own/_history").json()["entry"]] == [
        "PATCH",
        "PUT",
    ]


def test_what_is_there_is_not_added_again(record: httpx.Client) -> None:
    """R4: "When matching existing tags during adding, version and display are ignored"."""
    again = {**TAG, "display": "Lost", "version": "2"}
    found = meta_of(record.post("/Patient/own/$meta-add", json=sent(tag=[again, again])))
    assert (found["tag"], found["versionId"]) == ([TAG], "1")


def test_deleting_takes_away_by_system_and_code(record: httpx.Client) -> None:
    other = {**TAG, "system": "http://example.org/others"}
    meta_of(record.post("/Patient/own/$meta-add", json=sent(tag=[other])))
    found = meta_of(record.post("/Patient/own/$meta-delete", json=sent(tag=[{**TAG, "display": "Lost"}])))
    assert (found["tag"], found["versionId"]) == ([other], "3")


def test_the_last_label_leaves_no_list(record: httpx.Client) -> None:
    found = meta_of(record.post("/Observation/o/$meta-delete", json=sent(profile=[PROFILE])))
    assert found.keys() == {"versionId", "lastUpdated"}


def test_deleting_what_is_not_there_is_no_error(record: httpx.Client) -> None:
    assert meta_of(record.post("/Patient/own/$meta-delete", json=sent(tag=[SECRET])))["versionId"] == "1"


def test_extensions_stay_with_their_profiles(record: httpx.Client) -> None:
    extension = {"extension": [{"url": "http://example.org/e", "valueBoolean": True}]}
    put(
        record, observation("o", meta={"profile": ["http://example.org/first", PROFILE], "_profile": [None, extension]})
    )
    found = meta_of(record.post("/Observation/o/$meta-add", json=sent(profile=["http://example.org/third"])))
    assert found["_profile"] == [None, extension, None]
    found = meta_of(record.post("/Observation/o/$meta-delete", json=sent(profile=["http://example.org/first"])))
    assert (found["profile"], found["_profile"]) == ([PROFILE, "http://example.org/third"], [extension, None])


def test_an_added_tag_is_searched_by(record: httpx.Client) -> None:
    record.post("/Observation/o/$meta-add", json=sent(tag=[TAG]))
    assert len(record.get("/Observation?_tag=http://example.org/tags|lost").json()["entry"]) == 1


@pytest.mark.parametrize("operation", ["$meta-add", "$meta-delete"])
@pytest.mark.parametrize(("version", "status"), [("1", 200), ("2", 412)])
def test_if_match_names_the_version_to_change(record: httpx.Client, operation: str, version: str, status: int) -> None:
    headers = {"If-Match": f'W/"{version}"'}
    answer = record.post(f"/Patient/own/{operation}", json=sent(tag=[SECRET]), headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        pytest.param({"resourceType": "Parameters"}, 400, id="none"),
        pytest.param(parameters(meta={"valueString": "x"}), 400, id="no-meta"),
        pytest.param(parameters(meta={"valueMeta": {"label": "x"}}), 422, id="unknown-element"),
        pytest.param(parameters(mode={"valueCode": "add"}), 400, id="unknown-parameter"),
    ],
)
def test_what_is_no_meta_is_refused(record: httpx.Client, resource: Resource, status: int) -> None:
    assert record.post("/Patient/own/$meta-add", json=resource).status_code == status


def test_a_get_adds_nothing(record: httpx.Client) -> None:
    assert record.get("/Patient/own/$meta-add").status_code == 405


def test_a_type_tells_what_its_resources_use(record: httpx.Client) -> None:
    record.post("/Patient/other/$meta-add", json=sent(tag=[{**TAG, "display": "Lost"}]))
    assert meta_of(record.get("/Patient/$meta")) == {"security": [SECRET], "tag": [{**TAG, "display": "Lost"}]}


def test_the_system_tells_what_all_use(record: httpx.Client) -> None:
    assert meta_of(record.get("/$meta")) == {"profile": [PROFILE], "security": [SECRET], "tag": [TAG]}


def test_a_type_without_labels_has_an_empty_meta(record: httpx.Client) -> None:
    answer = record.get("/Goal/$meta")
    assert (answer.status_code, answer.json()) == (200, {"resourceType": "Parameters"})


@pytest.mark.parametrize("address", ["/$meta", "/Patient/$meta"])
def test_a_patients_token_is_told_of_its_own_record(
    record: httpx.Client, client_with: MakeClient, address: str
) -> None:
    found = meta_of(client_with("patient/*.cruds", patient="own").get(address))
    assert "security" not in found
    assert found["tag"] == [TAG]


def test_types_out_of_scope_are_not_told_of(record: httpx.Client, client_with: MakeClient) -> None:
    narrow = client_with("system/Patient.s")
    assert meta_of(narrow.get("/$meta")).keys() == {"security", "tag"}
    assert narrow.get("/Observation/$meta").status_code == 403
    assert client_with("system/Patient.r").get("/$meta").status_code == 403


def test_more_than_can_be_looked_through_is_too_costly(record: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MAXIMUM_RESOURCES", 2)
    assert record.get("/$meta").json()["issue"][0]["code"] == "too-costly"
    assert record.get("/Patient/$meta").status_code == 200


def test_each_is_audited(record: httpx.Client) -> None:
    record.get("/Patient/own/$meta")
    record.post("/Patient/own/$meta-add", json=sent(tag=[SECRET]))
    for operation in ("$meta", "$meta-add"):
        (event,) = audited(record, operation)
        assert any(what.startswith("Patient/own") for what in whats_of(event))


def test_a_past_version_tells_its_own_meta(server: RunningServer) -> None:
    """The address of a version is not in the request grammar yet, so this asks the operation itself."""
    with open_record(server.dsn, server.base_url) as record:
        context = record.new_tenant()
        for tags in ([TAG], [SECRET]):
            record.store(context, [named("Patient", "p", meta={"tag": tags})])
        request = Request("operation", "Patient", "p", "1", operation="meta")
        result = record.run(META.run(context, request))
    assert result.version == 1
    assert result.body is not None
    assert b'"lost"' in result.body


def test_within_a_transaction_it_takes_part_in_that(server: RunningServer) -> None:
    """On another connection it would wait for the lock that the transaction holds."""
    with open_record(server.dsn, server.base_url) as record:
        context = record.new_tenant()
        record.store(context, [named("Patient", "p")])
        assert record.run(rolled_back(context)) == 2
        stored = record.fetch("SELECT version FROM resource WHERE tenant = $1", [context.tenant])
    assert [row[0] for row in stored] == [1]


async def rolled_back(context: Context) -> int | None:
    """The version that comes of adding a tag in a transaction that is given up."""
    request = Request("operation", "Patient", "p", operation="meta-add", is_post=True, resource=sent(tag=[TAG]))
    async with context.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT FROM resource WHERE tenant = $1 FOR UPDATE", context.tenant)
        result = await META_ADD.run(replace(context, held=connection), request)
        await transaction.rollback()
    return result.version
