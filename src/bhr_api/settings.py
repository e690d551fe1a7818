"""Settings: environment variables with the prefix BHR_, or a .env file; docs/settings.md explains each."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from authlib.common.security import is_secure_transport
from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.fhir.references import ReferentialIntegrity

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?", re.ASCII)


class Settings(BaseSettings):
    """Everything that the one who runs the server can set. Only the doors read this."""

    model_config = SettingsConfigDict(env_prefix="BHR_", env_file=".env", extra="ignore", allow_inf_nan=False)

    database_url: SecretStr | None = Field(None, description="postgresql:// URL; unset starts the embedded PostgreSQL.")
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("bhr-api"), description="Where the embedded PostgreSQL keeps its data."
    )
    signing_keys: Path | None = Field(
        None, description="The file of the keys that sign id_tokens; unset, signing-keys.json in the data directory."
    )
    statement_issuers: Path | None = Field(
        None, description="A file that lists the issuers whose software statements register apps."
    )
    access_token_minutes: int = Field(60, ge=1, le=1440, description="How long an app's access token lasts.")
    refresh_token_days: int = Field(90, ge=1, le=3650, description="How long an unused refresh token lasts.")
    grant_days: int = Field(365, ge=1, le=3650, description="How long a person's consent lasts, whatever is used.")
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on.")
    public_url: str | None = Field(
        None, validate_default=True, description="The URL by which clients reach the server, without a path."
    )
    workers: int = Field(1, ge=1, le=256, description="Worker processes.")
    pool_size: int = Field(10, ge=1, le=200, description="Database connections of each worker.")
    pool_wait_seconds: float = Field(
        2.0, ge=0.001, le=3600, description="How long a request waits for a connection before 503."
    )
    statement_timeout_seconds: float = Field(
        30.0, ge=0.001, le=86400, description="How long a statement may run, to the millisecond."
    )
    async_statement_timeout_seconds: float = Field(
        600.0, ge=0.001, le=86400, description="How long a statement of a job may run, to the millisecond."
    )
    async_result_hours: float = Field(
        24.0, ge=0.001, le=8760, description="How long the answer of an asynchronous request is kept."
    )
    async_unfinished_limit: int = Field(
        10, ge=1, le=10000, description="How many asynchronous requests of a client may be unfinished at a time."
    )
    audit_flush_seconds: float = Field(
        0.2, ge=0, le=3600, description="How long reads wait for the audit; 0 is before the answer."
    )
    body_limit: int = Field(10_000_000, gt=0, description="The largest request body, in bytes.")
    bundle_limit: int = Field(50_000_000, gt=0, description="The largest batch or transaction, in bytes.")
    request_timeout_seconds: float = Field(
        60.0, ge=0.001, le=86400, description="How long a request may take to arrive."
    )
    shutdown_seconds: float = Field(
        30.0, ge=0.001, le=86400, description="How long requests in flight may take at the end."
    )
    lenient: bool = Field(False, description="Ignore unknown search parameters without being asked to.")
    profiles: Literal["on", "warn", "off"] = Field(
        "on", description="Whether what a resource declares in meta.profile is refused, noted or passed over."
    )
    required_profiles: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Profiles that every resource of a type must obey: Type=canonical, separated by commas."
    )
    referential_integrity: ReferentialIntegrity = Field(
        "off",
        description="on-write refuses references to what is not here; strict also the deletion of what is referred to.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Browser origins that may call besides those that clients register, separated by commas."
    )
    session_idle_seconds: float = Field(
        1800.0,
        ge=0.001,
        le=43200,
        description="How long a signed-in person may do nothing before they must sign in again.",
    )
    secret_key_file: Path | None = Field(
        None, description="The key that seals the secrets of one-time codes; unset, secret.key in the data directory."
    )
    trusted_issuers: Path | None = Field(
        None, description="A JSON file of identity providers whose access tokens are taken here."
    )
    identity_providers: Path | None = Field(
        None, description="A JSON file of identity providers at which people may sign in."
    )
    client_requests_per_minute: int | None = Field(
        None, ge=1, le=10_000_000, description="How many requests a minute a client may make before 429."
    )
    user_requests_per_minute: int | None = Field(
        None, ge=1, le=10_000_000, description="How many requests a minute a person may make, by whatever client."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses or networks of proxies whose X-Forwarded-For is believed, separated by commas."
    )
    log_format: str = Field("json", pattern="^(json|console)$", description="json or console.")

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        """Origins as RFC 6454 §6.2 writes them: scheme, host and port, in lower case."""
        given = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(given, list | tuple):
            return given
        origins = tuple(str(origin).rstrip("/").lower() for origin in given)
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin; one looks like https://app.example.org")
        return origins

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_proxies(cls, value: object) -> object:
        given = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(given, list | tuple):
            return given
        try:
            return tuple(str(ip_network(str(one))) for one in given)
        except ValueError as error:
            raise ValueError(f"{error}; write addresses or networks such as 10.0.0.5 or 10.0.0.0/24") from error

    @field_validator("required_profiles", mode="before")
    @classmethod
    def _split_required_profiles(cls, value: object) -> object:
        given = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(given, list | tuple):
            return given
        for pair in given:
            resource_type, equals, canonical = str(pair).partition("=")
            if not equals or not canonical or resource_type not in RESOURCE_TYPE_NUMBERS:
                raise ValueError(f"{pair!r} is not Type=canonical; Patient=http://example.org/Profile/client is one")
        return tuple(str(pair) for pair in given)

    @field_validator("public_url")
    @classmethod
    def _require_origin(cls, value: str | None, others: ValidationInfo) -> str | None:
        """RFC 8414 §3: metadata of an issuer with a path would stand elsewhere. RFC 6749 §3.2: tokens go over TLS only."""
        if value is None:
            if "host" in others.data and not is_secure_transport(f"http://{_address_of(others.data['host'])}"):
                raise ValueError(
                    "must be set, to an https:// URL, when the server listens for other machines on the address"
                    f" {others.data['host']}"
                )
            return None
        if not _ORIGIN.fullmatch(value.rstrip("/").lower()):
            raise ValueError(
                "must be scheme and host, with a port if need be, and no path: https://records.example.org"
            )
        if not is_secure_transport(value):
            raise ValueError("must be https://; http:// is for this machine itself, such as http://localhost:8000")
        return value

    @property
    def signing_keys_file(self) -> Path:
        """Where the keys that sign id_tokens are."""
        return self.signing_keys or self.data_dir / "signing-keys.json"

    @property
    def issuer(self) -> str:
        """The public URL without a trailing slash."""
        return (self.public_url or f"http://{_address_of(self.host)}:{self.port}").rstrip("/")

    @property
    def secret_key_path(self) -> Path:
        """Where the secret key is kept."""
        return self.secret_key_file or self.data_dir / "secret.key"

    @property
    def base_url(self) -> str:
        """The FHIR base."""
        return f"{self.issuer}/fhir"


def _address_of(host: str) -> str:
    """The address to listen on, as a client on this machine writes it in a URL."""
    # Nobody can call a wildcard address; whoever listens on one from afar sets the public URL.
    if host in ("0.0.0.0", "::"):  # noqa: S104
        return "localhost"
    return f"[{host}]" if ":" in host else host
