"""/openapi.json and /docs: what is served, without any other server."""

import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.fixtures.server import RunningServer

ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js", "start.js")


def test_the_document_names_the_server_it_came_from(server: RunningServer) -> None:
    answer = httpx.get(f"{server.url}/openapi.json")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["servers"] == [{"url": server.url}]


def test_the_document_is_sent_once_to_who_has_it(server: RunningServer) -> None:
    first = httpx.get(f"{server.url}/openapi.json")
    second = httpx.get(f"{server.url}/openapi.json", headers={"If-None-Match": first.headers["ETag"]})

    assert (second.status_code, second.content) == (304, b"")


def test_the_document_is_compressed_on_request(server: RunningServer) -> None:
    plain = httpx.get(f"{server.url}/openapi.json", headers={"Accept-Encoding": "identity"})
    packed = httpx.get(f"{server.url}/openapi.json", headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json() == plain.json()


def test_the_page_names_nothing_outside_the_server(server: RunningServer) -> None:
    page = httpx.get(f"{server.url}/docs")

    assert page.headers["Content-Type"].startswith("text/html")
    assert re.findall(r'(?:src|href)="([^"]+)"', page.text) == ["data:,", *(f"docs/{name}" for name in ASSETS)]
    assert "//" not in page.text


def test_the_page_is_confined_by_its_content_security_policy(server: RunningServer) -> None:
    policy = httpx.get(f"{server.url}/docs").headers["Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))

    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["connect-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert "http" not in policy


@pytest.mark.parametrize("name", ASSETS)
def test_every_asset_is_served_from_the_installed_package(server: RunningServer, name: str) -> None:
    answer = httpx.get(f"{server.url}/docs/{name}")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].split(";")[0] == ("text/css" if name.endswith("css") else "text/javascript")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_no_other_file_can_be_asked_for(server: RunningServer) -> None:
    answers = [httpx.get(f"{server.url}/docs/{name}") for name in ("redoc.standalone.js", "..%2F__init__.py", "")]

    assert {answer.status_code for answer in answers} <= {404, 307}
    assert not any(b"import" in answer.content for answer in answers)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_a_browser_shows_the_page_without_another_server(server: RunningServer, tmp_path: Path) -> None:
    shown = subprocess.run(
        [
            str(CHROMIUM),
            *"--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking".split(),
            *"--disable-component-update --disable-dev-shm-usage --enable-logging=stderr".split(),
            # Any other host fails to resolve, which the console would tell.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={tmp_path}",
            "--virtual-time-budget=30000",
            "--dump-dom",
            f"{server.url}/docs",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    console = [line for line in shown.stderr.splitlines() if "CONSOLE" in line]

    assert "The client whose record it is." in shown.stdout
    assert 'id="operations-tag-CarePlan"' in shown.stdout
    assert console == []
