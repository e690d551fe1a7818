"""The README's requests work as they stand there, and so do the examples of docs/clients.md."""

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from bhr_api.fhir import json_text
from bhr_api.samples import generate
from tests.fixtures.server import RunningServer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CLIENTS = (ROOT / "docs" / "clients.md").read_text()
PROGRAMS = str(Path(sys.executable).parent)


def blocks(language: str, text: str = README) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for language_of_block, block in fenced if language_of_block == language]


def block(start: str, language: str = "", text: str = README) -> str:
    (found,) = [block for block in blocks(language, text) if block.startswith(start)]
    return found


def run(command: str, directory: Path, **environment: str) -> str:
    """What the shell prints for `command`, with this environment's programs in the place of `.venv/bin`."""
    ran = subprocess.run(
        ["/bin/sh", "-c", command.replace(".venv/bin/", f"{PROGRAMS}/")],
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_first_request_answers_as_shown(server: RunningServer, client: httpx.Client, tmp_path: Path) -> None:
    for bundle in generate(1):
        assert client.post("/", content=json_text.dumps(bundle)).status_code == 200
    token = client.headers["Authorization"].removeprefix("Bearer ")
    command = block("curl").replace("http://127.0.0.1:8000", server.url)
    answer = json.loads(run(command, tmp_path, TOKEN=token))
    (shown,) = [json.loads(block) for block in blocks("json")]
    resource, expected = answer["entry"][0]["resource"], shown["entry"][0]["resource"]
    for name in ("resourceType", "id", "status", "effectiveDateTime", "valueQuantity"):
        assert resource[name] == expected[name]


@pytest.fixture
def registered(server: RunningServer, tenant: str, tmp_path: Path) -> Path:
    """A directory in which the README's first two steps were taken: keys were made, and a client registered."""
    run(block(".venv/bin/python - <<"), tmp_path)
    database = f"--tenant {tenant} --database-url '{server.dsn}'"
    run(block(".venv/bin/bhr-api clients add").replace("--data-dir .data", database), tmp_path)
    return tmp_path


def test_the_private_key_is_its_owners_alone(registered: Path) -> None:
    assert (registered / "private-key.json").stat().st_mode & 0o077 == 0
    assert "d" not in json.loads((registered / "public-keys.json").read_text())["keys"][0]


def test_the_first_transaction_prints_what_is_said(server: RunningServer, registered: Path) -> None:
    script = block("import json", "python").replace("http://127.0.0.1:8000", server.url)
    (registered / "first.py").write_text(script)
    printed = run(".venv/bin/python -W error first.py", registered).splitlines()
    assert printed == re.findall(r"`((?:match|include) \w+)`", README)


def test_authlibs_client_gets_a_token(server: RunningServer, registered: Path) -> None:
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        # Authlib announces that its httpx integration will move to httpx2.
        warnings.simplefilter("ignore")
        exec(block("import time", "python", CLIENTS), names)
    key = ECKey.import_key(json.loads((registered / "private-key.json").read_text()))
    client_id = json.loads((registered / "client.json").read_text())["client_id"]
    connected = names["connect"](server.url, client_id, key, "system/Patient.rs")
    try:
        assert connected.get(f"{server.base_url}/Patient").status_code == 200
    finally:
        connected.close()
