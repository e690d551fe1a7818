"""Tokens: keyed 64-bit hashes that stand for codes, references, uris and exact strings in the index.

The key belongs to the tenant, so nobody can construct a collision and no token is shared between tenants. At 10^7 distinct
values a query value meets a foreign one with odds of about 5e-13. R4 search.html#token, #reference, #uri.
"""

from functools import lru_cache
from hashlib import blake2b

from bhr_api.fhir import ucum


def _cache_size() -> int:
    return 1 << 17


class TokenHasher:
    """The hashes of one tenant; all are signed 64-bit integers."""

    def __init__(self, key: bytes) -> None:
        @lru_cache(maxsize=_cache_size())
        def hash_of(text: str) -> int:
            return int.from_bytes(blake2b(text.encode(), digest_size=8, key=key).digest(), "big", signed=True)

        # NUL cannot occur in FHIR strings, so it parts the pieces without ambiguity.
        self._hash = hash_of
        self._canonical_units = frozenset(self.unit(ucum.SYSTEM, code) for code in ucum.CANONICAL_UNITS)

    def resource(self, resource_type: str, id: str) -> int:
        """The `self_token` of a resource."""
        return self._hash(f"R\0{resource_type}\0{id}")

    def url(self, url: str) -> int:
        """What a reference to something outside this server, or to a canonical, counts as instead of a self_token."""
        return self._hash(f"U\0{url}")

    def any_version(self, url: str) -> int:
        """What references to a canonical have in common, whichever version they name."""
        return self._hash(f"V\0{url}")

    def parameter(self, resource_type: str, code: str) -> int:
        """The key of a reference parameter: xor it with a self_token to get the token of a reference in it."""
        return self._hash(f"P\0{resource_type}\0{code}")

    def code(self, resource_type: str, parameter: str, code: str) -> int:
        """`code` under any system (R4 search.html#token: `[code]`)."""
        return self._hash(f"C\0{resource_type}\0{parameter}\0{code}")

    def system_code(self, resource_type: str, parameter: str, system: str, code: str) -> int:
        """`system|code`; the empty system is `|code`, a code that has none."""
        return self._hash(f"S\0{resource_type}\0{parameter}\0{system}\0{code}")

    def system(self, resource_type: str, parameter: str, system: str) -> int:
        """`system|`: any code of the system."""
        return self._hash(f"Y\0{resource_type}\0{parameter}\0{system}")

    def exact(self, resource_type: str, parameter: str, text: str) -> int:
        """A whole string, for `:exact`."""
        return self._hash(f"X\0{resource_type}\0{parameter}\0{text}")

    def present(self, resource_type: str, parameter: str) -> int:
        """The marker that a parameter has a value; `:missing=true` is its absence."""
        return self._hash(f"?\0{resource_type}\0{parameter}")

    def is_canonical_unit(self, unit: int) -> bool:
        """Whether `unit` stands for a canonical unit, into which values of other units are converted."""
        return unit in self._canonical_units

    def unit(self, system: str | None, code: str) -> int:
        """A unit in number_index: with its system, or (None) by code or unit text alone. Never 0, the bare number."""
        return self._hash(f"N\0{code}" if system is None else f"N\0{system}\0{code}") or 1
