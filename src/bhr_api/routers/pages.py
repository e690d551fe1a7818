"""The pages over HTTP: /oauth/authorize/<request id> and /app (docs/accounts.md)."""

from collections.abc import Awaitable, Callable

import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from bhr_api.auth.audit import RequestSource
from bhr_api.auth.authorization_request import AuthorizationPageError
from bhr_api.auth.identity_providers import CALLBACK
from bhr_api.auth.secret_key import SecretKeyError
from bhr_api.errors import RefusalError
from bhr_api.pages.rendering import STATIC_FILES, static_file, static_tag
from bhr_api.routers.app_pages import APPS, SIGN_IN, SIGN_OUT, AppPages
from bhr_api.routers.authorization_pages import AuthorizationPages
from bhr_api.routers.federation_pages import FederationPages
from bhr_api.routers.page_forms import Cookies, PageError, SentForm, Visit, read_form, redirect
from bhr_api.routers.provider_links import WAY

log = structlog.get_logger(__name__)

AUTHORIZE = "/oauth/authorize/{waiting_id}"
_DAY = 86_400
Answer = Callable[[Visit], Awaitable[Response]]
AnswerForm = Callable[[Visit, SentForm], Awaitable[Response]]


class PageDoor:
    """Turns requests into visits, and what goes wrong into pages that say what to do."""

    def __init__(self, public_url: str, request_id: Callable[[Request], str], arrival_seconds: float) -> None:
        self._cookies = Cookies(is_secure=public_url.startswith("https://"))
        self._request_id, self._arrival_seconds = request_id, arrival_seconds

    def visit(self, request: Request) -> Visit:
        """The request as pages see it."""
        source = RequestSource(request.client.host if request.client else "", self._request_id(request))
        return Visit(request, source, self._cookies)

    async def show(self, request: Request, answer: Answer) -> Response:
        """The answer to a GET."""
        visit = self.visit(request)
        try:
            return await answer(visit)
        except PageError as error:
            return visit.show_error(error)
        except AuthorizationPageError as error:
            return visit.show_error(page_error_of(error))
        except (RefusalError, OperationalError, InterfaceError, PoolTimeoutError, OSError) as error:
            log.warning("page_not_shown", reason=type(error).__name__, request_id=visit.source.request_id)
            return _unavailable(visit)
        except SecretKeyError as error:
            log.error("secret_key_unusable", reason=str(error), request_id=visit.source.request_id)
            return _unavailable(visit)

    async def take(self, request: Request, answer: AnswerForm) -> Response:
        """The answer to a form."""

        async def read_and_answer(visit: Visit) -> Response:
            return await answer(visit, await read_form(request, self._arrival_seconds))

        return await self.show(request, read_and_answer)

    def error_page(self, request: Request, error: AuthorizationPageError) -> Response:
        """The page of an authorization request in which something is wrong."""
        return self.visit(request).show_error(page_error_of(error))


def pages_router(
    door: PageDoor, authorization: AuthorizationPages, federation: FederationPages, apps: AppPages
) -> APIRouter:
    """Every page; they are for people, so the OpenAPI document leaves them out."""
    router = APIRouter(include_in_schema=False)

    @router.get(AUTHORIZE)
    async def show_request(request: Request, waiting_id: str) -> Response:
        return await door.show(request, lambda visit: authorization.show(visit, waiting_id))

    @router.post(AUTHORIZE)
    async def answer_request(request: Request, waiting_id: str) -> Response:
        return await door.take(request, lambda visit, form: authorization.take(visit, waiting_id, form))

    @router.get(WAY)
    async def leave_for_provider(request: Request, key: str) -> Response:
        return await door.show(request, lambda visit: federation.leave(visit, key))

    @router.get(CALLBACK)
    async def come_back_from_provider(request: Request) -> Response:
        return await door.show(request, federation.come_back)

    @router.get("/app")
    async def start() -> Response:
        return redirect(APPS)

    @router.get(SIGN_IN)
    async def show_sign_in(request: Request) -> Response:
        async def sign_in_page(visit: Visit) -> Response:
            return apps.show_sign_in(visit)

        return await door.show(request, sign_in_page)

    @router.post(SIGN_IN)
    async def sign_in(request: Request) -> Response:
        return await door.take(request, apps.take_sign_in)

    @router.get(APPS)
    async def show_apps(request: Request) -> Response:
        return await door.show(request, apps.show_apps)

    @router.post(APPS)
    async def change_apps(request: Request) -> Response:
        return await door.take(request, apps.take_apps)

    @router.post(SIGN_OUT)
    async def sign_out(request: Request) -> Response:
        return await door.take(request, apps.sign_out)

    for name in STATIC_FILES:
        router.add_api_route(f"/app/{name}", _sender(name), methods=["GET", "HEAD"])
    return router


def page_error_of(error: AuthorizationPageError) -> PageError:
    """What a person is told of a request that cannot go on."""
    advice = "If it happens again when you start from the app, tell whoever runs the app."
    title = "Please try again" if error.status == 503 else "This request cannot go on"
    return PageError(error.status, title, str(error), advice)


def _unavailable(visit: Visit) -> Response:
    answer = visit.show_error(
        PageError(503, "Please try again", "The server is busy.", "Wait a few seconds and load the page again.")
    )
    answer.headers["Retry-After"] = "2"
    return answer


def _sender(name: str) -> Callable[[Request], Response]:
    def send(request: Request) -> Response:
        tag = f'"{static_tag(name)}"'
        headers = {
            "Cache-Control": f"public, max-age={_DAY}",
            "ETag": tag,
            "X-Content-Type-Options": "nosniff",
            # An image may be opened by itself, and hold what a page may not.
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        }
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(static_file(name), 200, headers, STATIC_FILES[name])

    return send
