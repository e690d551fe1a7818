"""Every character of a search value stands for itself (DESIGN 2: `%` and `_` are treated as themselves)."""

from urllib.parse import quote_plus

import httpx
import pytest

from tests.security.answers import require_proper

STRANGE_NAMES = [
    "100%_\\x",
    "%",
    "_",
    "\\",
    "a%b",
    "a_b",
    "a\\b",
    "a,b",
    "a|b",
    "a$b",
    "O'Hara",
    'say "x"',
    "{s}",
    "$1",
    "[a-z]",
    "(a|b)*",
    ".*",
    "100 percent_x",
]


def escaped(text: str) -> str:
    """As a search value: R4 search.html#escaping."""
    for character in "\\,|$":
        text = text.replace(character, f"\\{character}")
    return text


@pytest.mark.parametrize("modifier", ["", ":exact", ":contains"])
def test_a_name_is_found_by_itself_only(client: httpx.Client, modifier: str) -> None:
    for number, name in enumerate(STRANGE_NAMES):
        patient = {"resourceType": "Patient", "id": f"p{number}", "name": [{"family": name}]}
        assert client.put(f"/Patient/p{number}", json=patient).status_code == 201
    for number, name in enumerate(STRANGE_NAMES):
        answer = client.get(f"/Patient?family{modifier}={quote_plus(escaped(name))}")
        require_proper(answer, 200)
        found = {entry["resource"]["id"] for entry in answer.json().get("entry", ())}
        alike = {":exact": str.__eq__, ":contains": str.__contains__}.get(modifier, str.startswith)
        expected = {f"p{one}" for one, other in enumerate(STRANGE_NAMES) if alike(other, name)}
        assert f"p{number}" in expected
        assert found == expected, name
