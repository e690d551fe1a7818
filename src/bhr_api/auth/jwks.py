"""JSON Web Key Sets of clients (RFC 7517; SMART App Launch 2.2, client-confidential-asymmetric.html).

Public keys only, RSA for RS384 and P-384 for ES384: each key verifies exactly one algorithm, so that an assertion's
header never chooses how it is checked.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

Algorithm = Literal["RS384", "ES384"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)

# RFC 7518 §6.2.2, §6.3.2 and §6.4: the members that make a key private or symmetric.
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# RFC 7518 §3.3 asks for 2048 bits or more; past 8192 a verification would cost more than any client is worth.
_RSA_BITS = range(2048, 8193)
_MOST_KEYS = 50


class InvalidKeySetError(ValueError):
    """A key set that cannot be used; the message says which key and why."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key with the one algorithm that it verifies."""

    kid: str
    algorithm: Algorithm
    key: RSAKey | ECKey


def check_key_set(text: str) -> str:
    """`text` as compact JSON, every key in it usable; raises `InvalidKeySetError` otherwise. For registrations."""
    jwks = listed_keys(text)
    kids = [_verification_key(jwk).kid for jwk in jwks]
    if not kids:
        raise InvalidKeySetError("The key set holds no key.")
    if len(set(kids)) < len(kids):
        raise InvalidKeySetError('Two keys have the same "kid"; each needs its own.')
    return json.dumps({"keys": jwks}, separators=(",", ":"))


@lru_cache(maxsize=1024)
def usable_keys(text: str) -> Mapping[str, VerificationKey]:
    """The keys of a published set by `kid`, passing over those of kinds that are not used here.

    RFC 7517 §5: a set may hold keys for other purposes. Raises `InvalidKeySetError` when it is no key set at all.
    """
    keys: dict[str, VerificationKey] = {}
    for jwk in listed_keys(text):
        try:
            key = _verification_key(jwk)
        except InvalidKeySetError:
            continue
        keys.setdefault(key.kid, key)
    return keys


def listed_keys(text: str) -> list[Any]:
    """The members of a key set, at most 50, whatever they are. Raises `InvalidKeySetError` when it is no key set."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidKeySetError("The key set is not JSON.") from error
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or len(keys) > _MOST_KEYS:
        raise InvalidKeySetError(f'A key set is a JSON object with a list "keys" of at most {_MOST_KEYS} keys.')
    return keys


def _verification_key(jwk: Any) -> VerificationKey:
    if not isinstance(jwk, dict) or not isinstance(kid := jwk.get("kid"), str) or not kid:
        raise InvalidKeySetError('A key is a JSON object with a "kid", by which assertions name it.')
    if PRIVATE_MEMBERS & jwk.keys():
        raise InvalidKeySetError(f"Key {kid!r} holds private members: register the public key, and replace this one.")
    algorithm, key = _imported(jwk, kid)
    _check_purpose(jwk, kid, algorithm)
    return VerificationKey(kid, algorithm, key)


def _imported(jwk: dict[str, Any], kid: str) -> tuple[Algorithm, RSAKey | ECKey]:
    try:
        if jwk.get("kty") == "RSA":
            _check_rsa_size(jwk, kid)
            return "RS384", RSAKey.import_key({"kty": "RSA", "n": jwk["n"], "e": jwk["e"]})
        if jwk.get("kty") == "EC" and jwk.get("crv") == "P-384":
            return "ES384", ECKey.import_key({"kty": "EC", "crv": "P-384", "x": jwk["x"], "y": jwk["y"]})
    except InvalidKeySetError:
        raise
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidKeySetError(f"Key {kid!r} is malformed.") from error
    raise InvalidKeySetError(
        f"Key {kid!r} is of no kind used here: RSA of 2048 bits or more (RS384), or P-384 (ES384)."
    )


def _check_rsa_size(jwk: dict[str, Any], kid: str) -> None:
    modulus = jwk["n"].encode("ascii")
    bits = int.from_bytes(urlsafe_b64decode(modulus + b"=" * (-len(modulus) % 4))).bit_length()
    if bits not in _RSA_BITS:
        raise InvalidKeySetError(f"Key {kid!r} has {bits} bits; RSA keys have {_RSA_BITS[0]} to {_RSA_BITS[-1]}.")


def _check_purpose(jwk: dict[str, Any], kid: str, algorithm: Algorithm) -> None:
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise InvalidKeySetError(f'Key {kid!r} is not for signatures ("use" or "key_ops").')
    if jwk.get("alg", algorithm) != algorithm:
        raise InvalidKeySetError(f'Key {kid!r} is for "alg" {jwk["alg"]!r}; here such a key verifies {algorithm}.')
