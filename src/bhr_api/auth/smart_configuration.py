"""The SMART configuration document (SMART App Launch 2.2, conformance.html#using-well-known)."""

from typing import Any

from bhr_api.auth.client_authentication import METHODS
from bhr_api.auth.jwks import ALGORITHMS


def smart_configuration(public_url: str) -> dict[str, Any]:
    """The document for a server at `public_url` (without a path). It claims what exists and nothing more."""
    base = public_url.rstrip("/")
    return {
        "token_endpoint": f"{base}/oauth/token",
        "token_endpoint_auth_methods_supported": METHODS,
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": ["client_credentials"],
        "introspection_endpoint": f"{base}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": [*METHODS, "Bearer"],
        "revocation_endpoint": f"{base}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": METHODS,
        "scopes_supported": ["system/*.cruds", "system/*.rs", "system/*.*", "system/*.read", "system/*.write"],
        # The specification requires this member of every server; S256 is what an authorization endpoint would take.
        "code_challenge_methods_supported": ["S256"],
        "capabilities": [
            "client-confidential-asymmetric",
            "client-confidential-symmetric",
            "permission-v1",
            "permission-v2",
        ],
    }
