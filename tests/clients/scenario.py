"""What every client does: a token by private key, and a new client's plan with its goals and observations."""

import json
import time
import warnings
from dataclasses import dataclass
from typing import Any

from joserfc.jwk import ECKey, RSAKey

from tests.fixtures.server import RunningServer

with warnings.catch_warnings():
    # Authlib announces that its httpx integration will move to httpx2.
    warnings.simplefilter("ignore")
    from authlib.integrations.httpx_client import OAuth2Client
    from authlib.oauth2.rfc7523 import PrivateKeyJWT, private_key_jwt_sign

ALGORITHMS = ["RS384", "ES384"]
SCOPE = "system/*.cruds"

PATIENT = "urn:uuid:5f7d7c0e-0d0c-4b8f-9d53-0a4f35a1b001"
PLAN = "urn:uuid:5f7d7c0e-0d0c-4b8f-9d53-0a4f35a1b002"
GOALS = [f"urn:uuid:5f7d7c0e-0d0c-4b8f-9d53-0a4f35a1b01{number}" for number in range(3)]
GOAL_TEXTS = ["Sleeps seven hours", "Walks each day", "PHQ-9 below 5"]
SCORES = [17, 16, 16, 14, 13, 12, 11, 9, 8, 7, 6, 5]


@dataclass(frozen=True, slots=True)
class BackendClient:
    """A client registered just now for everything, with the private key that it signs with (SMART backend services)."""

    client_id: str
    key: RSAKey | ECKey
    algorithm: str
    token_url: str

    def assertion(self) -> str:
        """A client assertion; Authlib's own default, an hour, is over SMART's five minutes."""
        signed: str = private_key_jwt_sign(
            self.key, self.client_id, self.token_url, alg=self.algorithm, header={"kid": "k1"}, expires_in=240
        )
        return signed

    def access_token(self) -> str:
        """The token that Authlib's OAuth client gets, for libraries that have none."""
        claims = {"exp": int(time.time()) + 240}
        method = PrivateKeyJWT(self.token_url, claims=claims, headers={"kid": "k1"}, alg=self.algorithm)
        with OAuth2Client(
            self.client_id, self.key, token_endpoint_auth_method="private_key_jwt", scope=SCOPE
        ) as client:
            client.register_client_auth_method(method)
            token: str = client.fetch_token(self.token_url, grant_type="client_credentials")["access_token"]
        return token


def register(server: RunningServer, tenant: str, algorithm: str) -> BackendClient:
    """A client with a new key for `algorithm`, RS384 or ES384."""
    key: RSAKey | ECKey = (
        RSAKey.generate_key(2048, {"kid": "k1"}) if algorithm == "RS384" else ECKey.generate_key("P-384", {"kid": "k1"})
    )
    registered = server.register(tenant, json.dumps({"keys": [key.as_dict(private=False)]}))
    return BackendClient(registered.client_id, key, algorithm, f"{server.url}/oauth/token")


def new_client_bundle() -> dict[str, Any]:
    """A transaction with a Patient, a CarePlan, three Goals and twelve PHQ-9 scores, by temporary identities."""
    patient = {"resourceType": "Patient", "name": [{"family": "Castellanos", "given": ["Inés"]}], "gender": "female"}
    subject = {"reference": PATIENT}
    goals = [
        {
            "resourceType": "Goal",
            "lifecycleStatus": "active",
            "description": {"text": text},
            "subject": subject,
            "startDate": "2026-01-12",
        }
        for text in GOAL_TEXTS
    ]
    plan = {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "subject": subject,
        "goal": [{"reference": reference} for reference in GOALS],
    }
    resources: list[tuple[str, dict[str, Any]]] = [(PATIENT, patient), (PLAN, plan), *zip(GOALS, goals, strict=True)]
    entries = [entry(resource, full_url) for full_url, resource in resources]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [*entries, *(entry(score(month, value)) for month, value in enumerate(SCORES, start=1))],
    }


def entry(resource: dict[str, Any], full_url: str | None = None) -> dict[str, Any]:
    """An entry that creates `resource`."""
    made: dict[str, Any] = {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
    return {"fullUrl": full_url, **made} if full_url else made


def score(month: int, value: int) -> dict[str, Any]:
    """The PHQ-9 score of a month of 2026."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
        "subject": {"reference": PATIENT},
        "effectiveDateTime": f"2026-{month:02d}-15",
        "valueQuantity": {
            "value": value,
            "unit": "{score}",
            "system": "http://unitsofmeasure.org",
            "code": "{score}",
        },
    }
