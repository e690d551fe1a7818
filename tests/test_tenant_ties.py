"""What a statement that leaves the tenant out looks like to those who look for it."""

import asyncpg
import pytest

from tests.fixtures.database import on_database
from tests.tenant_ties import Ties, read_schema, ties_of

LOOSE = {
    "a table alone": ("SELECT body FROM resource r WHERE r.id = $1", ["resource r"]),
    "the word in another place": (
        "SELECT r.tenant FROM resource r WHERE r.row_id = $1 ORDER BY r.tenant",
        ["resource r"],
    ),
    "one side of a join": (
        "SELECT r.id FROM posting p JOIN resource r ON r.row_id = p.row_id WHERE p.tenant = $1",
        ["resource r"],
    ),
    "the side that an outer join keeps": (
        "SELECT r.id FROM resource r LEFT JOIN posting p ON p.tenant = $1 AND r.tenant = $1 AND p.row_id = r.row_id",
        ["resource r"],
    ),
    "an equality with what is loose": (
        "SELECT r.id FROM posting p JOIN resource r ON r.tenant = p.tenant AND r.row_id = p.row_id WHERE p.token = $1",
        ["posting p", "resource r"],
    ),
    "a truth within a negation": ("SELECT id FROM resource r WHERE NOT ((r.tenant = $1) IS TRUE)", ["resource r"]),
    "an untruth": ("SELECT id FROM resource r WHERE (r.tenant = $1) IS NOT TRUE", ["resource r"]),
    "an alternative": ("SELECT id FROM resource r WHERE r.tenant = $1 OR r.id = $2", ["resource r"]),
    "a negation": ("SELECT id FROM resource r WHERE NOT r.tenant = $1", ["resource r"]),
    "a subquery": (
        "SELECT id FROM resource r WHERE r.tenant = $1 AND EXISTS (SELECT FROM string_index i WHERE i.row_id = r.row_id)",
        ["string_index i"],
    ),
    "a condition of the subquery on the outer row": (
        "SELECT id FROM resource r WHERE EXISTS (SELECT FROM string_index i WHERE i.tenant = $1 AND r.tenant = $1)",
        ["resource r"],
    ),
    "one part of a union": (
        "SELECT id FROM resource r WHERE r.tenant = $1 UNION ALL SELECT id FROM resource_history h WHERE h.row_id = $2",
        ["resource_history h"],
    ),
    "a tenant out of a union that is loose in part": (
        "SELECT r.id FROM (SELECT tenant FROM posting p WHERE p.tenant = $1 UNION SELECT generate_series(1, 9)) AS u"
        " JOIN resource r ON r.tenant = u.tenant",
        ["resource r"],
    ),
    "a deletion": ("DELETE FROM posting p USING resource r WHERE r.tenant = $1 AND p.row_id = r.row_id", ["posting p"]),
    "a deletion within": (
        "WITH gone AS (DELETE FROM date_index d WHERE d.row_id = $2 RETURNING row_id)"
        " SELECT r.id FROM resource r JOIN gone ON gone.row_id = r.row_id WHERE r.tenant = $1",
        ["date_index d"],
    ),
    "an update": ("UPDATE resource r SET version = 2 WHERE r.id = $1", ["resource r"]),
    "an update to another tenant": ("UPDATE resource r SET tenant = $2 WHERE r.tenant = $1", ["resource r"]),
    "an insertion of a constant": (
        "INSERT INTO heavy_token (tenant, token) VALUES (1, $1)",
        ["heavy_token heavy_token"],
    ),
    "an insertion for several": (
        "INSERT INTO heavy_token (tenant, token) SELECT p.tenant, p.token FROM posting p WHERE p.row_id = $1",
        ["heavy_token heavy_token", "posting p"],
    ),
    "the view": ("SELECT body FROM resource_json j WHERE j.id = $1", ["resource_json j"]),
    "any of several": ("SELECT id FROM resource r WHERE r.tenant = ANY($1::integer[])", ["resource r"]),
}
TIED = {
    "a join by equality": "SELECT r.id FROM posting p JOIN resource r ON r.tenant = p.tenant WHERE p.tenant = $1",
    "the side that may be missing": (
        "SELECT r.id FROM resource r LEFT JOIN posting p ON p.tenant = r.tenant WHERE r.tenant = $1"
    ),
    "what is hidden from the indexes": "SELECT id FROM resource r WHERE (r.tenant = $1 AND r.row_id = $2) IS TRUE",
    "a row of values": "SELECT id FROM resource r WHERE (r.tenant, r.resource_type, r.id) = ($1, $2, $3)",
    "an insertion from a tied row": (
        "WITH old AS (DELETE FROM resource r WHERE r.tenant = $1 RETURNING r.*)"
        " INSERT INTO heavy_token (tenant, token) SELECT old.tenant, old.row_id FROM old ON CONFLICT DO NOTHING"
    ),
    "an insertion or update": (
        "INSERT INTO heavy_token (tenant, token) VALUES ($1, $2), ($1, $3)"
        " ON CONFLICT (tenant, token) DO UPDATE SET token = excluded.token"
    ),
    "a recursive query": (
        "WITH RECURSIVE w AS (SELECT r.tenant, r.row_id FROM resource r WHERE r.tenant = $1"
        " UNION ALL SELECT w.tenant, w.row_id + 1 FROM w WHERE w.row_id < 9)"
        " SELECT p.token FROM w JOIN posting p ON p.tenant = w.tenant"
    ),
    "a lateral": (
        "SELECT x.value FROM resource r CROSS JOIN LATERAL (SELECT i.value FROM string_index i WHERE i.tenant = r.tenant) x"
        " WHERE r.tenant = $1"
    ),
    "groups": "SELECT r.tenant, count(*) FROM resource r WHERE r.tenant = $1 GROUP BY r.tenant HAVING count(*) > 1",
}


def ties(dsn: str, sql: str) -> Ties:
    """The ties of one statement."""

    async def analyse(connection: asyncpg.Connection) -> Ties:
        return await ties_of(connection, await read_schema(connection), sql)

    return on_database(dsn, analyse)


@pytest.mark.parametrize(("sql", "loose"), LOOSE.values(), ids=LOOSE)
def test_a_mention_without_the_tenant_is_found(database_dsn: str, sql: str, loose: list[str]) -> None:
    assert sorted(ties(database_dsn, sql).loose) == loose


@pytest.mark.parametrize("sql", TIED.values(), ids=TIED)
def test_a_tied_mention_is_left_in_peace(database_dsn: str, sql: str) -> None:
    found = ties(database_dsn, sql)
    assert found.loose == ()
    assert found.parameters == {1}
