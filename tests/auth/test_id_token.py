"""id_tokens, userinfo and their keys (OpenID Connect Core §2, §3.1.3.7, §5.3; SMART App Launch 2.2)."""

import hashlib
import json
import time
from base64 import urlsafe_b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from bhr_api.auth.signed_in import SignedIn
from bhr_api.auth.signing_keys import SigningKeys, SigningKeysError
from tests.fixtures.app_launch import App, register_app
from tests.fixtures.auth import AuthServer, MovableClock, signing_keys_beside


def verified(server: AuthServer, id_token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, verified as a client does: by the published keys and RS256 alone."""
    keys = KeySet.import_key_set(server.http.get("/oauth/jwks").json())
    token = jwt.decode(id_token, keys, algorithms=["RS256"])
    return token.header, token.claims


def test_an_id_token_tells_who_signed_in(public_app: App, user: SignedIn) -> None:
    tokens = public_app.tokens(user, nonce="n-1")

    header, claims = verified(public_app.server, tokens["id_token"])

    digest = hashlib.sha256(tokens["access_token"].encode()).digest()
    assert header["alg"] == "RS256"
    assert (claims["iss"], claims["aud"], claims["sub"]) == (
        public_app.server.base_url,
        public_app.client_id,
        user.subject,
    )
    assert claims["fhirUser"] == f"{public_app.server.base_url}/fhir/Practitioner/1"
    assert (claims["nonce"], claims["amr"], claims["auth_time"]) == ("n-1", ["pwd"], int(user.signed_in_at.timestamp()))
    assert claims["at_hash"] == urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()
    assert abs(claims["iat"] - time.time()) < 60
    assert claims["exp"] - claims["iat"] == 3600


def test_without_openid_there_is_none(public_app: App, user: SignedIn) -> None:
    assert "id_token" not in public_app.tokens(user, scope="user/Observation.rs fhirUser")


def test_without_fhir_user_it_names_no_resource(public_app: App, user: SignedIn) -> None:
    _, claims = verified(public_app.server, public_app.tokens(user, scope="openid")["id_token"])

    assert claims.keys().isdisjoint({"fhirUser", "profile", "preferred_username", "nonce"})


def test_smarts_first_version_asks_for_profile(auth_server: AuthServer, user: SignedIn) -> None:
    app = register_app(auth_server, scope="openid profile")

    _, claims = verified(auth_server, app.tokens(user, scope="openid profile")["id_token"])

    assert claims["profile"] == claims["fhirUser"] == f"{auth_server.base_url}/fhir/Practitioner/1"
    assert claims["preferred_username"] == user.username


def test_a_refreshed_one_is_about_the_same_sign_in(public_app: App, user: SignedIn) -> None:
    tokens = public_app.tokens(user, nonce="n-1")
    _, first = verified(public_app.server, tokens["id_token"])

    _, second = verified(public_app.server, public_app.refresh(tokens["refresh_token"]).json()["id_token"])

    same = ("iss", "sub", "aud", "auth_time", "fhirUser")
    assert [second[name] for name in same] == [first[name] for name in same]
    assert "nonce" not in second


def test_the_published_keys_are_public(auth_server: AuthServer) -> None:
    answer = auth_server.http.get("/oauth/jwks")

    for key in answer.json()["keys"]:
        assert key.keys() == {"kty", "n", "e", "kid", "use", "alg"}
        assert (key["alg"], key["use"]) == ("RS256", "sig")
    assert "max-age" in answer.headers["Cache-Control"]


def test_a_rotated_key_holds_at_once_and_the_old_one_verifies(public_app: App, user: SignedIn) -> None:
    keys = signing_keys_beside(public_app.server.dsn, public_app.server.clock)
    old = public_app.tokens(user)["id_token"]

    new_kid = keys.rotate().kid

    header, _ = verified(public_app.server, public_app.tokens(user)["id_token"])
    assert header["kid"] == new_kid
    assert verified(public_app.server, old)[1]["sub"] == user.subject


def test_userinfo_tells_the_same(public_app: App, user: SignedIn) -> None:
    token = public_app.tokens(user)["access_token"]
    for method in ("GET", "POST"):
        answer = public_app.server.http.request(method, "/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})

        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
        assert answer.json() == {
            "sub": user.subject,
            "fhirUser": f"{public_app.server.base_url}/fhir/Practitioner/1",
        }


def userinfo(server: AuthServer, token: str | None) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return server.http.get("/oauth/userinfo", headers=headers)


def test_userinfo_needs_a_live_token_with_openid(public_app: App, user: SignedIn) -> None:
    tokens = public_app.tokens(user)
    plain = public_app.tokens(user, scope="user/Observation.rs")["access_token"]
    server = public_app.server

    assert userinfo(server, None).headers["WWW-Authenticate"] == "Bearer"
    for forged in ("x", tokens["refresh_token"], tokens["id_token"], "bhr_at_default_" + "A" * 43):
        answer = userinfo(server, forged)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert userinfo(server, plain).status_code == 403
    server.fetch(
        "UPDATE account SET disabled_at = now() WHERE tenant = $1 AND username = $2", user.tenant, user.username
    )
    assert userinfo(server, tokens["access_token"]).status_code == 401


@pytest.fixture
def keys(tmp_path: Path) -> SigningKeys:
    return SigningKeys(tmp_path / "new" / "keys.json", MovableClock())


def test_the_file_is_made_for_its_owner_alone(keys: SigningKeys, tmp_path: Path) -> None:
    first = keys.all()[0].kid

    file = tmp_path / "new" / "keys.json"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [child.name for child in file.parent.iterdir()] == ["keys.json"]
    assert SigningKeys(file, MovableClock()).all()[0].kid == first


def test_a_worker_sees_what_another_one_rotated(keys: SigningKeys, tmp_path: Path) -> None:
    other = SigningKeys(tmp_path / "new" / "keys.json", MovableClock())
    old = other.all()[0].kid

    new = keys.rotate().kid

    assert [key["kid"] for key in other.published()["keys"]] == [new, old]


def test_an_old_key_is_forgotten_after_a_day(tmp_path: Path) -> None:
    clock = MovableClock()
    keys = SigningKeys(tmp_path / "keys.json", clock)
    keys.all()
    second = keys.rotate().kid
    clock.ahead = timedelta(days=1, seconds=1)

    assert [key["kid"] for key in keys.published()["keys"]] == [second]
    third = keys.rotate().kid
    assert [key.kid for key in keys.all()] == [third, second]


def test_after_a_leak_all_others_are_forgotten(keys: SigningKeys) -> None:
    keys.rotate()

    new = keys.rotate(forget=True).kid

    assert [key["kid"] for key in keys.published()["keys"]] == [new]


def test_a_file_for_everybody_is_refused(keys: SigningKeys, tmp_path: Path) -> None:
    keys.all()
    file = tmp_path / "new" / "keys.json"
    file.chmod(0o644)

    with pytest.raises(SigningKeysError, match="chmod 600"):
        SigningKeys(file, MovableClock()).all()


@pytest.mark.parametrize(
    "text", ["", "{}", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "x"}]}', '{"keys": 1}', "[]"]
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    file.chmod(0o600)

    with pytest.raises(SigningKeysError):
        SigningKeys(file, MovableClock()).all()
    assert file.read_text() == text


def test_no_private_member_leaves(keys: SigningKeys) -> None:
    assert '"d"' not in json.dumps(keys.published())
