"""The OpenID provider's metadata (OpenID Connect Discovery §3; RFC 8414 §2)."""

from typing import Any

from bhr_api.auth.client_authentication import APP_METHODS, METHODS
from bhr_api.auth.code_challenge import METHOD
from bhr_api.auth.jwks import ALGORITHMS
from bhr_api.auth.scopes import LAUNCH_SCOPES
from bhr_api.auth.signing_keys import ALGORITHM

GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")


def openid_configuration(public_url: str) -> dict[str, Any]:
    """The document of the issuer `public_url`. It claims what exists and nothing more."""
    base = public_url.rstrip("/")
    return {
        "issuer": base,
        **endpoints(base),
        "jwks_uri": f"{base}/oauth/jwks",
        "userinfo_endpoint": f"{base}/oauth/userinfo",
        "scopes_supported": list(LAUNCH_SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": [
            *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "at_hash"),
            *("fhirUser", "profile", "preferred_username"),
        ],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        # RFC 9207 §3: what comes back to an app says whom it is from.
        "authorization_response_iss_parameter_supported": True,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        # OpenID Connect Discovery §3: absent means true.
        "request_uri_parameter_supported": False,
    }


def endpoints(base: str) -> dict[str, Any]:
    """The endpoints of OAuth under the issuer `base`, and how clients authenticate there."""
    return {
        "authorization_endpoint": f"{base}/oauth/authorize",
        "token_endpoint": f"{base}/oauth/token",
        "token_endpoint_auth_methods_supported": APP_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "registration_endpoint": f"{base}/oauth/register",
        "introspection_endpoint": f"{base}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": [*METHODS, "Bearer"],
        "revocation_endpoint": f"{base}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": APP_METHODS,
        "code_challenge_methods_supported": [METHOD],
    }
