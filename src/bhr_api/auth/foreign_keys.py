"""Keys of identity providers: the public keys of a published set, for the algorithms that an issuer is trusted with.

RFC 7517. The algorithm is pinned by the configuration, never chosen by a token's header (SECURITY 5; RFC 8725 §3.1).
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Literal, get_args

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from bhr_api.auth.jwks import PRIVATE_MEMBERS, listed_keys
from bhr_api.auth.jwks_url import PublishedKeySets
from bhr_api.auth.strict_jwt import ClaimedJwt, JwtError

PublicKey = RSAKey | ECKey | OKPKey
_KINDS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class _Registry(jws.JWSRegistry):
    max_header_length = 4096


_REGISTRY = _Registry(algorithms=list(get_args(Algorithm)), strict_check_header=False)


@lru_cache(maxsize=64)
def public_keys(text: str) -> Mapping[str, PublicKey]:
    """The public keys for signatures of a set by `kid`, passing over all others. Raises InvalidKeySetError for no set."""
    found: dict[str, PublicKey] = {}
    for jwk in listed_keys(text):
        key = _public_key(jwk)
        if key is not None:
            found.setdefault(jwk["kid"], key)
    return found


def _public_key(jwk: object) -> PublicKey | None:
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
        return None
    kind = _KINDS.get(str(jwk.get("kty")))
    if kind is None or PRIVATE_MEMBERS & jwk.keys() or jwk.get("use", "sig") != "sig":
        return None
    try:
        return kind.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None


async def check_signature(
    text: str, token: ClaimedJwt, key_sets: PublishedKeySets[PublicKey], url: str, algorithms: Collection[Algorithm]
) -> None:
    """Check that a key published at `url` signed `text`, which `token` was parsed from, by one of `algorithms`.

    Raises JwtError for any other token.
    """
    if key_sets.is_due(url, token.kid):
        await key_sets.refresh(url, token.kid)
    key = key_sets.find(url, token.kid)
    algorithm = str(token.header.get("alg"))
    if key is None or algorithm not in algorithms:
        raise JwtError("The token is not signed by a key and algorithm of its issuer.")
    try:
        jws.deserialize_compact(text, key, algorithms=[algorithm], registry=_REGISTRY)
    except (JoseError, ValueError, TypeError) as error:
        raise JwtError("The token's signature does not verify.") from error
