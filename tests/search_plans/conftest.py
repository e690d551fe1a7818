"""The planned record, loaded once, and the plans that are kept."""

import asyncio
from collections.abc import Iterator

import pytest

from bhr_api.store.migrations import migrate
from tests.fixtures.database import TestServer
from tests.search_plans.kept_plans import KeptPlans
from tests.search_plans.planned_record import PlannedRecord, fill, settle

BASE_URL = "http://127.0.0.1/fhir"


@pytest.fixture(scope="session")
def unanalyzed_dsn(postgresql: TestServer) -> Iterator[str]:
    """A database of its own with the planned record, as a bulk load leaves it."""
    dsn = postgresql.new_database()
    asyncio.run(migrate(dsn))
    fill(dsn, BASE_URL)
    yield dsn
    postgresql.drop(dsn)


@pytest.fixture(scope="session")
def unanalyzed(planned_dsn: str, unanalyzed_dsn: str) -> Iterator[PlannedRecord]:
    """The planned record in tables without statistics; the other was copied from it before."""
    record = PlannedRecord(unanalyzed_dsn, BASE_URL)
    yield record
    record.close()


@pytest.fixture(scope="session")
def planned_dsn(postgresql: TestServer, unanalyzed_dsn: str) -> Iterator[str]:
    """A copy of it with statistics."""
    dsn = postgresql.new_database(unanalyzed_dsn)
    settle(dsn)
    yield dsn
    postgresql.drop(dsn)


@pytest.fixture(scope="session")
def planned(planned_dsn: str) -> Iterator[PlannedRecord]:
    """The planned record."""
    record = PlannedRecord(planned_dsn, BASE_URL)
    yield record
    record.close()


@pytest.fixture(scope="session")
def kept_plans() -> Iterator[KeptPlans]:
    """The plans in plans.txt, which is written anew at the end where the environment has REWRITE_PLANS."""
    kept = KeptPlans()
    yield kept
    kept.write()
