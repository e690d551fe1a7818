"""Pages from their templates, with the headers that confine them (CSP Level 3; OWASP: no script at all runs on these)."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
STATIC_FILES = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}


@cache
def static_file(name: str) -> bytes:
    """A file that pages refer to."""
    return files("bhr_api.pages").joinpath("static", name).read_bytes()


@cache
def static_tag(name: str) -> str:
    """What changes in the file's address when the file does."""
    return hashlib.sha256(static_file(name)).hexdigest()[:12]


def _shown_time(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bhr_api.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["time"] = _shown_time
    environment.globals["static_tag"] = static_tag
    return environment


def render(page: str, **values: Any) -> str:
    """The page of that name, such as `sign_in`; every value is escaped."""
    return _environment().get_template(f"{page}.html").render(values)


def page_headers(redirect_uri: str | None = None) -> Mapping[str, str]:
    """The headers of every page. Browsers hold a form's redirect against form-action too, so `redirect_uri` has its place."""
    target = "" if redirect_uri is None else _form_target(redirect_uri)
    return {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none';"
            f" form-action 'self'{target}"
        ),
        # For browsers from before frame-ancestors.
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-store",
        "Pragma": "no-cache",
    }


def _form_target(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    if parts.scheme in ("http", "https"):
        return f" {parts.scheme}://{parts.netloc}" if _HOST.fullmatch(parts.netloc) else ""
    # RFC 8252 §7.1: a native app's own scheme has no host.
    return f" {parts.scheme}:" if _SCHEME.fullmatch(parts.scheme) else ""
