"""A road does not depend on the planner's statistics: after a bulk load, or where autovacuum is behind, there are none."""

import pytest

from tests.search_plans.kinds import KINDS, Kind
from tests.search_plans.planned_record import PlannedRecord
from tests.search_plans.test_plans import plans_of

pytestmark = pytest.mark.xdist_group("planned record")

# One condition bounds two indexes, or an order takes all rows: which costs less, the planner knows by its statistics alone.
BY_ESTIMATE = {"patient, category, month", "everything by id"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name not in BY_ESTIMATE], ids=lambda kind: kind.name)
def test_without_statistics_no_more_rows_are_looked_at_than_its_bound(unanalyzed: PlannedRecord, kind: Kind) -> None:
    assert sum(plan.rows_read for plan in plans_of(unanalyzed, kind)) <= kind.bound


def test_there_are_no_statistics(unanalyzed: PlannedRecord) -> None:
    (row,) = unanalyzed.record.fetch("SELECT count(*) FROM pg_stats WHERE tablename IN ('resource', 'posting')", [])
    assert row["count"] == 0
