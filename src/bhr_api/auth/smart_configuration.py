"""The SMART configuration document (SMART App Launch 2.2, conformance.html#using-well-known)."""

from typing import Any

from bhr_api.auth.openid_configuration import GRANT_TYPES, endpoints
from bhr_api.auth.scopes import LAUNCH_SCOPES

_RESOURCE_SCOPES = tuple(
    f"{context}/*.{letters}"
    for context in ("patient", "user", "system")
    for letters in ("cruds", "rs", "*", "read", "write")
)
CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-asymmetric",
    "client-confidential-symmetric",
    "sso-openid-connect",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)


def smart_configuration(public_url: str) -> dict[str, Any]:
    """The document for a server at `public_url` (without a path). It claims what exists and nothing more."""
    base = public_url.rstrip("/")
    return {
        # Required exactly where sso-openid-connect is claimed.
        "issuer": base,
        "jwks_uri": f"{base}/oauth/jwks",
        **endpoints(base),
        # Where a person sees what apps were allowed, and takes it back.
        "management_endpoint": f"{base}/app/apps",
        "grant_types_supported": list(GRANT_TYPES),
        "response_types_supported": ["code"],
        "scopes_supported": [*LAUNCH_SCOPES, *_RESOURCE_SCOPES],
        "capabilities": list(CAPABILITIES),
    }
