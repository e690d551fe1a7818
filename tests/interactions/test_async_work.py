"""What asynchronous requests cost (docs/asynchronous.md)."""

from tests.fixtures.server import running_server
from tests.interactions.integrity_cases import entry
from tests.noted_statements import noting
from tests.routers.test_asynchronous import bundle_of, ended, goal, put_off

IS_KEPT = "INSERT INTO job_output (tenant, job, ordinal, media_type, body)\n    SELECT $1, $2, $4"


def test_the_answer_of_each_entry_of_a_batch_is_kept_once(database_dsn: str) -> None:
    entries = [
        entry("POST", "Goal", goal()),
        entry("PUT", "Goal/a", goal() | {"id": "a"}),
        entry("DELETE", "Goal/a"),
        entry("PUT", "Goal?_id=b", goal() | {"id": "b"}),
        entry("POST", "Goal", goal()) | {"request": {"method": "POST", "url": "Goal", "ifNoneExist": "_id=there"}},
        entry("GET", "Goal?_id=b"),
        entry("GET", "Goal/none"),
    ]

    with (
        noting(database_dsn) as notes,
        running_server(database_dsn) as server,
        server.client(server.token(server.new_tenant())) as client,
    ):
        assert client.put("Goal/there", json=goal() | {"id": "there"}).status_code == 201
        answer = ended(client, put_off(client, "POST", "", json=bundle_of("batch", *entries)))

    statuses = [one["response"]["status"] for one in answer["resource"]["entry"]]
    assert statuses == ["201", "201", "204", "201", "200", "200", "404"]
    kept = [values[3] for sql, executed in notes.executions.items() if IS_KEPT in sql for values in executed]
    assert kept == list(range(len(entries)))
