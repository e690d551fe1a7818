"""fhir-kit-client, from the npm registry, unchanged."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.scenario import SCORES, new_client_bundle, token_by_private_key
from tests.fixtures.server import RunningServer

HERE = Path(__file__).parent


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_fhir_kit_client_keeps_a_record(server: RunningServer, tenant: str, algorithm: str) -> None:
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules").is_dir():
        pytest.skip("node and `npm ci` in tests/clients are needed for this client")
    token = token_by_private_key(server, tenant, algorithm)
    ran = subprocess.run(
        [node, "fhir_kit.mjs", server.base_url, token],
        cwd=HERE,
        input=json.dumps(new_client_bundle()),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "fhirVersion": "4.0.1",
        "statuses": ["201"] * 17,
        "planKinds": ["CarePlan", "Goal", "Goal", "Goal"],
        "scores": SCORES,
        "version": "2",
        "conflict": 412,
        "versions": ["2", "1"],
        "gone": 410,
    }
