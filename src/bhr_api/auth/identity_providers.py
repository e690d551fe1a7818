"""Identity providers at which people sign in, so that this server keeps no passwords of theirs (docs/identity-providers.md).

OpenID Connect Core 1.0. Each stands in the operator's file with its endpoints; nothing is discovered while the server runs.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from bhr_api.auth.foreign_keys import Algorithm
from bhr_api.auth.jwks import InvalidKeySetError
from bhr_api.auth.jwks_url import check_key_set_url

CALLBACK = "/oauth/callback"


def _endpoint(url: str) -> str:
    try:
        return check_key_set_url(url)
    except InvalidKeySetError as error:
        raise ValueError(
            "an endpoint is an absolute https URL without user name and fragment (http only on this machine itself)"
        ) from error


Endpoint = Annotated[str, AfterValidator(_endpoint)]


class IdentityProvider(BaseModel):
    """One provider of one tenant. `name` is what people read; a client without `client_secret_file` is a public one.

    `sends_iss`: its authorization responses always carry `iss` (RFC 9207 §3), so that one without is another's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=80)]
    issuer: Annotated[str, Field(min_length=1)]
    authorization_endpoint: Endpoint
    token_endpoint: Endpoint
    jwks_uri: Endpoint
    client_id: Annotated[str, Field(min_length=1)]
    client_secret_file: Path | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256",)
    tenant: str = "default"
    scope: str = "openid"
    sends_iss: bool = False

    @model_validator(mode="after")
    def _asks_for_an_id_token(self) -> Self:
        # OpenID Connect Core §3.1.2.1: without openid in the scope the request is not one of OpenID Connect.
        if "openid" not in self.scope.split():
            raise ValueError("scope must hold openid")
        return self

    @cached_property
    def key(self) -> str:
        """What names the provider in addresses."""
        return hashlib.sha256(f"{self.tenant}\0{self.issuer}".encode()).hexdigest()[:16]

    def client_secret(self) -> str | None:
        """The secret as the file holds it now, so that it is changed without a restart. Raises OSError, UnicodeError."""
        return None if self.client_secret_file is None else self.client_secret_file.read_text(encoding="utf-8").strip()


class IdentityProvidersError(ValueError):
    """The file of identity providers cannot be used; the message says where and why."""


class IdentityProviders:
    """The configured providers."""

    def __init__(self, providers: Sequence[IdentityProvider] = ()) -> None:
        self._by_key: Mapping[str, IdentityProvider] = {one.key: one for one in providers}

    def __iter__(self) -> Iterator[IdentityProvider]:
        return iter(self._by_key.values())

    def of(self, tenant_name: str) -> Sequence[IdentityProvider]:
        """Those at which people of the tenant sign in, in the file's order."""
        return [one for one in self if one.tenant == tenant_name]

    def find(self, key: str) -> IdentityProvider | None:
        """The provider that an address names."""
        return self._by_key.get(key)


def read_identity_providers(path: Path | None) -> IdentityProviders:
    """The providers of a JSON file: a list of objects with the members of IdentityProvider.

    A relative `client_secret_file` is beside the file. Raises IdentityProvidersError.
    """
    if path is None:
        return IdentityProviders()
    try:
        found = TypeAdapter(tuple[IdentityProvider, ...]).validate_json(path.read_bytes())
        providers = [_with_secret_beside(one, path.parent) for one in found]
        secrets = [one.client_secret() for one in providers]
    except OSError as error:
        raise IdentityProvidersError(f"{error.filename} cannot be read: {error.strerror}.") from error
    except UnicodeError as error:
        raise IdentityProvidersError(f"{path}: a client secret is not UTF-8.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise IdentityProvidersError(f"{path}: {place}: {first['msg']}.") from error
    if "" in secrets:
        raise IdentityProvidersError(f"{path}: a file of a client secret is empty.")
    if len({one.key for one in providers}) < len(providers):
        raise IdentityProvidersError(f"{path}: an issuer stands in it twice for one tenant.")
    return IdentityProviders(providers)


def _with_secret_beside(provider: IdentityProvider, folder: Path) -> IdentityProvider:
    if provider.client_secret_file is None:
        return provider
    return provider.model_copy(update={"client_secret_file": folder / provider.client_secret_file})
