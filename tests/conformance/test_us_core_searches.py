"""Every search that US Core lists finds exactly what a plain look at its own examples finds.

US Core 6.1.0 and 8.0.0, CapabilityStatement-us-core-server: each parameter, each combination, each _include and _revinclude.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from tests.conformance.plain_values import elements, meets, texts, tokens
from tests.conformance.us_core_package import FOLDER, Parameter, Search, contents, searches
from tests.conformance.us_core_supplements import SUPPLEMENTS
from tests.fixtures.server import RunningServer

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the US Core packages are in ../shared, which is not here")

VERSIONS = ["6.1.0", "8.0.0"] if FOLDER.is_dir() else []
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
    """Put the examples and the supplements under their own ids, in one transaction."""
    sent = {(one["resourceType"], one["id"]): one for one in [*contents(version, "example/"), *SUPPLEMENTS]}
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


def queries(search: Search, examples: Iterable[Resource], form: Form) -> set[tuple[Criterion, ...]]:
    """The search with the values of each example that has them all, the first of each parameter."""
    made = set()
    for example in examples:
        parts = [
            next(
                (part for element in elements(example, parameter.expression) if (part := form(parameter, element))), []
            )
            for parameter in search.parameters
        ]
        if all(parts):
            made.add(tuple(criterion for part in parts for criterion in part))
    return made


@pytest.mark.parametrize("form", [as_written, loosely], ids=["as-written", "loosely"])
@pytest.mark.parametrize("search", SEARCHES, ids=str)
def test_each_search_finds_its_example_and_what_else_has_the_values(
    us_core: Mapping[str, UsCore], search: Search, form: Form
) -> None:
    client, examples = us_core[search.version].client, us_core[search.version].records[search.resource_type]
    asked = queries(search, examples.values(), form)
    assert asked
    for criteria in asked:
        answer = client.get(f"/{search.resource_type}", params=[*(one.written for one in criteria), ("_count", "1000")])
        expected = {id for id, example in examples.items() if all(one.is_met_by(example) for one in criteria)}
        assert {found["id"] for found in resources(answer)} == expected != set(), criteria


@pytest.mark.parametrize("search", SEARCHES, ids=str)
def test_each_search_takes_several_values_and_comes_by_post(us_core: Mapping[str, UsCore], search: Search) -> None:
    client, examples = us_core[search.version].client, us_core[search.version].records[search.resource_type]
    by_parameter = [
        {
            value
            for example in examples.values()
            for element in elements(example, parameter.expression)
            for criterion in as_written(parameter, element)
            for value in criterion.values
        }
        for parameter in search.parameters
    ]
    criteria = [
        Criterion(parameter, tuple(sorted(values)[::2]))
        for parameter, values in zip(search.parameters, by_parameter, strict=True)
    ]
    form = {**dict(one.written for one in criteria), "_count": "1000"}
    answer = client.post(
        f"/{search.resource_type}/_search", data=form, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    expected = {id for id, example in examples.items() if all(one.is_met_by(example) for one in criteria)}
    assert {found["id"] for found in resources(answer)} == expected
