import uuid

import pytest
from prometheus_client import REGISTRY

from bhr_api.telemetry import observe_request


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
