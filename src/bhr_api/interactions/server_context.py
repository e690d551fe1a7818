"""The server itself, or its operator, as a caller: with every right in a tenant, and audited like everybody else."""

import uuid

from bhr_api.access import Caller, parse_scopes
from bhr_api.interactions.context import Context, Origin, TenantWords
from bhr_api.search.visibility import Visibility
from bhr_api.store.audit import AuditTrail
from bhr_api.store.database import Database
from bhr_api.store.row_ids import RowIds

EVERYTHING = "system/*.cruds"


def whole_tenant_context(
    database: Database, row_ids: RowIds, base_url: str, words: TenantWords, client_id: str
) -> Context:
    """A context in which everything in the tenant may be done; the audit says that `client_id` did it."""
    caller = Caller(words.tenant, client_id, parse_scopes(EVERYTHING))
    return Context(
        database=database,
        audit=AuditTrail(database),
        row_ids=row_ids,
        base_url=base_url,
        words=words,
        caller=caller,
        visibility=Visibility.of(caller, words.hasher),
        origin=Origin(str(uuid.uuid4()), None),
    )
