"""Settings: environment variables with the prefix BHR_, or a .env file; docs/settings.md explains each."""

import re
from pathlib import Path
from typing import Annotated

from platformdirs import user_data_path
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?", re.ASCII)


class Settings(BaseSettings):
    """Everything that the one who runs the server can set. Only the doors read this."""

    model_config = SettingsConfigDict(env_prefix="BHR_", env_file=".env", extra="ignore")

    database_url: SecretStr | None = Field(None, description="postgresql:// URL; unset starts the embedded PostgreSQL.")
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("bhr-api"), description="Where the embedded PostgreSQL keeps its data."
    )
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on.")
    public_url: str | None = Field(None, description="The URL by which clients reach the server, without a path.")
    workers: int = Field(1, ge=1, le=256, description="Worker processes.")
    pool_size: int = Field(10, ge=1, le=200, description="Database connections of each worker.")
    pool_wait_seconds: float = Field(2.0, gt=0, description="How long a request waits for a connection before 503.")
    statement_timeout_seconds: float = Field(30.0, gt=0, description="How long a statement may run.")
    audit_flush_seconds: float = Field(
        0.2, ge=0, description="How long reads wait for the audit; 0 is before the answer."
    )
    body_limit: int = Field(10_000_000, gt=0, description="The largest request body, in bytes.")
    bundle_limit: int = Field(50_000_000, gt=0, description="The largest batch or transaction, in bytes.")
    request_timeout_seconds: float = Field(60.0, gt=0, description="How long a request may take to arrive.")
    shutdown_seconds: float = Field(30.0, gt=0, description="How long requests in flight may take at the end.")
    lenient: bool = Field(False, description="Ignore unknown search parameters without being asked to.")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Browser origins that may call besides those that clients register, separated by commas."
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

    @property
    def issuer(self) -> str:
        """The public URL without a trailing slash."""
        # Nobody can call a wildcard address; whoever listens on one from afar sets the public URL.
        host = "localhost" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def base_url(self) -> str:
        """The FHIR base."""
        return f"{self.issuer}/fhir"
