"""Search in SQL against an independent evaluation in memory (FHIR R4, search.html).

The evaluator was written from the standard alone. One example is a small record and many queries on it.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bhr_api.errors import UnsupportedParameterError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.interactions.context import Context
from bhr_api.search.compiler import compile_count, compile_page
from bhr_api.search.criteria import AnyToken
from bhr_api.search.cursor import Position
from bhr_api.search.query import SearchContext, SearchQuery, parse_query
from tests.fixtures.record import Record, open_record
from tests.search.reference_evaluator import matches
from tests.search.strategies import BASE_URL, TYPES, any_resources, queries

EXAMPLES = 120
QUERIES = 60
EVERYTHING = Position((), 0, (1 << 63) - 1)


@pytest.fixture(scope="module")
def record(database_dsn: str) -> Iterator[Record]:
    with open_record(database_dsn, BASE_URL) as opened:
        yield opened


def asked(data: st.DataObject) -> list[tuple[str, list[tuple[str, str]]]]:
    types = [data.draw(st.sampled_from(TYPES)) for _ in range(QUERIES)]
    return [(name, data.draw(queries(name))) for name in types]


def numbered(resources: list[Resource]) -> list[Resource]:
    """Each id once for its type, since a later one would be another version."""
    found: dict[tuple[str, str], Resource] = {}
    spare = count()
    for resource in resources:
        key = (resource["resourceType"], resource.get("id", f"n{next(spare)}"))
        found[key] = {**resource, "id": key[1]}
    return list(found.values())


@given(resources=st.lists(any_resources(), min_size=10, max_size=60), data=st.data())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    # Shrinking a record and sixty queries takes longer than reading the one that failed.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
def test_a_search_finds_what_the_standard_says(record: Record, resources: list[Resource], data: st.DataObject) -> None:
    context = record.new_tenant()
    stored = numbered(resources)
    record.store(context, stored)
    bodies = record.fetch("SELECT body FROM resource WHERE tenant = $1", [context.tenant])
    # As stored: with the time of the write, which _lastUpdated asks about.
    kept = [json_text.parse(row[0]) for row in bodies]
    for resource_type, parameters in asked(data):
        expect_the_same(record, context, kept, resource_type, parameters)


def expect_the_same(
    record: Record, context: Context, kept: list[Resource], resource_type: str, parameters: list[tuple[str, str]]
) -> None:
    now = context.now()
    expected = sorted(
        resource["id"] for resource in kept if matches(resource, resource_type, parameters, now=now, base_url=BASE_URL)
    )
    note = (resource_type, parameters)
    try:
        query = parse_query(resource_type, parameters, SearchContext(context.hasher, BASE_URL, now, context.visibility))
    except UnsupportedParameterError:
        # A type that a reference cannot be to is refused rather than answered with nothing.
        assert expected == [], note
        return
    every_token = frozenset(token for one in query.criteria if isinstance(one, AnyToken) for token in one.tokens)
    # Which tokens are heavy decides the road, never the answer.
    for heavy in (frozenset[int](), every_token):
        statement = compile_page(query, context.visibility, context.hasher, heavy, EVERYTHING)
        counted = compile_count(query, context.visibility, heavy, EVERYTHING.bound)
        found = [row["id"] for row in record.fetch(statement.sql, statement.values)]
        assert sorted(found) == expected, note
        assert record.fetch(counted.sql, counted.values)[0][0] == len(expected), note
    query.count = 2
    if len(found) > query.count:
        pages = list(walked(record, context, query, EVERYTHING))
        assert [row["id"] for page in pages for row in page] == found, note
        last = pages[-1][-1]
        end = Position(tuple(last["sort"]), last["row_id"], EVERYTHING.bound, backward=True)
        back = [row["id"] for page in walked(record, context, query, end) for row in page]
        assert back == found[-2::-1], note


def walked(record: Record, context: Context, query: SearchQuery, position: Position) -> Iterator[list[Any]]:
    """The pages beyond `position`, one after another."""
    more = True
    while more:
        statement = compile_page(query, context.visibility, context.hasher, frozenset(), position)
        rows = record.fetch(statement.sql, statement.values)
        page, more = list(rows[: query.count]), len(rows) > query.count
        if page:
            position = position._replace(values=tuple(page[-1]["sort"]), row_id=page[-1]["row_id"])
            yield page
