"""The plan of every kind of query (docs/storage.md), on about 60,000 resources in tenants of unequal size.

`REWRITE_PLANS=1 pytest tests/search_plans` keeps the plans as they are now; the difference belongs into the commit.
"""

import json
from urllib.parse import urlsplit

import pytest

from bhr_api.interactions.perform import perform
from bhr_api.interactions.requests import parse_request
from bhr_api.search.compiler import compile_match
from bhr_api.search.meaning import SearchContext
from bhr_api.search.query import parse_query
from tests.search_plans.kept_plans import KeptPlans, told
from tests.search_plans.kinds import KINDS, PAGE, PATIENT, PHQ9, RARE, Kind
from tests.search_plans.plan import Plan
from tests.search_plans.planned_record import PlannedRecord

pytestmark = pytest.mark.xdist_group("planned record")


def plans_of(planned: PlannedRecord, kind: Kind) -> list[Plan]:
    context = planned.largest if kind.caller == "system" else planned.of_patient(PATIENT)
    return planned.plans(context, kind.path, kind.parameters)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_plan_is_the_one_that_was_kept(planned: PlannedRecord, kept_plans: KeptPlans, kind: Kind) -> None:
    now = told(kind, plans_of(planned, kind))
    assert now == kept_plans.of(kind, now)


@pytest.mark.parametrize("tenant", ["largest", "small"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_large_table_is_read_from_end_to_end(planned: PlannedRecord, kind: Kind, tenant: str) -> None:
    plans = plans_of(planned, kind) if tenant == "largest" else planned.plans(planned.small, kind.path, kind.parameters)
    assert plans
    assert [table for plan in plans for table in plan.sequential_scans()] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_more_rows_are_looked_at_than_its_bound(planned: PlannedRecord, kind: Kind) -> None:
    assert sum(plan.rows_read for plan in plans_of(planned, kind)) <= kind.bound


def test_every_plan_that_is_kept_is_of_a_kind(kept_plans: KeptPlans) -> None:
    assert kept_plans.names() == {kind.name for kind in KINDS}


@pytest.mark.parametrize(
    "criteria", [[("identifier", "obs-000000123")], [("_id", "volume-observation-00000123")], [("code", RARE)]]
)
def test_a_conditional_interaction_finds_its_matches_by_an_index(
    planned: PlannedRecord, criteria: list[tuple[str, str]]
) -> None:
    context = planned.largest
    search = SearchContext(context.hasher, context.base_url, context.now(), context.visibility)
    query = parse_query("Observation", criteria, search)
    asked = compile_match(query, context.visibility, context.words.heavy, 2)
    plan = planned.plan(asked.sql, asked.values)
    assert plan.sequential_scans() == []
    assert 0 < plan.rows_read <= 4


def test_a_page_far_on_costs_as_much_as_the_first(planned: PlannedRecord) -> None:
    following = f"/fhir/Observation?code={PHQ9}&_sort=-date&_count=200"
    for _ in range(6):
        asked = urlsplit(following)
        result = planned.record.run(perform(planned.largest, parse_request("GET", "Observation", asked.query)))
        links = json.loads(result.body or b"")["link"]
        following = next(link["url"] for link in links if link["relation"] == "next")
    (plan,) = planned.plans(planned.largest, "Observation", urlsplit(following).query)
    assert plan.shape() == ["join", "  index posting_date", "  index resource_row"]
    assert plan.rows_read <= 4 * 200 + PAGE
