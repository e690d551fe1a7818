"""Documents for developers: /openapi.json, and /docs as a page that asks nothing of any other server.

The page's assets are those of the installed package fastapi-offline (Swagger UI, Apache-2.0).
"""

import asyncio
import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

_ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_ASSET_SECONDS = 3600

# 'unsafe-inline' is for style attributes alone, which Swagger UI writes; every script is a file of this server.
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bhr_api: API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api">Loading the API description. This page needs JavaScript.</div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

# Requests go to where the page came from, also where that is another name of the server than its public URL.
_START = """\
"use strict";
fetch("openapi.json").then((answer) => answer.json()).then((spec) => {
  spec.servers = [{ url: location.origin }];
  spec.components.securitySchemes.oauth2.flows.clientCredentials.tokenUrl = `${location.origin}/oauth/token`;
  SwaggerUIBundle({
    spec,
    dom_id: "#api",
    deepLinking: true,
    docExpansion: "none",
    defaultModelsExpandDepth: -1,
    defaultModelExpandDepth: 2,
    filter: true,
    syntaxHighlight: false,
    validatorUrl: null,
  });
}).catch((error) => {
  document.querySelector("#api").textContent = `The API description could not be shown: ${error}`;
});
"""


@dataclass(frozen=True, slots=True)
class _File:
    """Bytes that do not change while the server runs, also compressed."""

    body: bytes
    compressed: bytes
    media_type: str
    etag: str

    @classmethod
    def of(cls, body: bytes, media_type: str) -> "_File":
        return cls(body, gzip.compress(body, 6, mtime=0), media_type, f'"{hashlib.sha256(body).hexdigest()[:20]}"')

    def answer(self, request: Request, cache_control: str) -> Response:
        headers = {
            "Cache-Control": cache_control,
            "ETag": self.etag,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("if-none-match") in (self.etag, f"W/{self.etag}"):
            return Response(status_code=304, headers=headers)
        body = self.body
        if "gzip" in request.headers.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = self.compressed, "gzip"
        return Response(body, headers=headers, media_type=self.media_type)


@cache
def _asset(name: str) -> _File:
    if name == "start.js":
        return _File.of(_START.encode(), "text/javascript")
    return _File.of(files("fastapi_offline").joinpath("static", name).read_bytes(), _ASSETS[name])


def documents_router(document: Callable[[], bytes]) -> APIRouter:
    """The router; `document` makes the OpenAPI document as JSON, once, when it is first asked for."""
    router = APIRouter()

    @cache
    def file() -> _File:
        return _File.of(document(), "application/json")

    @router.get("/openapi.json", include_in_schema=False)
    @router.head("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        # Making it takes half a second of one core, so it must not hold up the event loop.
        return (await asyncio.to_thread(file)).answer(request, "public, no-cache")

    @router.get("/docs", include_in_schema=False)
    async def page() -> Response:
        return Response(_PAGE, headers=_PAGE_HEADERS, media_type="text/html")

    for name in (*_ASSETS, "start.js"):
        router.add_api_route(f"/docs/{name}", _sender(name), methods=["GET", "HEAD"], include_in_schema=False)
    return router


def _sender(name: str) -> Callable[[Request], Response]:
    def send(request: Request) -> Response:
        return _asset(name).answer(request, f"public, max-age={_ASSET_SECONDS}")

    return send
