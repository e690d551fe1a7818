"""The samples are R4, by a judge from outside: the models of fhir.resources (R4B, which these types share with R4)."""

import json
from collections.abc import Iterable

import pytest
from fhir.resources.R4B import get_fhir_model_class

from bhr_api.fhir.definitions import Resource
from bhr_api.samples import mixed_resources
from tests.samples.record import CLIENTS, resources


def assert_accepted(samples: Iterable[Resource]) -> None:
    for sample in samples:
        get_fhir_model_class(sample["resourceType"]).model_validate_json(json.dumps(sample))


@pytest.mark.parametrize("client", [0, *CLIENTS])
def test_the_models_accept_every_resource_of_a_client(client: int) -> None:
    assert_accepted(resources(client))


def test_the_models_accept_the_volume_stream() -> None:
    assert_accepted(mixed_resources(2000))
