"""Search in SQL against an independent evaluation in memory (FHIR R4, search.html).

The evaluator was written from the standard alone. `SEEDS` records of `OF_EACH_TYPE` resources of each type, on each of
which `QUERIES` queries are asked and at least `COMPARED` compared, over 20,000 in all; at least `FINDING` find something.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from bhr_api.errors import MalformedRequestError
from tests.fixtures.record import Record, open_record
from tests.search.drawn_queries import Query, queries_on
from tests.search.drawn_resources import drawn, drawn_record
from tests.search.drawn_values import BASE_URL
from tests.search.found_differences import FOUND, Difference
from tests.search.stored_record import Question, StoredRecord

SEEDS = range(12)
OF_EACH_TYPE = 12
QUERIES, COMPARED, FINDING = 1_900, 1_700, 450
SOME, NONE, LEFT_OUT = "the same, of some", "the same, of none", "not compared"


@pytest.fixture(scope="module")
def record(database_dsn: str) -> Iterator[Record]:
    with open_record(database_dsn, BASE_URL) as opened:
        yield opened


@pytest.mark.parametrize("start", SEEDS)
def test_a_search_finds_what_the_standard_says(record: Record, start: int) -> None:
    resources = drawn_record(OF_EACH_TYPE, start)
    stored = StoredRecord(record, resources)
    outcomes = [(query, outcome(stored, query)) for query in drawn(queries_on(resources), QUERIES, start)]

    assert [one for one in outcomes if one[1] not in (SOME, NONE, LEFT_OUT)][:3] == []
    assert sum(said != LEFT_OUT for _, said in outcomes) >= COMPARED
    assert sum(said == SOME for _, said in outcomes) >= FINDING


def outcome(stored: StoredRecord, query: Query) -> str:
    """`SOME` or `NONE` where both find the same, `LEFT_OUT` for what is too costly or known to differ, or what differs."""
    question = Question(stored, query)
    try:
        difference = question.difference()
    except MalformedRequestError:
        # A chain of untyped links may lead through more types than the server follows.
        return LEFT_OUT
    except Exception as error:
        difference = repr(error)
    if difference is None:
        return SOME if isinstance(question.expected, list) and question.expected else NONE
    return LEFT_OUT if any(one.concerns(query, difference) for one in FOUND if one.concerns) else difference


def _case(one: Difference) -> Any:
    marks = [pytest.mark.xfail(reason=one.says, strict=True)] if one.concerns else []
    return pytest.param(one, marks=marks, id=one.says[:40])


@pytest.mark.parametrize("found", [_case(one) for one in FOUND])
def test_a_difference_is_mended(record: Record, found: Difference) -> None:
    assert Question(StoredRecord(record, found.resources), found.query).difference() is None
