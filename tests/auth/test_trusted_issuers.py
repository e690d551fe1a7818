"""Access tokens of an organisation's own identity provider (SECURITY 5; RFC 9068, RFC 8725)."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey
from pydantic import SecretStr

from bhr_api.app import Application
from bhr_api.auth.bearer import TokenReader
from bhr_api.auth.trusted_issuers import TrustedIssuersError, read_trusted_issuers
from bhr_api.errors import UnauthenticatedError
from bhr_api.settings import Settings
from tests.fixtures.auth import JwksSite
from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer, serve

ISSUER = "https://login.example.org/realms/clinic"
AUDIENCE = "https://records.example.org"
KEY = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"})
OTHER = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"})
P256 = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
SCOPE = "patient/*.rs user/*.cruds system/Organization.rs"


def entry(jwks_uri: str, **changes: Any) -> dict[str, Any]:
    return {"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": jwks_uri, "scope": SCOPE, **changes}


def public(*keys: RSAKey | ECKey) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


@pytest.fixture
def server(database_dsn: str, server: RunningServer, tmp_path: Path, jwks_site: JwksSite) -> Iterator[RunningServer]:
    """A server of its own that trusts the issuer for one tenant, whose number `tenant_of` the others know."""
    jwks_site.body = public(KEY, P256)
    tenant = server.new_tenant()
    file = tmp_path / "issuers.json"
    file.write_text(json.dumps([entry(jwks_site.url, tenant=tenant)]))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = Settings(_env_file=None, port=port, database_url=SecretStr(database_dsn), trusted_issuers=file)
        running, thread = serve(Application(settings, database_dsn), listener)
        yield RunningServer(settings.issuer, database_dsn)
        running.should_exit = True
        thread.join(timeout=30)


@pytest.fixture
def tenant(server: RunningServer, tmp_path: Path) -> str:
    """The tenant of the issuer, with two patients."""
    name: str = json.loads((tmp_path / "issuers.json").read_text())[0]["tenant"]
    with server.client(server.token(name)) as operator:
        for id in ("own", "other"):
            operator.put(f"/Patient/{id}", json={"resourceType": "Patient", "id": id})
    return name


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    found = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "u-1",
        "azp": "portal",
        "iat": now,
        "exp": now + 300,
        "scope": "openid patient/*.rs",
        "patient": "own",
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def signed(payload: dict[str, Any], key: Any = KEY, **header: Any) -> str:
    used = {"alg": "RS256", "kid": "k1", "typ": "JWT", **header}
    used = {name: value for name, value in used.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=[used["alg"]], strict_check_header=False)
    return jws.serialize_compact(used, json.dumps(payload), key, algorithms=[used["alg"]], registry=registry)


def status(server: RunningServer, token: str, path: str = "/Patient/own") -> int:
    with server.client(token) as http:
        return http.get(path).status_code


def test_a_patients_token_opens_that_record_alone(server: RunningServer, tenant: str) -> None:
    token = signed(claims())

    assert status(server, token) == 200
    assert status(server, token, "/Patient/other") == 404
    with server.client(token) as http:
        assert http.post("/Observation", json={}).status_code == 403


@pytest.mark.parametrize("patient", ["own", "Patient/own", "{base}/Patient/own"])
def test_the_patient_is_named_in_any_way(server: RunningServer, tenant: str, patient: str) -> None:
    assert status(server, signed(claims(patient=patient.format(base=server.base_url)))) == 200


def test_what_is_granted_is_within_what_the_issuer_is_believed(server: RunningServer, tenant: str) -> None:
    token = signed(claims(scope="system/*.cruds"))

    assert status(server, token, "/Organization") == 200
    assert status(server, token, "/Patient") == 403


def test_scopes_may_come_as_a_list(server: RunningServer, tenant: str) -> None:
    assert status(server, signed(claims(scope=["patient/Patient.rs", 7]))) == 200


def test_a_user_scope_needs_a_linked_account(server: RunningServer, tenant: str) -> None:
    payload = claims(scope="user/Patient.rs", fhirUser="Practitioner/w")
    assert status(server, signed(payload), "/Patient") == 403

    username = server.account(tenant, "Practitioner/w", "clinician")
    link = "INSERT INTO external_identity VALUES ($1, $2, 'u-1', $3, now())"
    number = server.number(tenant)
    on_database(server.dsn, lambda connection: connection.execute(link, number, ISSUER, username))
    linked = signed({**payload, "jti": "another"})
    assert status(server, linked, "/Patient/other") == 200

    disable = "UPDATE account SET disabled_at = now() WHERE username = $1"
    on_database(server.dsn, lambda connection: connection.execute(disable, username))
    assert status(server, signed({**payload, "jti": "a third"}), "/Patient") == 401


Forge = Callable[[], str]


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda: signed(claims(), OTHER), id="another-key"),
        pytest.param(lambda: signed(claims(), kid="k2"), id="unknown-kid"),
        pytest.param(lambda: signed(claims(), kid=None), id="no-kid"),
        pytest.param(lambda: signed(claims(), P256, kid="ec", alg="ES256"), id="algorithm-not-trusted"),
        pytest.param(lambda: signed(claims(), OctKey.import_key(public(KEY)), alg="HS256"), id="public-key-as-secret"),
        pytest.param(lambda: signed(claims(), jku="https://evil.example/jwks"), id="jku"),
        pytest.param(lambda: signed(claims(), OTHER, jwk=OTHER.as_dict(private=False)), id="embedded-key"),
        pytest.param(lambda: signed(claims(), crit=["kid"]), id="crit"),
        pytest.param(lambda: signed(claims(), typ="logout+jwt"), id="another-type"),
        pytest.param(lambda: signed(claims(iss="https://other.example")), id="another-issuer"),
        pytest.param(lambda: signed(claims(iss=f"{ISSUER}/")), id="issuer-with-a-slash"),
        pytest.param(lambda: signed(claims(iss=[ISSUER])), id="issuer-as-a-list"),
        pytest.param(lambda: signed(claims(aud="https://other.example")), id="another-audience"),
        pytest.param(lambda: signed(claims(aud=None)), id="no-audience"),
        pytest.param(lambda: signed(claims(exp=int(time.time()) - 60)), id="expired"),
        pytest.param(lambda: signed(claims(exp=None)), id="no-expiry"),
        pytest.param(lambda: signed(claims(nbf=int(time.time()) + 600)), id="not-yet"),
        pytest.param(lambda: signed(claims(sub=None)), id="no-subject"),
        pytest.param(lambda: signed(claims(sub="u\0")), id="nul-in-subject"),
        pytest.param(lambda: signed(claims(azp="portal\0")), id="nul-in-client"),
        pytest.param(lambda: signed(claims(azp="\ud800")), id="half-a-character-in-client"),
        pytest.param(lambda: signed(claims(nonce="n")), id="id-token-by-nonce"),
        pytest.param(lambda: signed(claims(typ="ID")), id="id-token-by-type"),
        pytest.param(lambda: signed(claims())[:-4] + "AAAA", id="altered-signature"),
        pytest.param(lambda: "a.b.c", id="no-json"),
        pytest.param(lambda: f"{signed(claims()).rpartition('.')[0]}.", id="no-signature"),
    ],
)
def test_anything_else_is_no_token(server: RunningServer, tenant: str, forge: Forge) -> None:
    with server.client(forge()) as http:
        answer = http.get("/Patient/own")

    assert answer.status_code == 401
    assert answer.json()["issue"][0]["diagnostics"] == "The access token is not valid here, or no longer."


@pytest.mark.parametrize("patient", [None, "", 7, "Practitioner/own", "https://elsewhere.example/fhir/Patient/own"])
def test_a_patient_scope_without_a_patient_grants_nothing(server: RunningServer, tenant: str, patient: Any) -> None:
    assert status(server, signed(claims(patient=patient))) == 403


def test_a_rotated_key_is_found(server: RunningServer, tenant: str, jwks_site: JwksSite) -> None:
    fresh = RSAKey.generate_key(2048, {"kid": "k9", "use": "sig"})
    jwks_site.body = public(fresh)

    assert status(server, signed(claims(), fresh, kid="k9")) == 200


def test_keys_that_cannot_be_fetched_open_nothing(server: RunningServer, tenant: str, jwks_site: JwksSite) -> None:
    jwks_site.status = 500

    assert status(server, signed(claims())) == 401


def test_asynchronous_work_is_done_at_once(server: RunningServer, tenant: str) -> None:
    with server.client(signed(claims())) as http:
        assert http.get("/Patient", headers={"Prefer": "respond-async"}).status_code == 200


def test_without_trusted_issuers_a_jwt_is_no_token() -> None:
    def acquire() -> Any:
        raise AssertionError("there is nothing to look up")

    with pytest.raises(UnauthenticatedError):
        asyncio.run(TokenReader(acquire).caller(f"Bearer {signed(claims())}"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("{", "Invalid JSON", id="no-json"),
        pytest.param("[{}]", "0.issuer: Field required", id="empty"),
        pytest.param(json.dumps([entry("http://login.example.org/jwks")]), "https", id="keys-over-http"),
        pytest.param(json.dumps([entry("https://a.example/", algorithms=["HS256"])]), "0.algorithms.0", id="algorithm"),
        pytest.param(json.dumps([entry("https://a.example/", algorithms=[])]), "0.algorithms", id="no-algorithm"),
        pytest.param(json.dumps([entry("https://a.example/", scope="user/Gaol.rs")]), "Gaol", id="scope"),
        pytest.param(json.dumps([entry("https://a.example/", audiences=1)]), "0.audiences", id="misspelt"),
        pytest.param(json.dumps([entry("https://a.example/")] * 2), "twice", id="twice"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "issuers.json"
    file.write_text(text)
    with pytest.raises(TrustedIssuersError, match=says):
        read_trusted_issuers(file)
