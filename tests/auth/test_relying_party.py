"""Another author's OpenID relying party signs a person in by the pages' own forms: Authlib's client."""

import json
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.auth.registration import register_client
from tests.fixtures.pages import REDIRECT_URI, Clinic, Visitor, clinic, visitors
from tests.fixtures.server import RunningServer

with warnings.catch_warnings():
    # Authlib announces that its httpx integration will move to httpx2.
    warnings.simplefilter("ignore")
    from authlib.integrations.httpx_client import OAuth2Client
    from authlib.oidc.core import CodeIDToken

__all__ = ["clinic", "visitors"]

SCOPE = "openid fhirUser launch/patient patient/Patient.rs offline_access"
VERIFIER = "a-verifier-of-sufficient-length-0123456789-abc"


@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
def test_authlibs_relying_party_signs_a_person_in(
    server: RunningServer, clinic: Clinic, visitors: Callable[[], Visitor], method: str
) -> None:
    metadata = httpx.get(f"{server.url}/.well-known/openid-configuration").json()
    with relying_party(clinic, method) as party:
        address, state = party.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=VERIFIER, nonce="n-0S6_WzA2Mj", aud=server.base_url
        )

        location = let_in(visitors(), address)
        answer = parse_qs(urlsplit(location).query)
        tokens = party.fetch_token(metadata["token_endpoint"], authorization_response=location, code_verifier=VERIFIER)

        assert (answer["state"], answer["iss"]) == ([state], [metadata["issuer"]])
        assert tokens["patient"] == "omar"
        require_identity(metadata, tokens, party.client_id)
        told = party.get(metadata["userinfo_endpoint"]).json()
        assert told["fhirUser"] == f"{server.base_url}/Practitioner/c1"
        assert party.get(f"{server.base_url}/Patient/omar").status_code == 200
        assert party.get(f"{server.base_url}/Patient/wei").status_code == 404
        party.refresh_token(metadata["token_endpoint"])
        assert party.get(f"{server.base_url}/Patient/omar").status_code == 200
        party.revoke_token(metadata["revocation_endpoint"], token=party.token["refresh_token"])
        with pytest.raises(Exception, match="invalid_grant"):
            party.refresh_token(metadata["token_endpoint"])


def relying_party(clinic: Clinic, method: str) -> OAuth2Client:
    """Authlib's client, registered with the clinic."""

    async def register(session: AsyncSession) -> tuple[str, str | None]:
        made = await register_client(
            session,
            tenant_name=clinic.tenant,
            name="A relying party",
            scope=SCOPE,
            now=datetime.now(UTC),
            public=method == "none",
            secret=method != "none",
            redirect_uris=[REDIRECT_URI],
        )
        return made.client_id, made.client_secret

    client_id, client_secret = clinic.in_session(register)
    return OAuth2Client(
        client_id,
        client_secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        scope=SCOPE,
        redirect_uri=REDIRECT_URI,
        code_challenge_method="S256",
    )


def let_in(visitor: Visitor, address: str) -> str:
    """Where the browser goes after a person signed in, chose a client and allowed it."""
    visitor.open(address)
    visitor.sign_in("clinician")
    visitor.submit(choose=("patient=omar",))
    return str(visitor.submit("decision=allow").headers["Location"])


def require_identity(metadata: dict[str, str], tokens: dict[str, str], client_id: str) -> None:
    """OpenID Connect Core §3.1.3.7, by Authlib's claims."""
    keys = KeySet.import_key_set(json.loads(httpx.get(metadata["jwks_uri"]).text))
    token = jwt.decode(tokens["id_token"], keys, algorithms=list(metadata["id_token_signing_alg_values_supported"]))
    claims = CodeIDToken(
        token.claims,
        token.header,
        options={"iss": {"value": metadata["issuer"]}, "aud": {"value": client_id}, "nonce": {"essential": True}},
        params={"nonce": "n-0S6_WzA2Mj", "client_id": client_id, "access_token": tokens["access_token"]},
    )
    claims.validate(leeway=30)
