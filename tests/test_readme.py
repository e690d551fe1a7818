"""The README's request and snippet work as they stand there."""

import json
import re
import subprocess
import warnings
from pathlib import Path
from typing import Any

import httpx
from joserfc.jwk import ECKey

from bhr_api.fhir import json_text
from bhr_api.samples import generate
from tests.fixtures.server import RunningServer

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_first_request_answers_as_shown(server: RunningServer, client: httpx.Client) -> None:
    for bundle in generate(1):
        assert client.post("/", content=json_text.dumps(bundle)).status_code == 200
    (command,) = [block for block in blocks("") if block.startswith("curl")]
    token = client.headers["Authorization"].removeprefix("Bearer ")
    command = command.replace("http://127.0.0.1:8000", server.url)
    ran = subprocess.run(
        ["/bin/sh", "-c", command],
        env={"TOKEN": token, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        timeout=30,
        check=True,
    )
    answer = json.loads(ran.stdout)
    (shown,) = [json.loads(block) for block in blocks("json")]
    resource, expected = answer["entry"][0]["resource"], shown["entry"][0]["resource"]
    for name in ("resourceType", "id", "status", "effectiveDateTime", "valueQuantity"):
        assert resource[name] == expected[name]


def test_the_snippet_gets_a_token(server: RunningServer, tenant: str) -> None:
    key = ECKey.generate_key("P-384", {"kid": "k1"})
    registered = server.register(tenant, json.dumps({"keys": [key.as_dict(private=False)]}))
    names: dict[str, Any] = {}
    (snippet,) = blocks("python")
    with warnings.catch_warnings():
        # Authlib announces that its httpx integration will move to httpx2.
        warnings.simplefilter("ignore")
        exec(snippet, names)
    private_keys = {"keys": [key.as_dict(private=True)]}
    connected = names["connect"](server.url, registered.client_id, private_keys, "system/Patient.rs")
    try:
        assert connected.get(f"{server.base_url}/Patient").status_code == 200
    finally:
        connected.close()
