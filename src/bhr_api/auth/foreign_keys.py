"""Keys of identity providers: the public keys of a published set, for the algorithms that an issuer is trusted with.

RFC 7517. The algorithm is pinned by the configuration, never chosen by a token's header (SECURITY 5; RFC 8725 §3.1).
"""

import json
from collections.abc import Mapping
from functools import lru_cache

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from bhr_api.auth.jwks import PRIVATE_MEMBERS, InvalidKeySetError

PublicKey = RSAKey | ECKey | OKPKey
_KINDS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_MOST_KEYS = 50


@lru_cache(maxsize=64)
def public_keys(text: str) -> Mapping[str, PublicKey]:
    """The public keys for signatures of a set by `kid`, passing over all others. Raises InvalidKeySetError for no set."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidKeySetError("The key set is not JSON.") from error
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or len(keys) > _MOST_KEYS:
        raise InvalidKeySetError(f'A key set is a JSON object with a list "keys" of at most {_MOST_KEYS} keys.')
    found: dict[str, PublicKey] = {}
    for jwk in keys:
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
