"""docs/conformance.md is true: its tests are there, its states fit them, and what it says is refused is refused."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from bhr_api.fhir.definitions import RESOURCE_TYPES, SEARCH_PARAMETERS
from tests.fixtures.server import RunningServer

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "conformance.md").read_text()
STATES = {"done", "otherwise", "not done"}
LEVELS = re.compile(r"((client|intermediary) )?(SHALL|SHOULD)( NOT)?|MUST|should")


class Rule(NamedTuple):
    """One row: a rule of the standard and what the server does about it."""

    rule: str
    level: str
    section: str
    state: str
    tests: tuple[str, ...]
    reason: str


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = re.split(r"^#+ ", PAGE.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def rules(heading: str) -> list[Rule]:
    return [
        Rule(rule, level, section, state, tuple(re.findall(r"`(tests/[^`]+)`", tests)), reason)
        for rule, level, section, state, tests, reason in rows(heading)
    ]


RULES = [*rules("http"), *rules("search")]


@cache
def expected_failures(file: str) -> dict[str, bool]:
    """The tests that a file defines, and whether each is marked as failing."""
    tree = ast.parse((ROOT / file).read_text())
    return {
        node.name: any("xfail" in ast.unparse(decorator) for decorator in node.decorator_list)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.section[1:].partition(']')[0]}: {rule.rule}")
def test_a_rule_has_a_state_a_place_and_tests_that_fit(rule: Rule) -> None:
    assert rule.state in STATES
    assert LEVELS.fullmatch(rule.level)
    assert re.fullmatch(r"\[([\w-]+)\]\(https://hl7\.org/fhir/R4/((http|search)\.html#\1|async\.html)\)", rule.section)
    assert rule.tests
    for test in rule.tests:
        file, _, name = test.partition("::")
        assert expected_failures(file)[name] == (rule.state == "not done"), test


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.state != "done"], ids=lambda rule: rule.rule)
def test_what_is_not_done_has_a_reason(rule: Rule) -> None:
    assert len(rule.reason) > 20


OAUTH_RULES = rules("SMART App Launch 2.2 and OAuth")
OAUTH_LEVELS = re.compile(r"(client )?(SHALL|MUST|SHOULD)( NOT)?")
OAUTH_SECTIONS = re.compile(
    r"\[[\w-]+\]\(https://hl7\.org/fhir/smart-app-launch/[\w-]+\.html#[\w-]+\)"
    r"|\[RFC (\d+) §([\d.]+)\]\(https://www\.rfc-editor\.org/rfc/rfc\1#section-\2\)"
)


@pytest.mark.parametrize("rule", OAUTH_RULES, ids=lambda rule: rule.rule)
def test_a_rule_of_oauth_has_a_place_and_tests(rule: Rule) -> None:
    assert rule.state in STATES
    assert OAUTH_LEVELS.fullmatch(rule.level)
    assert OAUTH_SECTIONS.fullmatch(rule.section)
    assert rule.tests
    for test in rule.tests:
        file, _, name = test.partition("::")
        assert expected_failures(file)[name] == (rule.state == "not done"), test


def test_oauth_is_told_whole() -> None:
    assert len(OAUTH_RULES) >= 90
    assert len({(rule.rule, rule.section) for rule in OAUTH_RULES}) == len(OAUTH_RULES)
    for number in (6749, 7009, 7636, 7662, 9700):
        assert any(f"RFC {number} " in rule.section for rule in OAUTH_RULES)


def test_every_expected_failure_of_a_rule_is_told() -> None:
    told = {test for rule in RULES for test in rule.tests}
    for file in (ROOT / "tests" / "conformance").glob("test_rules_*.py"):
        path = str(file.relative_to(ROOT))
        failing = {f"{path}::{name}" for name, fails in expected_failures(path).items() if fails}
        assert failing <= told


def test_both_pages_are_told_whole() -> None:
    assert len(rules("http")) >= 100
    assert len(rules("search")) >= 45
    assert len({(rule.rule, rule.section) for rule in RULES}) == len(RULES)


# Search parameters

ALL = "all"


def refused(heading: str) -> dict[str, set[str]]:
    """What a table tells as refused, by type; `all` for every type."""
    found: dict[str, set[str]] = {ALL: set()}
    for name, code, _ in rows(heading):
        found.setdefault(name, set()).add(code.strip("`"))
    return found


REFUSED = refused("Of resources")
REFUSED_OF_SEARCH = refused("Of search itself")

# Every parameter that search.html defines for all types, as a search of Condition has it, and one of audit events.
OF_SEARCH = {
    "_id": "_id=x",
    "_lastUpdated": "_lastUpdated=ge2026",
    "_tag": "_tag=http://example.org/tags|a",
    "_profile": "_profile=http://example.org/profile",
    "_security": "_security=http://example.org/labels|a",
    "_source": "_source=http://example.org/source",
    "_text": "_text=sleep",
    "_content": "_content=sleep",
    "_list": "_list=x",
    "_has": "_has:Goal:addresses:lifecycle-status=active",
    "_type": "_type=Condition",
    "_sort": "_sort=code",
    "_score": "_sort=_score",
    "_count": "_count=1",
    "_include": "_include=Condition:subject",
    "_revinclude": "_revinclude=Provenance:target",
    "_summary": "_summary=true",
    "_total": "_total=accurate",
    "_elements": "_elements=code",
    "_contained": "_contained=true",
    "_containedType": "_containedType=contained",
    "_query": "_query=mine",
    "_filter": "_filter=code eq http://example.org/codes|a",
    "_format": "_format=json",
    "_pretty": "_pretty=true",
}


OF_AUDIT = {
    **OF_SEARCH,
    "_type": "_type=AuditEvent",
    "_sort": "_sort=-date",
    "_include": "_include=AuditEvent:agent",
    "_elements": "_elements=agent",
    "_filter": "_filter=date ge 2026",
}
ASKED = {"Condition": OF_SEARCH, "AuditEvent": OF_AUDIT}


@pytest.fixture(scope="module")
def http(server: RunningServer) -> Iterator[httpx.Client]:
    """A client that may do everything in a tenant of this module."""
    with server.client(server.token(server.new_tenant())) as client:
        yield client


def test_every_parameter_of_r4_is_listed_as_served_or_told_as_refused(http: httpx.Client) -> None:
    resources: list[dict[str, Any]] = http.get("/metadata").json()["rest"][0]["resource"]
    served = {resource["type"]: {one["name"] for one in resource["searchParam"]} for resource in resources}
    for name in RESOURCE_TYPES:
        assert set(SEARCH_PARAMETERS[name]) - served[name] == REFUSED[ALL] | REFUSED.get(name, set()), name


@pytest.mark.parametrize("code", OF_SEARCH)
@pytest.mark.parametrize("name", ASKED)
def test_every_parameter_of_search_is_served_or_told_as_refused(http: httpx.Client, name: str, code: str) -> None:
    told = [table.get(type_, set()) for table in (REFUSED, REFUSED_OF_SEARCH) for type_ in (ALL, name)]
    parameter, _, value = ASKED[name][code].partition("=")
    answer = http.get(f"/{name}", params={parameter: value})
    assert answer.status_code == (400 if code in set().union(*told) else 200), answer.text


@pytest.mark.parametrize("name", sorted(set(REFUSED) - {ALL}))
def test_what_is_told_as_refused_is_refused(http: httpx.Client, name: str) -> None:
    for code in REFUSED[name] | REFUSED[ALL]:
        answer = http.get(f"/{name}", params={code: "x"})
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "not-supported"), code


def test_nothing_is_told_as_refused_that_the_standard_does_not_have() -> None:
    for codes in REFUSED_OF_SEARCH.values():
        assert codes <= set(OF_SEARCH)
    assert set(REFUSED) | set(REFUSED_OF_SEARCH) <= {ALL, *RESOURCE_TYPES}
