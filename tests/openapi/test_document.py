"""The OpenAPI document as a whole: valid, complete, and the one that is committed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from pydantic import SecretStr

from bhr_api.app import Application
from bhr_api.errors import RefusalError
from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.interactions.capabilities import parameters_served
from bhr_api.interactions.requests import SERVER_WRITTEN, parse_request
from bhr_api.openapi import document
from bhr_api.openapi.documented_types import DOCUMENTED_TYPES
from bhr_api.settings import Settings

COMMITTED = Path(__file__).parents[2] / "openapi/openapi.json"
METHODS = ("get", "put", "post", "patch", "delete")


@cache
def generated() -> dict[str, Any]:
    return document(Settings(_env_file=None))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each method, path and operation of the document."""
    for path, item in generated()["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def references(node: Any) -> Iterator[str]:
    """Every $ref below a node, but for those within examples."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for name, value in node.items():
            if name not in ("value", "example"):
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolved(reference: str) -> Any:
    node: Any = generated()
    for name in reference.removeprefix("#/").split("/"):
        node = node[name]
    return node


def test_the_committed_document_is_the_generated_one() -> None:
    assert json.loads(COMMITTED.read_text("utf-8")) == generated(), "run `bhr-api openapi`"


def test_it_is_valid_openapi_3_1() -> None:
    schema = schemathesis.openapi.from_dict(generated())

    schema.validate()
    assert generated()["openapi"].startswith("3.1.")
    assert len(list(schema.get_all_operations())) == len(list(operations()))


def test_it_is_the_same_in_another_process() -> None:
    program = (
        "import json; from bhr_api.openapi import document; from bhr_api.settings import Settings;"
        " print(json.dumps(document(Settings(_env_file=None))))"
    )
    source = str(Path(__file__).parents[2] / "src")
    environment = {**os.environ, "PYTHONHASHSEED": "4242", "PYTHONPATH": source}
    output = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)

    assert output.stdout.decode().strip() == json.dumps(generated())


def test_only_the_address_depends_on_the_settings() -> None:
    elsewhere = document(Settings(_env_file=None, public_url="https://records.example"))
    text = json.dumps(elsewhere).replace("https://records.example", "http://127.0.0.1:8000")

    assert json.loads(text) == generated()


def test_it_names_no_machine() -> None:
    text = COMMITTED.read_text("utf-8")
    hosts = set(re.findall(r"https?://([a-z0-9.:-]+)", text))

    assert not re.search(r"/(home|work|root|tmp)/", text)
    assert {host for host in hosts if host.startswith(("localhost", "127.", "10.", "192."))} == {"127.0.0.1:8000"}


def test_it_stays_small_enough_to_open() -> None:
    assert COMMITTED.stat().st_size < 2_200_000


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    found = set(references(generated()))
    for reference in found:
        assert resolved(reference), reference
    components = generated()["components"]
    for kind in ("parameters", "responses", "headers", "examples", "requestBodies"):
        unused = {name for name in components[kind] if f"#/components/{kind}/{name}" not in found}
        assert not unused, kind


def test_every_tag_is_described() -> None:
    used = {tag for _, _, operation in operations() for tag in operation["tags"]}

    assert used == {tag["name"] for tag in generated()["tags"]}


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", DOCUMENTED_TYPES)
def test_a_documented_type_has_every_search_parameter(name: str) -> None:
    search = generated()["paths"][f"/fhir/{name}"]["get"]
    given = {resolved(parameter["$ref"])["name"] for parameter in search["parameters"]}
    form = generated()["components"]["schemas"][f"{name}Search"]["properties"]

    assert set(parameters_served(name)) <= given
    assert set(parameters_served(name)) <= form.keys()


def test_what_is_documented_is_in_the_url_grammar() -> None:
    values = {"{type}": "Basic", "{id}": "a", "{version_id}": "1"}
    for method, path, _ in operations():
        if path.startswith("/fhir") and ".well-known" not in path:
            local = path.removeprefix("/fhir").strip("/")
            for name, value in values.items():
                local = local.replace(name, value)
            assert parse_request(method.upper(), local, "").interaction, path


@pytest.mark.parametrize("shape", ["", "/_search", "/_history", "/a", "/a/_history", "/a/_history/1"])
def test_what_is_in_the_url_grammar_is_documented(shape: str) -> None:
    templates = {"": "", "/a": "/{id}", "/a/_history": "/{id}/_history", "/a/_history/1": "/{id}/_history/{version_id}"}
    for name in (*(set(DOCUMENTED_TYPES) - SERVER_WRITTEN), "Basic"):
        path = f"/fhir/{name if name in DOCUMENTED_TYPES else '{type}'}{templates.get(shape, shape)}"
        assert {m for m in METHODS if is_offered(m, f"{name}{shape}")} == generated()["paths"][path].keys()


def is_offered(method: str, path: str) -> bool:
    try:
        parse_request(method.upper(), path, "")
    except RefusalError:
        return False
    return True


def test_no_writing_of_audit_events_is_documented() -> None:
    methods = {(method, path) for method, path, operation in operations() if operation["tags"] == ["AuditEvent"]}

    assert methods == {
        ("get", "/fhir/AuditEvent"),
        ("post", "/fhir/AuditEvent/_search"),
        ("get", "/fhir/AuditEvent/{id}"),
    }


def test_every_route_of_the_application_is_documented() -> None:
    settings = Settings(_env_file=None, database_url=SecretStr("postgresql://nowhere"))
    own = Application(settings, "postgresql://nowhere").rest.openapi()["paths"]

    assert "/oauth/token" in own
    assert own.keys() <= generated()["paths"].keys()


def test_the_generic_addresses_take_every_resource_type() -> None:
    assert generated()["components"]["parameters"]["type"]["schema"]["enum"] == list(RESOURCE_TYPES)


def test_every_fhir_operation_tells_its_refusals_as_outcomes() -> None:
    for method, path, operation in operations():
        if path.startswith("/fhir") and ".well-known" not in path:
            refusals = {status: one for status, one in operation["responses"].items() if status >= "400"}
            needed = (
                {"406", "414", "500"} if path == "/fhir/metadata" else {"400", "401", "403", "406", "414", "500", "503"}
            )
            assert needed <= refusals.keys(), (method, path)
            for refusal in refusals.values():
                schema = resolved(refusal["$ref"])["content"]["application/fhir+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/OperationOutcome"}
