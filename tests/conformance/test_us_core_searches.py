"""Every search that US Core lists finds exactly what a plain look at its own examples finds.

US Core 6.1.0, 7.0.0 and 8.0.0, CapabilityStatement-us-core-server: each parameter, each combination, each _include and
_revinclude.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from tests.conformance.plain_values import elements, meets, texts, tokens
from tests.conformance.us_core_package import FOLDER, Parameter, Search, contents, searches, served_types
from tests.conformance.us_core_supplements import SUPPLEMENTS, provenance_of
from tests.fixtures.server import RunningServer

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the US Core packages are in ../shared, which is not here")

VERSIONS = ["6.1.0", "7.0.0", "8.0.0"] if FOLDER.is_dir() else []
SEARCHES = [search for version in VERSIONS for search in searches(version)]


@dataclass(frozen=True, slots=True)
class Criterion:
    """A parameter and the values of which one is asked for."""

    parameter: Parameter
    values: tuple[str, ...]

    @property
    def written(self) -> tuple[str, str]:
        """As it goes into the search; the bar of a token is no part of its code and stays."""
        escaped = (value.replace("\\", "\\\\").replace(",", "\\,").replace("$", "\\$") for value in self.values)
        return self.parameter.code, ",".join(escaped)

    def is_met_by(self, resource: Resource) -> bool:
        return any(
            meets(element, self.parameter.type, value)
            for element in elements(resource, self.parameter.expression)
            for value in self.values
        )


Records = Mapping[str, Mapping[str, Resource]]


@dataclass(frozen=True, slots=True)
class UsCore:
    """A tenant with the examples of one version; `records` holds them as stored, by type and id."""

    client: httpx.Client
    records: Records


@pytest.fixture(scope="module")
def us_core(server: RunningServer) -> Iterator[Mapping[str, UsCore]]:
    """The examples by version, each version in a tenant of its own."""
    with ExitStack() as clients:
        yield {
            version: load(clients.enter_context(server.client(server.token(server.new_tenant()))), version)
            for version in VERSIONS
        }


def load(client: httpx.Client, version: str) -> UsCore:
    """Put the examples and the supplements, and a Provenance of one resource of each type, under their own ids."""
    sent = {(one["resourceType"], one["id"]): one for one in [*SUPPLEMENTS, *contents(version, "example/")]}
    last_of_type = {resource_type: one for (resource_type, _), one in sent.items()}
    for provenance in map(provenance_of, last_of_type.values()):
        sent["Provenance", provenance["id"]] = provenance
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{resource_type}/{id}"}}
        for (resource_type, id), one in sent.items()
    ]
    answer = client.post(
        "/", content=json_text.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    )
    assert answer.status_code == 200, answer.text
    return UsCore(client, stored(client, {resource_type for resource_type, _ in sent}))


def stored(client: httpx.Client, types: set[str]) -> Records:
    """All resources of the types."""
    records: dict[str, dict[str, Resource]] = defaultdict(dict)
    for resource_type in types:
        for resource in resources(client.get(f"/{resource_type}", params={"_count": 1000})):
            records[resource_type][resource["id"]] = resource
    return records


def resources(answer: httpx.Response, mode: str = "match") -> list[Resource]:
    """The resources of a search's whole answer in the given mode."""
    assert answer.status_code == 200, answer.text
    bundle = json_text.parse(answer.content)
    assert "next" not in {link["relation"] for link in bundle["link"]}
    return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == mode]


def as_written(parameter: Parameter, element: Any) -> list[Criterion]:
    """The whole value: system and code, type and id, the full text, the date to its last digit."""
    if parameter.type == "token":
        values = [f"{system}|{code}" if system else code for system, code in tokens(element)]
    elif parameter.type == "reference":
        values = [element if isinstance(element, str) else element["reference"]]
    elif parameter.type == "string":
        values = texts(element)
    elif isinstance(element, str):
        values = [element]
    else:
        values = [f"ge{element['start']}"] if "start" in element else [f"le{element['end']}"]
    return [Criterion(parameter, (value,)) for value in values[:1]]


def loosely(parameter: Parameter, element: Any) -> list[Criterion]:
    """Less than the value: the code without system, the id without type, how a text begins, the years around a date."""
    if parameter.type == "date":
        date = element if isinstance(element, str) else element.get("start") or element["end"]
        year = int(date[:4])
        values = [f"gt{year - 1}", f"ge{year - 1}-12-31", f"lt{year + 2}", f"le{year + 1}-12"]
    elif parameter.type == "token":
        values = [code for _, code in tokens(element)][:1]
    elif parameter.type == "reference":
        values = [element if isinstance(element, str) else element["reference"].rpartition("/")[2]]
    else:
        values = [text[:4].swapcase() for text in texts(element)[:1]]
    return [Criterion(parameter, (value,)) for value in values]


Form = Callable[[Parameter, Any], list[Criterion]]


Criteria = tuple[Criterion, ...]


def criteria_from(search: Search, example: Resource, form: Form) -> Criteria | None:
    """The search with the example's values, the first of each parameter; None if the example lacks one."""
    parts = [
        next((part for element in elements(example, parameter.expression) if (part := form(parameter, element))), [])
        for parameter in search.parameters
    ]
    return tuple(criterion for part in parts for criterion in part) if all(parts) else None


def meeting(criteria: Criteria, examples: Mapping[str, Resource]) -> set[str]:
    """The ids of the examples that meet all criteria."""
    return {id for id, example in examples.items() if all(criterion.is_met_by(example) for criterion in criteria)}


@pytest.mark.parametrize("form", [as_written, loosely], ids=["as-written", "loosely"])
@pytest.mark.parametrize("search", SEARCHES, ids=str)
def test_each_search_finds_its_example_and_what_else_has_the_values(
    us_core: Mapping[str, UsCore], search: Search, form: Form
) -> None:
    client, examples = us_core[search.version].client, us_core[search.version].records[search.resource_type]
    origins = defaultdict(set)
    for id, example in examples.items():
        if criteria := criteria_from(search, example, form):
            origins[criteria].add(id)
    assert origins
    for criteria, ids in origins.items():
        asked = httpx.QueryParams([*(criterion.written for criterion in criteria), ("_count", "1000")])
        found = {match["id"] for match in resources(client.get(f"/{search.resource_type}", params=asked))}
        assert ids <= found == meeting(criteria, examples), criteria


@pytest.mark.parametrize("search", SEARCHES, ids=str)
def test_each_search_takes_several_values_and_comes_by_post(us_core: Mapping[str, UsCore], search: Search) -> None:
    client, examples = us_core[search.version].client, us_core[search.version].records[search.resource_type]
    by_example = {id: criteria_from(search, example, as_written) for id, example in examples.items()}
    chosen = {id: criteria for id, criteria in sorted(by_example.items())[::2] if criteria} or {
        id: criteria for id, criteria in by_example.items() if criteria
    }
    several = tuple(
        Criterion(parts[0].parameter, tuple({value: None for part in parts for value in part.values}))
        for parts in zip(*chosen.values(), strict=True)
    )
    answer = client.post(
        f"/{search.resource_type}/_search",
        data={**dict(criterion.written for criterion in several), "_count": "1000"},
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert set(chosen) <= {match["id"] for match in resources(answer)} == meeting(several, examples)


def listed(kind: str) -> list[tuple[str, str, str]]:
    """(version, type, include) of each `searchInclude` or `searchRevInclude`."""
    return [
        (version, served["type"], include)
        for version in VERSIONS
        for served in served_types(version)
        for include in served.get(kind, [])
    ]


@pytest.mark.parametrize(("version", "resource_type", "include"), listed("searchInclude"))
def test_each_include_brings_what_the_matches_refer_to(
    us_core: Mapping[str, UsCore], version: str, resource_type: str, include: str
) -> None:
    client, records = us_core[version].client, us_core[version].records
    answer = client.get(f"/{resource_type}", params={"_include": include, "_count": "1000"})
    _, name, target = f"{include}:".split(":")[:3]
    stored_names = {f"{type}/{id}" for type, examples in records.items() for id in examples}
    referred = {to for one in records[resource_type].values() for to in references(one, name)}
    expected = {to for to in referred & stored_names if target in ("", to.partition("/")[0])}
    assert {name_of(one) for one in resources(answer, "include")} == expected != set()


@pytest.mark.parametrize(("version", "resource_type", "include"), listed("searchRevInclude"))
def test_each_reverse_include_brings_what_refers_to_the_matches(
    us_core: Mapping[str, UsCore], version: str, resource_type: str, include: str
) -> None:
    client, records = us_core[version].client, us_core[version].records
    source, name = include.split(":")
    found = set()
    for id in records[resource_type]:
        answer = client.get(f"/{resource_type}", params={"_id": id, "_revinclude": include})
        expected = {
            name_of(one) for one in records[source].values() if f"{resource_type}/{id}" in references(one, name)
        }
        assert {name_of(one) for one in resources(answer, "include")} == expected
        found |= expected
    assert found


def name_of(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def references(resource: Resource, name: str) -> set[str]:
    """The references in an element, at any depth; of `medication[x]` in the one that holds a reference."""
    return set(_references([resource.get(name), resource.get(f"{name}Reference")]))


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        if "reference" in node:
            yield node["reference"]
        yield from _references(list(node.values()))
