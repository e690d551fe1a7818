"""The application: FastAPI for OAuth, discovery, documents and operations, with the FHIR endpoint beside it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

import asyncpg
import structlog
from fastapi import APIRouter, FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bhr_api.access import Caller, Person
from bhr_api.auth.audit import AuthorizationAudit, RequestSource
from bhr_api.auth.authorization_server import AuthorizationServer
from bhr_api.auth.bearer import TokenReader
from bhr_api.auth.browser_sessions import BrowserSessions, SessionLimits
from bhr_api.auth.connected_apps import ConnectedApps
from bhr_api.auth.federated_sign_in import FederatedSignIn
from bhr_api.auth.identity_providers import read_identity_providers
from bhr_api.auth.lifetimes import Lifetimes
from bhr_api.auth.person import find_person
from bhr_api.auth.secret_key import SecretKey
from bhr_api.auth.sign_in import SignIn
from bhr_api.auth.signed_in import SignedIn
from bhr_api.auth.signing_keys import SigningKeys
from bhr_api.auth.software_statement import read_statement_issuers
from bhr_api.auth.trusted_issuers import TrustedIssuers, read_trusted_issuers
from bhr_api.authorization_audit import audit_into_table
from bhr_api.errors import RefusalError
from bhr_api.interactions import async_requests
from bhr_api.interactions.async_work import AsyncWork
from bhr_api.interactions.context import Context, Origin
from bhr_api.interactions.definitions import DefinitionsRegistry
from bhr_api.interactions.offered import Operations
from bhr_api.interactions.parameter_keeping import ParameterKeeper, index_job
from bhr_api.interactions.parameter_registration import JOB as PARAMETER_JOB
from bhr_api.interactions.profile_checks import ProfileChecks, required_profiles
from bhr_api.interactions.server_context import whole_tenant_context
from bhr_api.interactions.tenants import TenantRegistry
from bhr_api.job_runner import SLOTS, JobRunner
from bhr_api.operations import OPERATIONS
from bhr_api.rest import request_id_of, rest_application
from bhr_api.routers.app_pages import AppPages
from bhr_api.routers.authorization_pages import AuthorizationPages
from bhr_api.routers.client_choices import ClientChoices
from bhr_api.routers.cross_origin import CrossOrigin, RegisteredOrigins
from bhr_api.routers.discovery import PATH as DISCOVERY_PATH
from bhr_api.routers.documents import documents_router
from bhr_api.routers.federation_pages import FederationPages
from bhr_api.routers.fhir import FHIRApplication, Limits
from bhr_api.routers.pages import PageDoor, pages_router
from bhr_api.routers.request_rates import RequestRates
from bhr_api.routers.requests import Receive, Scope, Send
from bhr_api.routers.security_headers import SecurityHeaders
from bhr_api.settings import Settings
from bhr_api.shared_directory import shared_rates
from bhr_api.store import references
from bhr_api.store.audit import AuditTrail
from bhr_api.store.audit_seal import AuditSealer
from bhr_api.store.database import Database, engine_for
from bhr_api.store.job_run import Handler
from bhr_api.store.row_ids import RowIds
from bhr_api.telemetry import observe_request
from bhr_api.upkeep import Upkeep

log = structlog.get_logger(__name__)

# A worker that takes the place of another one may start while the database does too: what kills the one often kills both.
REACH_SECONDS = 60.0
_REACH_AGAIN_SECONDS = 1.0
# OAuth's library speaks SQLAlchemy; token requests are few, and hold no other connection meanwhile.
_OAUTH_POOL = 4


class Application:
    """One worker's server: the FHIR endpoint under /fhir, FastAPI for all the rest."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        self._settings = settings
        self._dsn = dsn
        self._fhir: FHIRApplication | None = None
        self._database: Database | None = None
        self._tenants: TenantRegistry | None = None
        self.is_stopping = False
        self.row_ids = RowIds()
        self._engine = engine_for(dsn, pool_size=_OAUTH_POOL, max_overflow=0, pool_timeout=settings.pool_wait_seconds)
        sessions: async_sessionmaker[AsyncSession] = async_sessionmaker(self._engine, expire_on_commit=False)
        audit = audit_into_table(self.row_ids, self._now)
        self._signing_keys = SigningKeys(settings.signing_keys_file, self._now)
        server = AuthorizationServer(
            public_url=settings.issuer,
            sessions=sessions,
            audit=audit,
            clock=self._now,
            signing_keys=self._signing_keys,
            statement_issuers=read_statement_issuers(settings.statement_issuers),
            lifetimes=Lifetimes(
                access_token=timedelta(minutes=settings.access_token_minutes),
                refresh_token=timedelta(days=settings.refresh_token_days),
                grant=timedelta(days=settings.grant_days),
            ),
        )
        door = PageDoor(settings.issuer, request_id_of, settings.request_timeout_seconds)
        self.rest = rest_application(
            server,
            settings.issuer,
            settings.request_timeout_seconds,
            self._get_database,
            lambda: self.is_stopping,
            door.error_page,
            self._lifespan,
        )
        self.rest.include_router(self._pages(door, server, sessions, audit))
        self.rest.include_router(documents_router(lambda: _openapi_document(settings)))
        self._origins = RegisteredOrigins(settings.cors_origins)
        self._trusted_issuers = TrustedIssuers(
            read_trusted_issuers(settings.trusted_issuers), settings.base_url, self._now
        )
        self._rates = RequestRates(
            settings.client_requests_per_minute, settings.user_requests_per_minute, shared_rates()
        )
        is_https = settings.issuer.startswith("https:")
        self._door = SecurityHeaders(CrossOrigin(self._route, self._origins), is_https=is_https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or run the lifespan."""
        await self._door(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a request where it belongs."""
        if scope["type"] == "http" and self._fhir is not None:
            path = scope["path"]
            if (path == "/fhir" or path.startswith("/fhir/")) and path != DISCOVERY_PATH:
                await self._fhir(scope, receive, send)
                return
        await self.rest(scope, receive, send)

    def _pages(
        self,
        door: PageDoor,
        server: AuthorizationServer,
        sessions: async_sessionmaker[AsyncSession],
        audit: AuthorizationAudit,
    ) -> APIRouter:
        """What people see, on the same database."""
        limits = SessionLimits(idle=timedelta(seconds=self._settings.session_idle_seconds))
        browsers = BrowserSessions(sessions, audit, self._now, limits)
        key = SecretKey(self._settings.secret_key_path)
        sign_in = SignIn(sessions, browsers, audit, self._now, key, self.row_ids)
        clients = ClientChoices(self._context_of, self._person_of)
        connected = ConnectedApps(sessions, audit, self._now)
        providers = read_identity_providers(self._settings.identity_providers)
        federated = FederatedSignIn(providers, self._settings.issuer, sessions, browsers, audit, self._now)
        return pages_router(
            door,
            AuthorizationPages(server, sign_in, federated, browsers, clients, self._now),
            FederationPages(server, federated),
            AppPages(sign_in, federated, browsers, connected, clients),
        )

    async def _context_of(self, caller: Caller, source: RequestSource) -> Context:
        assert self._fhir is not None
        return await self._fhir.context(caller, Origin(source.request_id, source.address or None), self._get_database())

    async def _person_of(self, user: SignedIn) -> Person | None:
        async with self._get_database().acquire() as connection:
            return await find_person(connection, user.tenant, user.username)

    def _get_database(self) -> Database:
        assert self._database is not None
        return self._database

    def _now(self) -> datetime:
        return self._get_database().now()

    async def _reach_database(self) -> tuple[Database, Database]:
        """The pools of the requests and of the jobs, with all that a worker asks the database before it serves.

        The database may go and come back at any moment of this.
        """
        deadline = monotonic() + REACH_SECONDS
        while True:
            try:
                database = await self._open_for_requests()
                try:
                    return database, await self._prepare(database)
                except BaseException:
                    await database.close()
                    raise
            except (RefusalError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("database_not_reached", error=type(error).__name__, reason=str(error))
                if monotonic() > deadline:
                    raise
            await asyncio.sleep(_REACH_AGAIN_SECONDS)

    async def _open_for_requests(self) -> Database:
        settings = self._settings
        return await Database.open(
            self._dsn,
            pool_size=settings.pool_size,
            wait_seconds=settings.pool_wait_seconds,
            statement_timeout_seconds=settings.statement_timeout_seconds,
        )

    async def _prepare(self, database: Database) -> Database:
        async with database.acquire() as connection:
            await self.row_ids.take_node(connection)
            if self._settings.referential_integrity != "strict":
                await references.forget_indexed(connection)
        await self._origins.reload(database)
        return await self._open_for_jobs()

    async def _open_for_jobs(self) -> Database:
        """The pool of the jobs: a connection for each and one for heartbeats, open only while there are any."""
        settings = self._settings
        return await Database.open(
            self._dsn,
            pool_size=SLOTS + 1,
            least=0,
            wait_seconds=settings.pool_wait_seconds,
            statement_timeout_seconds=settings.async_statement_timeout_seconds,
        )

    def _job_handlers(self, fhir: FHIRApplication) -> dict[str, Handler]:
        """What carries out each kind of job (`job_runner` tells how to add one)."""
        kept = timedelta(hours=self._settings.async_result_hours)
        return {
            async_requests.KIND: AsyncWork(fhir.context_of, kept),
            PARAMETER_JOB: partial(index_job, self._own_context),
        }

    async def _own_context(self, database: Database, tenant: int) -> Context:
        """The server itself as a caller, on the pool of what it does."""
        assert self._tenants is not None
        words = await self._tenants.words(tenant)
        context = whole_tenant_context(database, self.row_ids, self._settings.base_url, words, "server")
        # Rows that are indexed anew keep what integrity goes by.
        return replace(context, integrity=self._settings.referential_integrity)

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        settings = self._settings
        database, jobs_database = await self._reach_database()
        self._database = database
        audit = AuditTrail(database, flush_seconds=settings.audit_flush_seconds)
        tenants = self._tenants = TenantRegistry(database)
        definitions = DefinitionsRegistry(database)
        self._fhir = FHIRApplication(
            database=database,
            audit=audit,
            row_ids=self.row_ids,
            tokens=TokenReader(database.acquire, database.now, issuers=self._trusted_issuers),
            tenants=tenants,
            base_url=settings.base_url,
            issuer=settings.issuer,
            limits=Limits(
                settings.body_limit,
                settings.bundle_limit,
                settings.request_timeout_seconds,
                settings.async_unfinished_limit,
            ),
            lenient=settings.lenient,
            operations=Operations(OPERATIONS),
            definitions=definitions,
            profiles=ProfileChecks(definitions, settings.profiles, required_profiles(settings.required_profiles)),
            rates=self._rates,
            observe=observe_request,
            integrity=settings.referential_integrity,
        )
        # Made or found wrong before the first app asks. The making of a key takes a moment.
        await asyncio.to_thread(self._signing_keys.all)
        runner = JobRunner(database, jobs_database, self._job_handlers(self._fhir))
        self._fhir.wake_jobs = runner.wake
        audit.start()
        tenants.start()
        self._origins.start(database)
        upkeep, sealer = Upkeep(database), AuditSealer(database, tenants.numbers)
        keeper = ParameterKeeper(database, self._own_context)
        upkeep.start()
        sealer.start()
        runner.start()
        keeper.start()
        try:
            yield
        finally:
            self.is_stopping = True
            await runner.stop()
            await keeper.stop()
            await upkeep.stop()
            await self._origins.stop()
            await tenants.stop()
            await audit.stop()
            await sealer.stop()
            await jobs_database.close()
            await database.close()
            await self._engine.dispose()


def _openapi_document(settings: Settings) -> bytes:
    # Few ask for it, and all that it is made from would make every worker start later.
    from bhr_api.openapi import document

    return json.dumps(document(settings), ensure_ascii=False).encode()
