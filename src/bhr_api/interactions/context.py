"""What every interaction has at hand: who asks, what they may see, and where things are kept."""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from bhr_api.access import Caller
from bhr_api.fhir.references import LocalReference, ReferentialIntegrity
from bhr_api.interactions.definitions import DefinitionsRegistry
from bhr_api.interactions.offered import Operations
from bhr_api.interactions.profile_checks import ProfileChecks
from bhr_api.search.cursor import CursorSeal
from bhr_api.search.extract import INDEX_GENERATION
from bhr_api.search.referring import GENERATION_WITH_REFERENCES
from bhr_api.search.served_parameters import BUILT_IN, ServedParameters
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.visibility import Visibility
from bhr_api.store.added_parameters import LEASE
from bhr_api.store.audit import AuditEvent, AuditTrail, append
from bhr_api.store.database import Connection, Database
from bhr_api.store.row_ids import RowIds
from bhr_api.store.versions import ALWAYS


@dataclass(frozen=True, slots=True)
class KnownParameters:
    """The tenant's search parameters as of `generation`; the database takes what is extracted by them `until` a moment.

    `state` tells whether two are the same parameters.
    """

    served: ServedParameters
    until: datetime = ALWAYS
    generation: int = 0
    state: Hashable = ()


# What is known of the search parameters is read anew when it is older, so that a write is stored well within the lease.
STALE_SECONDS = LEASE.total_seconds() - 1.0


async def _never_changes(_older_than_seconds: float) -> None:
    """What is known of a tenant without a registry."""


@dataclass(slots=True)
class TenantWords:
    """What belongs to one tenant and hardly changes: its hashes, cursors, search parameters, and tokens too common.

    `refresh` reads anew what is `known` of the parameters, on a connection of its own, if it is older than so many seconds.
    """

    tenant: int
    name: str
    hasher: TokenHasher
    seal: CursorSeal
    heavy: frozenset[int] = frozenset()
    known: KnownParameters = KnownParameters(BUILT_IN)
    refresh: Callable[[float], Awaitable[None]] = _never_changes

    @property
    def served(self) -> ServedParameters:
        """The tenant's search parameters."""
        return self.known.served


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, for the audit: its id and the address of the client."""

    request_id: str
    source: str | None


def _nobody_waits() -> None:
    """Outside of a server no runner of jobs is to be woken; one finds the job within seconds."""


class BrokenReference(NamedTuple):
    """A reference that leads nowhere: in the change at `position` of those that are made together, at `expression`."""

    position: int
    expression: str
    target: LocalReference


@dataclass(frozen=True, slots=True)
class Context:
    """One request's view of the server.

    `lenient` is `Prefer: handling=lenient`, `minimal` is `return=minimal`; `held` is the connection of a transaction.
    `definitions` are those of the loaded packages, `profiles` what resources are held against. `wake_jobs` is to be called
    once a job that was added has been committed. `committing` is called with what a write comes to, in its transaction and
    last of all, so that a job can keep its result together with it. `integrity` is what is promised of references;
    `unresolved` takes those that lead nowhere yet, where an import looks at them at its end.
    """

    database: Database
    audit: AuditTrail
    row_ids: RowIds
    base_url: str
    words: TenantWords
    caller: Caller
    visibility: Visibility
    origin: Origin
    lenient: bool = False
    minimal: bool = False
    held: Connection | None = None
    operations: Operations["Context"] = field(default_factory=Operations)
    definitions: DefinitionsRegistry | None = None
    profiles: ProfileChecks | None = None
    integrity: ReferentialIntegrity = "off"
    unresolved: list[BrokenReference] | None = None
    wake_jobs: Callable[[], None] = _nobody_waits
    committing: Callable[[Connection, Any], Awaitable[None]] | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A database connection: the one that a transaction holds, or one from the pool for this interaction."""
        if self.held is not None:
            yield self.held
            return
        async with self.database.acquire() as connection:
            yield connection

    async def record(self, event: AuditEvent) -> None:
        """Have a reading's event kept: with the next batch, or within the transaction that holds the connection."""
        if self.held is not None:
            await append(self.held, [event])
        else:
            await self.audit.record(event)

    @property
    def holder(self) -> str:
        """Whose walk a cursor belongs to: the client with its user and patient."""
        return f"{self.caller.client_id}\0{self.caller.patient}\0{self.caller.user}"

    @property
    def tenant(self) -> int:
        """The tenant's number."""
        return self.caller.tenant

    @property
    def hasher(self) -> TokenHasher:
        """The tenant's hashes."""
        return self.words.hasher

    @property
    def index_generation(self) -> int:
        """The generation of the rows that this server writes."""
        return GENERATION_WITH_REFERENCES if self.integrity == "strict" else INDEX_GENERATION

    def now(self) -> datetime:
        """The database's time, in milliseconds."""
        return self.database.now()

    def event(
        self,
        interaction: str,
        status: int,
        *,
        resource_type: str | None = None,
        resource_id: str | None = None,
        version: int | None = None,
        query: str | None = None,
        patients: Sequence[int] = (),
    ) -> AuditEvent:
        """The audit event of something that this request did."""
        return AuditEvent(
            self.caller.tenant,
            self.database.now(),
            self.row_ids.next(),
            interaction,
            status,
            self.caller.client_id,
            self.caller.user,
            self.origin.source,
            self.origin.request_id,
            resource_type,
            resource_id,
            version,
            query,
            list(patients),
        )
