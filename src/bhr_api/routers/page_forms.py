"""What pages get and give: forms of bounded size and time, cookies, errors as pages (HTML Living Standard, form submission)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from bhr_api.auth.audit import RequestSource
from bhr_api.auth.browser_sessions import csrf_token, is_csrf_token, new_form_key
from bhr_api.auth.request_form import FORM, is_form
from bhr_api.pages.rendering import page_headers, render
from bhr_api.routers.requests import bounded_body

_MOST_BYTES = 64 * 1024
_MOST_FIELDS = 200


class PageError(Exception):
    """What a person is told on a page of its own: what is wrong, and what to do."""

    def __init__(self, status: int, title: str, message: str, advice: str, way: tuple[str, str] | None = None) -> None:
        super().__init__(title)
        self.status, self.title, self.message, self.advice, self.way = status, title, message, advice, way


@dataclass(frozen=True, slots=True)
class SentForm:
    """The fields of a form; a name may occur more than once."""

    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def one(self, name: str) -> str:
        """The one value of a field, empty where it is absent. Raises `PageError` where there are several."""
        values = self.fields.get(name, ("",))
        if len(values) != 1:
            raise _damaged()
        return values[0]

    def all(self, name: str) -> Sequence[str]:
        """Every value of a field."""
        return self.fields.get(name, ())


async def read_form(request: Request, arrival_seconds: float) -> SentForm:
    """The form that was sent. Raises `PageError`."""
    if not is_form(request.headers.get("content-type", "")):
        raise PageError(415, "That was no form", f"The page expects {FORM}.", "Go back and try again.")
    try:
        async with asyncio.timeout(arrival_seconds):
            body = await bounded_body(request, _MOST_BYTES)
    except (TimeoutError, ClientDisconnect) as error:
        raise PageError(408, "The form did not arrive", "It took too long.", "Go back and try again.") from error
    if body is None:
        raise PageError(413, "That was too much", "The form is too long.", "Go back and shorten it.")
    return parse_form(body)


def parse_form(body: bytes) -> SentForm:
    """A form in UTF-8. Raises `PageError`."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise _damaged() from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return SentForm(fields)


def _damaged() -> PageError:
    return PageError(400, "The form is damaged", "It cannot be read.", "Go back, load the page again and repeat it.")


@dataclass(frozen=True, slots=True)
class Cookies:
    """The names of our cookies, and whether they are for https.

    RFC 6265bis §4.1.3.2: `__Host-` ties a cookie to this host alone, but browsers take it over https only.
    """

    is_secure: bool

    @property
    def session(self) -> str:
        """The session's cookie."""
        return "__Host-bhr" if self.is_secure else "bhr"

    @property
    def form(self) -> str:
        """What a sign-in form belongs to, before there is a session."""
        return "__Host-bhr-form" if self.is_secure else "bhr-form"

    @property
    def federation(self) -> str:
        """What a sign-in at an identity provider belongs to."""
        return "__Host-bhr-federation" if self.is_secure else "bhr-federation"

    def put(self, response: Response, name: str, value: str, lifetime: timedelta | None = None) -> None:
        """Set a cookie, until the browser is closed if not for less, which no script reads and no other site's form sends."""
        seconds = None if lifetime is None else int(lifetime.total_seconds())
        response.set_cookie(name, value, seconds, path="/", secure=self.is_secure, httponly=True, samesite="lax")

    def take_away(self, response: Response, name: str) -> None:
        """Make the browser forget a cookie."""
        response.delete_cookie(name, path="/", secure=self.is_secure, httponly=True, samesite="lax")


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to a page."""

    request: Request
    source: RequestSource
    cookies: Cookies

    @property
    def session_cookie(self) -> str | None:
        """The session's cookie as it was sent."""
        return self.request.cookies.get(self.cookies.session)

    @property
    def form_key(self) -> str | None:
        """What sign-in forms of this browser belong to."""
        return self.request.cookies.get(self.cookies.form)

    @property
    def federation_key(self) -> str | None:
        """What a sign-in at an identity provider, begun in this browser, belongs to."""
        return self.request.cookies.get(self.cookies.federation)

    def csrf(self, form: str) -> str:
        """The token for a form of who is signed in."""
        return csrf_token(self.session_cookie or "", form)

    def require_csrf(self, sent: SentForm, form: str, way: str) -> None:
        """Raises `PageError` for a form that is not of this session."""
        if not is_csrf_token(sent.one("csrf"), self.session_cookie, form):
            raise not_ours(way)

    def require_sign_in_csrf(self, sent: SentForm, form: str, way: str) -> None:
        """Raises `PageError` for a sign-in form that this browser did not get from us."""
        if not is_csrf_token(sent.one("csrf"), self.form_key, form):
            raise not_ours(way)

    def show(self, page: str, *, status: int = 200, redirect_uri: str | None = None, **values: Any) -> Response:
        """A page of that name."""
        return Response(render(page, **values), status, page_headers(redirect_uri), "text/html; charset=utf-8")

    def show_sign_in(
        self, form: str, *, status: int = 200, redirect_uri: str | None = None, problem: str = "", **values: Any
    ) -> Response:
        """The sign-in page, whose form is tied to this browser by a cookie."""
        key = self.form_key or new_form_key()
        token = csrf_token(key, form)
        answer = self.show("sign_in", status=status, redirect_uri=redirect_uri, csrf=token, problem=problem, **values)
        if self.form_key is None:
            self.cookies.put(answer, self.cookies.form, key)
        return answer

    def show_error(self, error: PageError) -> Response:
        """The page of an error."""
        way, words = error.way or (None, None)
        return self.show(
            "error",
            status=error.status,
            title=error.title,
            message=error.message,
            advice=error.advice,
            way=way,
            way_words=words,
            request_id=self.source.request_id,
        )


def not_ours(way: str) -> PageError:
    """What is told of a form that was forged, or has grown old."""
    return PageError(
        403,
        "Please try again",
        "This form does not belong to your visit, or has grown old. Nothing was changed.",
        "Your browser must accept cookies from this site.",
        (way, "Load the page again"),
    )


def redirect(location: str) -> Response:
    """Go on there by GET (RFC 9700 §4.12: 303, or a form with a password could travel on)."""
    headers = {**page_headers(), "Location": location}
    return Response(status_code=303, headers=headers)
