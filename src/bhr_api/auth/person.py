"""A person with an account as access decisions know them: who they are, with the roles as they are now."""

from typing import TYPE_CHECKING, Any

from bhr_api.access import Person
from bhr_api.auth.roles import effective_roles
from bhr_api.store.oauth import CHANGED_ROLES
from bhr_api.store.people import LIVE_ACCOUNT

if TYPE_CHECKING:
    from bhr_api.store.database import Connection


async def person_of(connection: "Connection", tenant: int, row: Any) -> Person:
    """The person of an account's row, which has username, fhir_user, also, teams and roles."""
    changed = await connection.fetch(CHANGED_ROLES, tenant, row["roles"])
    roles = effective_roles(row["roles"], [tuple(each) for each in changed])
    selves = tuple(dict.fromkeys((row["fhir_user"], *row["also"])))
    return Person(row["username"], selves, tuple(row["teams"]), roles)


async def find_person(connection: "Connection", tenant: int, username: str) -> Person | None:
    """The person with that account, unless it is disabled."""
    row = await connection.fetchrow(LIVE_ACCOUNT, tenant, username)
    return None if row is None else await person_of(connection, tenant, row)
