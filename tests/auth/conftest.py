"""The fixtures of the authorization tests."""

from tests.fixtures.app_launch import public_app, secret_app, user
from tests.fixtures.auth import (
    auth_clock,
    auth_dsn,
    auth_server,
    backend_client,
    ec_key,
    jwks_site,
    rsa_key,
    running_auth_server,
)
from tests.fixtures.people import desk

__all__ = [
    "auth_clock",
    "auth_dsn",
    "auth_server",
    "backend_client",
    "desk",
    "ec_key",
    "jwks_site",
    "public_app",
    "rsa_key",
    "running_auth_server",
    "secret_app",
    "user",
]
