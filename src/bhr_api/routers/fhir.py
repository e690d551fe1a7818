"""The FHIR endpoint: one small ASGI application, since FHIR's URL grammar is one match statement.

Order of a request: token, address, scope, format, body, interaction. Nothing of a stranger's is parsed.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import structlog

from bhr_api.access import Caller
from bhr_api.auth.bearer import TokenReader, digest_in
from bhr_api.errors import AddressTooLongError, OverloadedError, RefusalError, UnauthenticatedError
from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.fhir.references import ReferentialIntegrity
from bhr_api.interactions import async_requests
from bhr_api.interactions.async_requests import Asked
from bhr_api.interactions.batch import batch_or_transaction
from bhr_api.interactions.bundle_entries import version_of
from bhr_api.interactions.capabilities import capability_statement
from bhr_api.interactions.context import Context, Origin
from bhr_api.interactions.definitions import DefinitionsRegistry
from bhr_api.interactions.offered import Operations
from bhr_api.interactions.perform import WRITES, perform
from bhr_api.interactions.preconditions import is_named
from bhr_api.interactions.profile_checks import ProfileChecks
from bhr_api.interactions.requests import Request, parse_parameters, parse_request, refuse_too_many
from bhr_api.interactions.results import Result
from bhr_api.interactions.tenants import TenantRegistry
from bhr_api.routers.binaries import binary_of, is_raw_read, is_raw_write, raw_content, require_whole
from bhr_api.routers.error_handler import refusal_of
from bhr_api.routers.request_rates import RequestRates
from bhr_api.routers.requests import (
    Headers,
    Receive,
    Scope,
    Send,
    read_body,
    require_form_body,
    require_json_answer,
    require_json_body,
    require_patch_body,
)
from bhr_api.routers.responses import headers_of, pretty, send_refusal, send_response, written_body
from bhr_api.search.served_parameters import BUILT_IN, ServedParameters
from bhr_api.search.visibility import Visibility
from bhr_api.store.audit import AuditEvent, AuditTrail
from bhr_api.store.database import Database
from bhr_api.store.row_ids import RowIds

log = structlog.get_logger(__name__)

_ADDRESS_CHARACTERS = 16_384
_WITH_BODY = frozenset({"create", "update", "conditional-update", "patch", "conditional-patch", "transaction"})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a request may bring, how long it may take to arrive, and how many a client may have put off."""

    body_bytes: int
    bundle_bytes: int
    arrival_seconds: float
    unfinished_jobs: int


@dataclass(slots=True)
class _Exchange:
    """What is known of a request when it is refused."""

    caller: Caller | None = None
    interaction: str = ""
    resource_type: str = ""
    has_unread_body: bool = False


@dataclass(slots=True)
class FHIRApplication:
    """Everything under the FHIR base."""

    database: Database
    audit: AuditTrail
    row_ids: RowIds
    tokens: TokenReader
    tenants: TenantRegistry
    base_url: str
    issuer: str
    limits: Limits
    lenient: bool
    operations: Operations[Context]
    definitions: DefinitionsRegistry
    profiles: ProfileChecks
    rates: RequestRates
    observe: Callable[[str, str, int, float], None]
    wake_jobs: Callable[[], None] = lambda: None
    integrity: ReferentialIntegrity = "off"
    made_statement: tuple[str, bytes, str] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        started = time.perf_counter()
        head = scope["method"] == "HEAD"
        headers: Headers | None = None
        request_id = ""
        exchange = _Exchange()
        try:
            headers = Headers(scope)
            request_id = headers.request_id()
            exchange.has_unread_body = headers.announces_body()
            status = await self._answer(scope, receive, send, headers, request_id, exchange)
        except Exception as error:
            refusal = refusal_of(error, request_id)
            status = refusal.status
            await self._record_refusal(exchange, refusal, request_id, _source(scope))
            await send_refusal(send, refusal, headers, request_id, head=head, close=exchange.has_unread_body)
        self.observe(exchange.interaction, exchange.resource_type, status, time.perf_counter() - started)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers, request_id: str, exchange: _Exchange
    ) -> int:
        method, path, query = scope["method"], _path(scope), scope["query_string"].decode("latin-1")
        if len(path) + len(query) > _ADDRESS_CHARACTERS:
            raise AddressTooLongError(
                f"An address has at most {_ADDRESS_CHARACTERS} characters; send a long search by POST to _search."
            )
        if path == "metadata" and method in ("GET", "HEAD"):
            return await self._answer_metadata(send, headers, query, request_id, exchange, head=method == "HEAD")
        caller = await self.tokens.caller(headers.authorization())
        exchange.caller = caller
        self.rates.admit(caller)
        request = parse_request(method, path, query)
        exchange.interaction, exchange.resource_type = request.interaction, request.resource_type
        parameters = dict(request.parameters)
        prefers = headers.prefers()
        is_raw = is_raw_read(request, headers, parameters.get("_format"))
        if is_raw:
            require_whole(request)
        else:
            require_json_answer(headers, parameters.get("_format"))
        lenient = prefers.get("handling") == "lenient" or (self.lenient and prefers.get("handling") != "strict")
        minimal = prefers.get("return") == "minimal"
        origin = Origin(request_id, _source(scope))
        context = await self.context(caller, origin, self.database, lenient=lenient, minimal=minimal)
        await self._take_body(scope, receive, headers, request)
        exchange.has_unread_body = False
        _take_conditions(request, headers)
        # What is put off looks at its token again, so that it must be one that is kept here.
        may_wait = "respond-async" in prefers and method != "HEAD" and async_requests.can_wait(context, request)
        token = digest_in(headers.authorization()) if may_wait else None
        if token is not None:
            result = await async_requests.kick_off(context, request, token, self.limits.unfinished_jobs)
        else:
            result = await self._perform(context, request)
        response_headers = [*headers_of(result, self.base_url), (b"x-request-id", request_id.encode())]
        body = result.body
        if request.interaction in WRITES:
            may_read = caller.may("r", request.resource_type)
            body = written_body(result, prefers.get("return"), may_read=may_read)
            if body is None and result.status == 204:
                response_headers = [pair for pair in response_headers if pair[0] != b"last-modified"]
        if is_raw and result.status == 200:
            body, own_headers = raw_content(result)
            response_headers += own_headers
        status = 200 if result.status == 204 and body is not None else result.status
        if body is not None and not is_raw and parameters.get("_pretty") == "true":
            body = pretty(body)
        await send_response(send, status, response_headers, body, headers, head=method == "HEAD")
        return status

    async def context(
        self, caller: Caller, origin: Origin, database: Database, *, lenient: bool = False, minimal: bool = False
    ) -> Context:
        """What a request of this caller has at hand, whose statements go to `database`."""
        words = await self.tenants.words(caller.tenant)
        return Context(
            database=database,
            audit=self.audit,
            row_ids=self.row_ids,
            base_url=self.base_url,
            words=words,
            caller=caller,
            visibility=Visibility.of(caller, words.hasher),
            origin=origin,
            minimal=minimal,
            lenient=lenient,
            operations=self.operations,
            definitions=self.definitions,
            profiles=self.profiles,
            wake_jobs=self.wake_jobs,
            integrity=self.integrity,
        )

    async def context_of(self, asked: Asked, database: Database) -> Context:
        """The context of a request that was put off, whose statements go to `database`."""
        caller = await self.tokens.caller_of(asked.tenant, asked.token)
        return await self.context(caller, asked.origin, database, lenient=asked.lenient, minimal=asked.minimal)

    async def _perform(self, context: Context, request: Request) -> Result:
        match request.interaction:
            case "transaction":
                assert request.body is not None
                return await batch_or_transaction(context, request.body)
            case "async-status":
                return await async_requests.status(context, request.id)
            case "async-cancel":
                return await async_requests.cancel(context, request.id)
        return await perform(context, request)

    async def _take_body(self, scope: Scope, receive: Receive, headers: Headers, request: Request) -> None:
        """Read the body where the interaction has one, within its limits of size and time."""
        is_search = scope["method"] == "POST" and request.interaction in ("search-type", "search-system")
        # An operation without parameters may be asked for by a POST of nothing.
        is_operation = request.interaction == "operation" and request.is_post and headers.announces_body()
        if request.interaction not in _WITH_BODY and not is_search and not is_operation:
            return
        is_raw = is_raw_write(request, headers)
        if request.interaction in ("patch", "conditional-patch"):
            request.content_type = require_patch_body(headers)
        elif not is_raw:
            (require_form_body if is_search else require_json_body)(headers)
        limit = self.limits.bundle_bytes if request.interaction == "transaction" else self.limits.body_bytes
        try:
            async with asyncio.timeout(self.limits.arrival_seconds):
                body = await read_body(receive, headers, limit)
        except TimeoutError as error:
            raise OverloadedError("The body took too long to arrive.") from error
        if is_search:
            request.parameters = [*request.parameters, *parse_parameters(body.decode("latin-1"))]
            refuse_too_many(len(request.parameters))
        else:
            request.body = binary_of(request, headers, body) if is_raw else body

    async def _answer_metadata(
        self, send: Send, headers: Headers, query: str, request_id: str, exchange: _Exchange, *, head: bool
    ) -> int:
        """http.html#capabilities: open to everybody, from any origin."""
        exchange.interaction = "capabilities"
        parameters = dict(parse_parameters(query))
        require_json_answer(headers, parameters.get("_format"))
        body, tag = await self._statement(await self._served_to(headers))
        response_headers = [(b"access-control-allow-origin", b"*"), (b"x-request-id", request_id.encode())]
        response_headers.append((b"vary", b"Authorization"))
        response_headers.append((b"etag", f'W/"{tag}"'.encode()))
        if is_named(tag, headers.get(b"if-none-match") or ""):
            await send_response(send, 304, response_headers, None, headers, head=head)
            return 304
        if parameters.get("_pretty") == "true":
            body = pretty(body)
        await send_response(send, 200, response_headers, body, headers, head=head)
        return 200

    async def _served_to(self, headers: Headers) -> ServedParameters:
        """The search parameters of the tenant whose token was sent; without one those that every tenant has.

        What a tenant adds is nobody else's business, and a token that is not valid opens no more than none.
        """
        if headers.authorization() is None:
            return BUILT_IN
        try:
            caller = await self.tokens.caller(headers.authorization())
            return (await self.tenants.words(caller.tenant)).served
        except UnauthenticatedError:
            return BUILT_IN

    async def _statement(self, served: ServedParameters) -> tuple[bytes, str]:
        """The CapabilityStatement and its entity tag; the one without a token is made anew when the packages change."""
        generation = await self.definitions.generation()
        if served is BUILT_IN and self.made_statement is not None and self.made_statement[0] == generation:
            return self.made_statement[1:]
        profiles = {name: await self.definitions.supported_profiles(name) for name in RESOURCE_TYPES}
        statement = capability_statement(self.base_url, self.issuer, self.operations, profiles, self.integrity, served)
        made = (generation, statement, sha256(statement).hexdigest()[:16])
        if served is BUILT_IN:
            self.made_statement = made
        return made[1:]

    async def _record_refusal(
        self, exchange: _Exchange, error: RefusalError, request_id: str, source: str | None
    ) -> None:
        caller = exchange.caller
        event = AuditEvent(
            0 if caller is None else caller.tenant,
            self.database.now(),
            self.row_ids.next(),
            exchange.interaction or ("authenticate" if isinstance(error, UnauthenticatedError) else "unknown"),
            error.status,
            None if caller is None else caller.client_id,
            None if caller is None else caller.user,
            source,
            request_id,
            exchange.resource_type or None,
            None,
            None,
            None,
            [],
        )
        try:
            await self.audit.record(event)
        except RefusalError:
            log.warning("refusal_not_audited_yet", request_id=request_id)


def _take_conditions(request: Request, headers: Headers) -> None:
    request.if_match = version_of(headers.get(b"if-match"))
    request.if_none_match = headers.get(b"if-none-match")
    request.if_modified_since = headers.get(b"if-modified-since")
    request.if_none_exist = headers.get(b"if-none-exist")


def _path(scope: Scope) -> str:
    """The path below the base. The raw path is decoded once, part by part, so that an encoded slash stays in its part."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1").partition("?")[0].removeprefix("/fhir").strip("/")


def _source(scope: Scope) -> str | None:
    client = scope.get("client")
    return None if client is None else str(client[0])
