"""serve and demo as processes: what they print, what they leave behind, and what they survive."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import CommandLine
from tests.cli.server_process import Started, environment, postmaster_of, started
from tests.fixtures.pages import SmartApp, Visitor, forms_of
from tests.fixtures.server import RunningServer

# One demonstration serves them all, and each starts servers: none gains by running beside another.
pytestmark = pytest.mark.xdist_group("serving")


def token_for(server: Started) -> str:
    """A token from the command line while the server runs."""
    return CommandLine(("--data-dir", str(server.data_dir))).output("token", "--scope", "system/*.rs").strip()


def refused_start(*options: str) -> tuple[int, list[str]]:
    """Exit code and standard error of a server that must not start."""
    process = subprocess.run(
        [sys.executable, "-m", "bhr_api", "serve", *options],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=30,
        check=False,
    )
    return process.returncode, process.stderr.strip().splitlines()


def test_the_printed_request_works_when_it_is_pasted(demonstrated: tuple[Path, str]) -> None:
    data_dir, greeting = demonstrated
    (pasted,) = [line for line in greeting.splitlines() if line.startswith("curl ")]
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with started("demo", "--patients", "2", data_dir=data_dir) as again:
        printed_base = pasted.split("'")[3].partition("/Observation")[0]
        answer = subprocess.check_output(["sh", "-c", pasted.replace(printed_base, again.base_url)], text=True)
    kinds = [entry["resource"]["resourceType"] for entry in json.loads(answer)["entry"]]
    assert {"Observation", "QuestionnaireResponse"} <= set(kinds)


def test_the_demonstration_says_where_everything_is(demonstrated: tuple[Path, str]) -> None:
    greeting = demonstrated[1]
    assert "2 sample clients" in greeting
    for wanted in ("/fhir/metadata", "/docs", "bhr_at_default_"):
        assert wanted in greeting


def test_the_people_of_the_demonstration_see_what_it_says(demonstrated: tuple[Path, str]) -> None:
    with started("demo", "--patients", "2", data_dir=demonstrated[0]) as server:
        lines = server.greeting.splitlines()
        (password,) = [line.rsplit(maxsplit=1)[-1] for line in lines if "the password of all is" in line]
        (client_id,) = [line.split()[-1] for line in lines if line.startswith("  Sample app")]
        for username, seen in (
            ("demo-worker", {"sample-0001", "sample-0002"}),
            ("demo-supervisor", {"sample-0001", "sample-0002"}),
            ("demo-clinician", {"sample-0001", "sample-0002"}),
            ("demo-guardian", {"sample-0001"}),
        ):
            with httpx.Client(base_url=server.base_url.removesuffix("/fhir")) as http:
                visitor = Visitor(RunningServer(str(http.base_url).rstrip("/"), ""), http)
                app = SmartApp(visitor.server, client_id, "launch/patient patient/*.rs", "http://127.0.0.1:1/callback")
                visitor.open(app.address())
                page = visitor.sign_in(username, password)
                assert {value for form in forms_of(page.text) for name, value in form.choices} == seen, username


def test_sigterm_stops_the_server_and_its_postgresql(demonstrated: tuple[Path, str]) -> None:
    data_dir = demonstrated[0]
    with started("serve", data_dir=data_dir) as server:
        assert postmaster_of(data_dir) is not None
        assert server.stop() == 0
        assert postmaster_of(data_dir) is None
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.base_url)
        assert server.process.stderr is not None
        assert server.process.stderr.read() == ""


def test_a_second_demonstration_loads_nothing_twice(demonstrated: tuple[Path, str]) -> None:
    with started("demo", "--patients", "3", data_dir=demonstrated[0]) as server:
        token = token_for(server)
        assert server.count("Patient?_summary=count", token) == 3
        answer = httpx.get(f"{server.base_url}/Patient/sample-0001", headers={"Authorization": f"Bearer {token}"})
        assert answer.json()["meta"]["versionId"] == "1"


def test_what_was_stored_survives_the_death_of_server_and_database(demonstrated: tuple[Path, str]) -> None:
    data_dir = demonstrated[0]
    with started("serve", data_dir=data_dir) as server:
        token = token_for(server)
        before = server.count("Observation?_summary=count", token)
        postmaster = postmaster_of(data_dir)
        assert postmaster is not None
        server.stop(signal.SIGKILL)
        os.kill(postmaster, signal.SIGKILL)
    with started("serve", data_dir=data_dir) as again:
        assert before > 0
        assert again.count("Observation?_summary=count", token) == before


def test_a_database_that_dies_is_started_again(serving: Started) -> None:
    token = token_for(serving)
    postmaster = postmaster_of(serving.data_dir)
    assert postmaster is not None
    os.kill(postmaster, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        time.sleep(0.2)
        try:
            assert serving.count("Patient?_summary=count", token) >= 2
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 503:
                raise
        else:
            break
    else:
        pytest.fail("the database was not started again")
    assert postmaster_of(serving.data_dir) not in (None, postmaster)


def test_a_port_in_use_is_told_in_one_line(serving: Started) -> None:
    port = str(httpx.URL(serving.base_url).port)
    code, lines = refused_start("--port", port, "--data-dir", str(serving.data_dir))
    assert (code, len(lines)) == (1, 1)
    assert f"port {port} (Address already in use)" in lines[0]


def test_a_data_directory_in_use_is_told_in_one_line(serving: Started) -> None:
    code, lines = refused_start("--port", "0", "--data-dir", str(serving.data_dir))
    assert (code, len(lines)) == (1, 1)
    assert f"in use by process {serving.process.pid}" in lines[0]


def test_commands_start_a_database_that_does_not_run(demonstrated: tuple[Path, str]) -> None:
    data_dir = demonstrated[0]
    token = CommandLine(("--data-dir", str(data_dir))).output("token", "--scope", "system/*.rs")
    assert token.startswith("bhr_at_default_")
    assert postmaster_of(data_dir) is None
