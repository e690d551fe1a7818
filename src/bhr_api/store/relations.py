"""Who is responsible for which patients: rows that CareTeam, EpisodeOfCare and RelatedPerson leave (docs/accounts.md).

A caseload of a thousand costs one look-up in the key for each row that is met. Relations hold from one moment to another;
PostgreSQL's `now()` is the beginning of the statement's transaction.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from bhr_api.store.database import Connection
from bhr_api.store.sql import Binder


class Relation(NamedTuple):
    """`person` is responsible for `patient` by what `source` says: self_tokens all three."""

    person: int
    patient: int
    source: int
    valid_from: datetime
    valid_until: datetime


Related = frozenset[tuple[int, int]]
"""(person, patient) of relations that hold."""

_HOLDS = "l.valid_from <= now() AND l.valid_until > now()"


def is_related(persons: Sequence[int], patient: str, binder: Binder) -> str:
    """The condition that one of `persons` is responsible for `patient`, an SQL expression.

    LIMIT keeps the planner from making a join of it, which would read the whole caseload for each page.
    """
    return (
        f"(SELECT TRUE FROM relation l WHERE l.tenant = $1 AND l.person = ANY({binder.bind(list(persons), 'bigint[]')})"
        f" AND l.patient = {patient} AND {_HOLDS} LIMIT 1)"
    )


async def related(connection: Connection, tenant: int, persons: Sequence[int], patients: Collection[int]) -> Related:
    """Which of `persons` are responsible for which of `patients` now."""
    rows = await connection.fetch(
        f"""
        SELECT DISTINCT l.person, l.patient FROM relation l
        WHERE l.tenant = $1 AND l.person = ANY($2::bigint[]) AND l.patient = ANY($3::bigint[]) AND {_HOLDS}
        """,
        tenant,
        list(persons),
        list(patients),
    )
    return frozenset((row[0], row[1]) for row in rows)


async def put(connection: Connection, tenant: int, sources: Sequence[int], found: Sequence[Relation]) -> None:
    """Let `found` be all that the resources `sources` say of relations."""
    await connection.execute("DELETE FROM relation WHERE tenant = $1 AND source = ANY($2::bigint[])", tenant, sources)
    if found:
        await connection.execute(
            """
            INSERT INTO relation (tenant, person, patient, source, valid_from, valid_until)
            SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
            """,
            tenant,
            *(list(column) for column in zip(*found, strict=True)),
        )
