"""What the OpenAPI document describes, asked for at random by schemathesis: no 5xx, and answers of the declared types.

`make test` asks for a few types, `make soak` for every operation.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fixtures.server import RunningServer

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "openapi" / "openapi.json").read_text())
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig())
METHODS = ("get", "post", "put", "delete")
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in METHODS if method in item]

# Their bodies and parameters stand for those of the other types; {type} is any of them.
_REPRESENTATIVE = ("Patient", "Observation", "QuestionnaireResponse", "AuditEvent", "{type}")


def is_representative(path: str) -> bool:
    parts = path.split("/")
    return parts[1] != "fhir" or len(parts) < 3 or parts[2] in _REPRESENTATIVE or not parts[2][0].isupper()


ALWAYS = [not_a_server_error, status_code_conformance]
WITH_BODY = [*ALWAYS, content_type_conformance, response_schema_conformance]


def profile(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=examples < 100,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def bearer(server: RunningServer) -> dict[str, str]:
    """The header of a token for everything, in a tenant that all examples share."""
    return {"Authorization": f"Bearer {server.token(server.new_tenant())}"}


def require_conforming(server: RunningServer, bearer: dict[str, str], path: str, method: str, examples: int) -> None:
    """Random cases of one operation are answered as the document says."""
    # Other people's code: what it warns of is not ours to mend.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases: st.SearchStrategy[schemathesis.Case[Any]] = SCHEMA[path][method].as_strategy()

        @profile(examples)
        @given(cases)
        def ask(case: schemathesis.Case[Any]) -> None:
            answer = case.call(base_url=server.url, headers=bearer)
            if not answer.content:
                # OpenAPI has no words for a body that the client may decline: `Prefer: return=minimal`.
                assert answer.status_code in (204, 304) or "minimal" in str(case.headers)
            case.validate_response(answer, checks=WITH_BODY if answer.content else ALWAYS)

        ask()


@pytest.mark.parametrize(("path", "method"), [operation for operation in OPERATIONS if is_representative(operation[0])])
def test_random_requests_are_answered_as_documented(
    server: RunningServer, bearer: dict[str, str], path: str, method: str
) -> None:
    require_conforming(server, bearer, path, method, examples=12)


@pytest.mark.soak
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_many_random_requests_are_answered_as_documented(
    server: RunningServer, bearer: dict[str, str], path: str, method: str
) -> None:
    require_conforming(server, bearer, path, method, examples=200)
