"""The operator's file of identity providers (docs/identity-providers.md)."""

import json
from pathlib import Path
from typing import Any

import pytest

from bhr_api.auth.identity_providers import IdentityProvidersError, read_identity_providers

ENTRY = {
    "name": "North Clinic",
    "issuer": "https://login.example.org",
    "authorization_endpoint": "https://login.example.org/authorize",
    "token_endpoint": "https://login.example.org/token",
    "jwks_uri": "https://login.example.org/jwks",
    "client_id": "records",
}


def file_of(directory: Path, *entries: dict[str, Any]) -> Path:
    file = directory / "providers.json"
    file.write_text(json.dumps(entries))
    return file


def test_without_a_file_there_are_none() -> None:
    assert list(read_identity_providers(None)) == []


def test_each_tenant_has_its_own(tmp_path: Path) -> None:
    file = file_of(tmp_path, ENTRY, {**ENTRY, "tenant": "north"}, {**ENTRY, "issuer": "https://other.example"})
    providers = read_identity_providers(file)
    assert [one.issuer for one in providers.of("default")] == ["https://login.example.org", "https://other.example"]
    (north,) = providers.of("north")
    assert providers.find(north.key) == north
    assert len({one.key for one in providers}) == 3
    assert (north.algorithms, north.scope, north.sends_iss, north.client_secret()) == (
        ("RS256",),
        "openid",
        False,
        None,
    )


def test_a_secret_is_beside_the_file_and_read_as_it_is_now(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("one\n")
    (provider,) = read_identity_providers(file_of(tmp_path, {**ENTRY, "client_secret_file": "secret"}))
    assert provider.client_secret() == "one"
    secret.write_text("two")
    assert provider.client_secret() == "two"
    assert "two" not in repr(provider)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"token_endpoint": "http://login.example.org/token"}, "token_endpoint.*https", id="http"),
        pytest.param({"jwks_uri": "/jwks"}, "jwks_uri.*absolute", id="relative"),
        pytest.param({"authorization_endpoint": "https://a.example/#x"}, "fragment", id="fragment"),
        pytest.param({"algorithms": ["HS256"]}, "algorithms", id="symmetric"),
        pytest.param({"algorithms": ["none"]}, "algorithms", id="none"),
        pytest.param({"algorithms": []}, "algorithms", id="no-algorithm"),
        pytest.param({"scope": "profile"}, "scope must hold openid", id="no-openid"),
        pytest.param({"client_secret": "here"}, "client_secret", id="secret-in-the-file"),
        pytest.param({"client_secret_file": "absent"}, "absent cannot be read", id="no-secret-file"),
        pytest.param({"client_secret_file": "empty"}, "empty", id="empty-secret"),
        pytest.param({"name": ""}, "name", id="no-name"),
    ],
)
def test_what_is_wrong_with_it_is_told(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(IdentityProvidersError, match=says):
        read_identity_providers(file_of(tmp_path, {**ENTRY, **change}))


def test_an_issuer_stands_once_for_a_tenant(tmp_path: Path) -> None:
    with pytest.raises(IdentityProvidersError, match="twice"):
        read_identity_providers(file_of(tmp_path, ENTRY, {**ENTRY, "client_id": "another"}))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(IdentityProvidersError, match=r"none\.json cannot be read"):
        read_identity_providers(tmp_path / "none.json")
