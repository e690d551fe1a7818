"""The samples are R4, by our own rules and by a judge from outside: the models of fhir.resources (R4B)."""

import json
from collections.abc import Iterable

import pytest
from fhir.resources.R4B import get_fhir_model_class

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.validation import validate
from bhr_api.samples import mixed_resources
from tests.samples.record import CLIENTS, bundles, resources


def assert_accepted_by_the_models(samples: Iterable[Resource]) -> None:
    for sample in samples:
        get_fhir_model_class(sample["resourceType"]).model_validate_json(json.dumps(sample))


@pytest.mark.parametrize("client", [0, *CLIENTS])
def test_a_bundle_and_all_that_it_holds_obey_r4(client: int) -> None:
    assert validate(bundles()[client]) == []
    for resource in resources(client):
        assert validate(resource) == []


@pytest.mark.parametrize("client", [0, *CLIENTS])
def test_the_models_accept_every_resource_of_a_client(client: int) -> None:
    assert_accepted_by_the_models(resources(client))


def test_the_volume_stream_obeys_r4() -> None:
    assert [issue for resource in mixed_resources(5000) for issue in validate(resource)] == []


def test_the_models_accept_the_volume_stream() -> None:
    assert_accepted_by_the_models(mixed_resources(2000))
