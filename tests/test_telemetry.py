import json
import logging
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import structlog
from prometheus_client import REGISTRY

from bhr_api.telemetry import configure_logging, observe_request

SOURCE = Path(__file__).parents[1] / "src"


def requests_of(interaction: str, resource_type: str, status: str) -> float | None:
    labels = {"interaction": interaction, "type": resource_type, "status": status}
    return REGISTRY.get_sample_value("bhr_requests_total", labels)


def observed_seconds(interaction: str) -> float | None:
    return REGISTRY.get_sample_value("bhr_request_seconds_sum", {"interaction": interaction})


def test_requests_are_counted_by_interaction_type_and_class_of_status() -> None:
    interaction = uuid.uuid4().hex
    for status in (200, 201, 404):
        observe_request(interaction, "Patient", status, 0.25)
    observe_request(interaction, "Goal", 200, 0.25)
    assert requests_of(interaction, "Patient", "2xx") == 2
    assert requests_of(interaction, "Patient", "4xx") == 1
    assert requests_of(interaction, "Goal", "2xx") == 1
    assert observed_seconds(interaction) == pytest.approx(1.0)


def test_a_request_without_an_interaction_counts_as_refused() -> None:
    resource_type = uuid.uuid4().hex
    observe_request("", resource_type, 404, 0.001)
    assert requests_of("refused", resource_type, "4xx") == 1


@pytest.fixture
def _logging() -> Iterator[None]:
    """Puts the handlers of the libraries' log back in the end."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logging")
def test_an_error_of_a_library_is_logged_by_its_name_and_without_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    try:
        raise ValueError("Jane Example")
    except ValueError:
        logging.getLogger("some.library").exception("Jane Example was not understood")
    (line,) = capsys.readouterr().err.splitlines()
    logged = json.loads(line)
    assert (logged["event"], logged["library"], logged["error"]) == ("library_log", "some.library", "ValueError")
    assert logged["place"].startswith("test_telemetry:")
    assert logged["raised_at"].startswith("test_telemetry.py:")
    assert "Jane" not in line


@pytest.mark.usefixtures("_logging")
def test_a_statement_that_goes_with_its_connection_is_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    lost = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
    logging.getLogger("asyncio").error("Future exception was never retrieved", exc_info=lost)

    logged = json.loads(capsys.readouterr().err)

    assert (logged["event"], logged["level"], logged["error"]) == (
        "statement_lost",
        "warning",
        "ConnectionDoesNotExistError",
    )


@pytest.mark.usefixtures("_logging")
def test_a_warning_of_a_library_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"])
def test_a_directory_of_metrics_from_elsewhere_is_not_used(name: str, tmp_path: Path) -> None:
    directory = tmp_path / "missing"
    program = (
        "from bhr_api.telemetry import metrics, observe_pool; observe_pool(3, 1, 0.5); print(metrics()[0].decode())"
    )
    shown = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, name: str(directory), "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert "bhr_pool_connections 3.0" in shown
    assert not directory.exists()
