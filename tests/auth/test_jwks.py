import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from bhr_api.auth.jwks import InvalidKeySetError, check_key_set, usable_keys
from tests.fixtures.auth import jwks_of


def jwk(key: RSAKey | ECKey | OKPKey, *, private: bool = False, **members: Any) -> dict[str, Any]:
    return {name: value for name, value in (dict(key.as_dict(private=private)) | members).items() if value is not None}


def test_a_set_of_usable_public_keys_is_accepted(rsa_key: RSAKey, ec_key: ECKey) -> None:
    keys = usable_keys(check_key_set(jwks_of(rsa_key, ec_key)))

    assert {kid: key.algorithm for kid, key in keys.items()} == {"rsa-1": "RS384", "ec-1": "ES384"}


P256 = jwk(ECKey.generate_key("P-256", {"kid": "p256"}))
ED25519 = jwk(OKPKey.generate_key("Ed25519", {"kid": "ed"}))
P384 = ECKey.generate_key("P-384", {"kid": "p384"})
RSA2048 = RSAKey.generate_key(2048, {"kid": "rsa"})


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        pytest.param([], "holds no key", id="empty"),
        pytest.param([jwk(P384, private=True)], "private", id="private-elliptic-key"),
        pytest.param([jwk(RSA2048, private=True)], "private", id="private-RSA-key"),
        pytest.param([{"kty": "oct", "k": "AAAA", "kid": "k"}], "private", id="symmetric-key"),
        pytest.param([jwk(P384, kid=None)], '"kid"', id="kid-missing"),
        pytest.param([jwk(P384), jwk(RSA2048, kid="p384")], "same", id="kid-twice"),
        pytest.param([P256], "no kind", id="P-256"),
        pytest.param([ED25519], "no kind", id="Ed25519"),
        pytest.param([jwk(RSA2048, n=RSA2048.as_dict()["n"][:171])], "bits", id="RSA-1024"),
        pytest.param([jwk(RSA2048, n="A" * 2000)], "bits", id="RSA-modulus-zero"),
        pytest.param([jwk(P384, x="AAAA")], "malformed", id="point-off-the-curve"),
        pytest.param([jwk(RSA2048, n=7)], "malformed", id="modulus-is-no-string"),
        pytest.param([jwk(RSA2048, use="enc")], "signatures", id="use-enc"),
        pytest.param([jwk(RSA2048, key_ops=["encrypt"])], "signatures", id="key_ops-encrypt"),
        pytest.param([jwk(RSA2048, alg="RS256")], "RS384", id="alg-RS256"),
        pytest.param(["key"], "JSON object", id="not-an-object"),
    ],
)
def test_an_unusable_key_is_not_registered(keys: list[Any], says: str) -> None:
    with pytest.raises(InvalidKeySetError, match=says):
        check_key_set(json.dumps({"keys": keys}))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys":{}}', "[" * 100_000, "\x00"])
def test_what_is_no_key_set_is_refused(text: str) -> None:
    with pytest.raises(InvalidKeySetError):
        usable_keys(text)


def test_a_published_set_may_hold_keys_for_other_purposes() -> None:
    assert set(usable_keys(json.dumps({"keys": [P256, ED25519, {"kty": "ML-DSA"}, jwk(P384)]}))) == {"p384"}
