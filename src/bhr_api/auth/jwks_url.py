"""Key sets that clients publish at a URL (SMART App Launch 2.2, client-confidential-asymmetric.html).

Only URLs that an administrator registered are ever fetched, never one that an assertion names.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import httpx

from bhr_api.auth.jwks import InvalidKeySetError
from bhr_api.auth.outgoing import ANSWER_SECONDS, MOST_BYTES, TooLongAnswerError, bounded_body, outgoing_http

SHORTEST_LIFETIME, DEFAULT_LIFETIME, LONGEST_LIFETIME = timedelta(seconds=60), timedelta(minutes=5), timedelta(hours=24)
REFETCH_INTERVAL = timedelta(seconds=30)
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def check_key_set_url(url: str) -> str:
    """`url` if keys may be fetched from it: https, or http on this machine. Raises `InvalidKeySetError`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    is_plain = re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", url) is not None
    if not is_plain or not host or parts.username is not None or parts.fragment:
        raise InvalidKeySetError("A JWKS URL is absolute and holds no user name and no fragment.")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK_HOSTS):
        raise InvalidKeySetError("A JWKS URL is https (http only on this machine itself).")
    return url


Key = TypeVar("Key")


@dataclass(slots=True)
class _Published(Generic[Key]):
    keys: Mapping[str, Key]
    fresh_until: datetime
    usable_until: datetime
    attempted_at: datetime


class PublishedKeySets(Generic[Key]):
    """The key sets of clients, or others, whose URL is registered, one cache for each worker. `read` makes keys of a text.

    A set is kept as its Cache-Control says, between a minute and a day. An unknown `kid` or a stale set makes it due
    for another fetch, at most every 30 seconds; while fetches fail the last set stays usable for a day.
    """

    def __init__(self, clock: Callable[[], datetime], read: Callable[[str], Mapping[str, Key]]) -> None:
        self._clock, self._read = clock, read
        self._published: dict[str, _Published[Key]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def is_due(self, url: str, kid: str) -> bool:
        """Whether `url` must be fetched before it can be said which key `kid` is."""
        now, known = self._clock(), self._published.get(url)
        if known is None:
            return True
        wanted = kid not in known.keys or now >= known.fresh_until
        return wanted and now >= known.attempted_at + REFETCH_INTERVAL

    def find(self, url: str, kid: str) -> Key | None:
        """The key as last fetched, or None."""
        known = self._published.get(url)
        return known.keys.get(kid) if known and self._clock() < known.usable_until else None

    async def refresh(self, url: str, kid: str) -> None:
        """Fetch `url` if it is (still) due; those who come meanwhile wait for the one fetch."""
        async with self._locks[url]:
            if self.is_due(url, kid):
                await self._fetch_into_cache(url)

    async def _fetch_into_cache(self, url: str) -> None:
        now = self._clock()
        try:
            text, lifetime = await fetch_key_set(url)
            keys = self._read(text)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, UnicodeError, InvalidKeySetError):
            # UnicodeError is what resolving a host such as a..b ends in.
            self._note_failure(url, now)
        else:
            self._published[url] = _Published(keys, now + lifetime, now + max(lifetime, LONGEST_LIFETIME), now)

    def _note_failure(self, url: str, now: datetime) -> None:
        known = self._published.get(url)
        if known is None:
            self._published[url] = _Published({}, now, now, now)
        else:
            known.attempted_at = now


async def fetch_key_set(url: str) -> tuple[str, timedelta]:
    """The text at `url` and how long it may be kept.

    Five seconds and 256 KB at most; a redirect is a failure, because it would lead where nobody registered. Raises
    `httpx.HTTPError`, `TimeoutError`, `InvalidKeySetError`, and `httpx.InvalidURL` or `UnicodeError` for odd hosts.
    """
    async with (
        asyncio.timeout(ANSWER_SECONDS),
        outgoing_http() as http,
        http.stream("GET", url, headers={"Accept": "application/json", "Accept-Encoding": "identity"}) as response,
    ):
        if response.status_code != httpx.codes.OK or "content-encoding" in response.headers:
            raise InvalidKeySetError("The JWKS URL did not answer 200 with plain JSON.")
        try:
            body = await bounded_body(response)
        except TooLongAnswerError as error:
            raise InvalidKeySetError(f"The key set is larger than {MOST_BYTES} bytes.") from error
    try:
        return body.decode(), _lifetime(response.headers.get("cache-control", ""))
    except UnicodeDecodeError as error:
        raise InvalidKeySetError("The key set is not UTF-8.") from error


def _lifetime(cache_control: str) -> timedelta:
    directives = cache_control.lower()
    if "no-store" in directives or "no-cache" in directives:
        return SHORTEST_LIFETIME
    age = re.search(r"(?:^|[\s,])max-age=\"?(\d{1,9})", directives)
    asked = timedelta(seconds=int(age[1])) if age else DEFAULT_LIFETIME
    return min(max(asked, SHORTEST_LIFETIME), LONGEST_LIFETIME)
