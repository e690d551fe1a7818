"""fhir-kit-client, from the npm registry, unchanged."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.scenario import ALGORITHMS, GOAL_TEXTS, SCORES, new_client_bundle, register
from tests.fixtures.server import RunningServer

HERE = Path(__file__).parent


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_fhir_kit_client_keeps_a_record(server: RunningServer, tenant: str, algorithm: str) -> None:
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules").is_dir():
        pytest.skip("node and `npm ci` in tests/clients are needed for this client")
    backend = register(server, tenant, algorithm)
    ran = subprocess.run(
        [node, "fhir_kit.mjs", server.base_url, backend.access_token()],
        cwd=HERE,
        input=json.dumps(new_client_bundle()),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    status, code, sentence = seen.pop("conflict")
    assert (status, code) == (412, "conflict")
    assert "is at version 2, not 1" in sentence
    assert seen == {
        "fhirVersion": "4.0.1",
        "tokenUrl": backend.token_url,
        "statuses": ["201"] * 17,
        "planGoals": GOAL_TEXTS,
        "family": "Castellanos",
        "pages": [SCORES[:5], SCORES[5:10], SCORES[10:]],
        "goalsFound": [3, 3],
        "updated": ["2", "completed"],
        "versions": [["2", "completed"], ["1", "active"]],
        "first": "active",
        "gone": [410, "deleted"],
    }
