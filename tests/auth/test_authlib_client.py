"""Another author's client gets a token: Authlib's own, with its PrivateKeyJWT."""

import time
import warnings

import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.fixtures.auth import AuthServer

with warnings.catch_warnings():
    # Authlib announces that its httpx integration will move to httpx2.
    warnings.simplefilter("ignore")
    from authlib.integrations.httpx_client import OAuth2Client
    from authlib.oauth2.rfc7523 import PrivateKeyJWT


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_authlibs_client_gets_a_token(auth_server: AuthServer, rsa_key: RSAKey, ec_key: ECKey, algorithm: str) -> None:
    key: RSAKey | ECKey = rsa_key if algorithm == "RS384" else ec_key
    registered = auth_server.register_keyed(key)
    with OAuth2Client(
        registered.client_id, key, token_endpoint_auth_method="private_key_jwt", scope="system/*.rs"
    ) as client:
        # Its own default, an hour, is over SMART's five minutes.
        claims = {"exp": int(time.time()) + 240}
        method = PrivateKeyJWT(auth_server.token_url, claims=claims, headers={"kid": key.kid}, alg=algorithm)
        client.register_client_auth_method(method)
        token = client.fetch_token(auth_server.token_url, grant_type="client_credentials")

        answer = client.get(f"{auth_server.base_url}/whoami")

    assert token["scope"] == "system/*.rs"
    assert answer.json()["client_id"] == registered.client_id
