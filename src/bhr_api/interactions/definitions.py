"""The definitions of the loaded packages that this worker has at hand: profiles, value sets, code systems, search parameters.

R4 profiling.html and references.html#canonical. Validation and terminology are pure and ask synchronously, so all that they
may ask for is loaded before: what a request names, what that mentions, and so on.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from bhr_api.errors import RefusalError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.bounded_cache import BoundedCache
from bhr_api.store import packages
from bhr_api.store.database import Database
from bhr_api.store.packages import Key

log = structlog.get_logger(__name__)

Mentions = Callable[[Resource], frozenset[str]]
"""The canonicals that a definition refers to."""

# How long a worker may go on with what was loaded before a package came or went.
REFRESH_SECONDS = 5.0
# Of JSON text; parsed and without its narrative it takes twice that in memory (US Core 8.0.0: 9.2 MB and 19 MB).
CACHE_BYTES = 10_000_000
# Also what is not loaded is remembered by its canonical, which clients may make up: so that is bounded as well.
_CANONICALS_BYTES = 2_000_000
_BYTES_BESIDE_CANONICAL = 200


@dataclass(frozen=True, slots=True)
class Definitions:
    """What `DefinitionsRegistry.load` found; nothing in it may be changed.

    A canonical is asked for as it was named or mentioned. The answer is None for one that is not loaded, of another
    type, or that nobody named. `generation` is the word for the packages that it is of: what is compiled from it may be
    kept by that word.
    """

    generation: str
    _found: Mapping[tuple[str, str], Resource]
    _search_parameters: tuple[Resource, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing of what was named is loaded."""
        return not self._found

    def structure(self, canonical: str) -> Resource | None:
        """The StructureDefinition of `url` or `url|version`; without a version the newest."""
        return self._found.get(("StructureDefinition", canonical))

    def value_set(self, canonical: str) -> Resource | None:
        """The ValueSet of a canonical."""
        return self._found.get(("ValueSet", canonical))

    def code_system(self, canonical: str) -> Resource | None:
        """The CodeSystem of a canonical."""
        return self._found.get(("CodeSystem", canonical))

    def search_parameters(self) -> tuple[Resource, ...]:
        """The newest version of every loaded SearchParameter, whether named or not, by url."""
        return self._search_parameters


@dataclass(slots=True)
class _Held:
    """A parsed definition with what it mentions by the last function that was asked."""

    resource: Resource
    mentions: Mentions | None = None
    mentioned: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Known:
    """What is known of one generation of packages. `keys` also holds that there is nothing of a canonical."""

    generation: str
    held: BoundedCache[Key, _Held]
    keys: BoundedCache[str, tuple[Key, ...]] = field(default_factory=lambda: BoundedCache(_CANONICALS_BYTES))
    search_parameters: tuple[Resource, ...] | None = None
    profiles: Mapping[str, Sequence[str]] | None = None

    def get(self, canonical: str) -> list[_Held] | None:
        """What the canonical names; None when that is not all at hand."""
        keys = self.keys.get(canonical)
        if keys is None:
            return None
        found = [self.held.get(key) for key in keys]
        return None if None in found else [held for held in found if held is not None]


class DefinitionsRegistry:
    """Keeps what was used last of the loaded packages, and notices within `refresh_seconds` that they changed.

    Every method may take a connection of the database for a moment: call them before the interaction acquires its own.
    They raise OverloadedError as `Database.acquire` does.
    """

    def __init__(
        self, database: Database, *, refresh_seconds: float = REFRESH_SECONDS, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self._database = database
        self._refresh_seconds = refresh_seconds
        self._cache_bytes = cache_bytes
        self._known: _Known | None = None
        self._asked_at = 0.0
        # What many requests need at once is loaded by the first.
        self._loading = asyncio.Lock()

    async def load(self, canonicals: Iterable[str], mentions: Mentions) -> Definitions:
        """The definitions of `canonicals`, of what they mention, and so on; those that are not loaded are left out."""
        known = await self._current()
        parameters = await self._search_parameters(known)
        found: dict[tuple[str, str], Resource] = {}
        seen = set(canonicals)
        wave = seen
        while wave:
            named = await self._named(known, wave)
            found |= {(held.resource["resourceType"], each): held.resource for each in named for held in named[each]}
            mentioned = [await _mentioned(held, mentions) for each in named for held in named[each]]
            wave = set().union(*mentioned) - seen
            seen = seen | wave
        return Definitions(known.generation, found, parameters)

    async def supported_profiles(self, resource_type: str) -> tuple[str, ...]:
        """`url|version` of every loaded profile of the type, for CapabilityStatement.rest.resource.supportedProfile."""
        known = await self._current()
        if known.profiles is None:
            async with self._database.acquire() as connection:
                known.profiles = await packages.profiles(connection)
        return tuple(known.profiles.get(resource_type, ()))

    async def generation(self) -> str:
        """A word for the packages that are loaded now, which another one follows when they change."""
        return (await self._current()).generation

    async def _current(self) -> _Known:
        now = time.monotonic()
        if self._known is not None and now - self._asked_at < self._refresh_seconds:
            return self._known
        self._asked_at = now
        try:
            async with self._database.acquire() as connection:
                generation = await packages.generation(connection)
        except RefusalError as error:
            if self._known is None:
                raise
            # What was right a moment ago is a better answer than none.
            log.warning("packages_not_refreshed", reason=type(error).__name__)
            return self._known
        if self._known is None or self._known.generation != generation:
            self._known = _Known(generation, BoundedCache(self._cache_bytes))
        return self._known

    async def _search_parameters(self, known: _Known) -> tuple[Resource, ...]:
        if known.search_parameters is None:
            async with self._loading:
                if known.search_parameters is None:
                    known.search_parameters = await self._read_search_parameters()
        return known.search_parameters

    async def _read_search_parameters(self) -> tuple[Resource, ...]:
        async with self._database.acquire() as connection:
            keys = await packages.newest_of_type(connection, "SearchParameter")
            bodies = await packages.bodies(connection, keys)
        return tuple([await _parsed(bodies[key]) for key in keys if key in bodies])

    async def _named(self, known: _Known, canonicals: Iterable[str]) -> dict[str, list[_Held]]:
        """What each of `canonicals` names."""
        named = {each: known.get(each) for each in canonicals}
        if None in named.values():
            async with self._loading:
                # Whoever had the lock before may have loaded it.
                named |= {each: known.get(each) for each, found in named.items() if found is None}
                missing = [each for each, found in named.items() if found is None]
                if missing:
                    named |= await self._read(known, missing)
        return {each: found or [] for each, found in named.items()}

    async def _read(self, known: _Known, canonicals: Sequence[str]) -> dict[str, list[_Held]]:
        """The same from the database, put into what is known; the cache may be too small for all of it."""
        async with self._database.acquire() as connection:
            keys = dict(zip(canonicals, await packages.find(connection, canonicals), strict=True))
            held = {key: known.held.get(key) for found in keys.values() for key in found}
            bodies = await packages.bodies(connection, [key for key in held if held[key] is None])
        for key, body in bodies.items():
            held[key] = parsed = _Held(await _parsed(body))
            known.held.put(key, parsed, len(body))
        for canonical, found in keys.items():
            known.keys.put(canonical, tuple(found), len(canonical) + _BYTES_BESIDE_CANONICAL)
        # A package that is removed at this moment may have taken a body with it.
        return {each: [there for key in found if (there := held[key])] for each, found in keys.items()}


async def _parsed(body: bytes) -> Resource:
    """The definition without its narrative, a third of US Core's text, which nobody asks for here."""
    resource: Resource = json_text.parse(body)
    resource.pop("text", None)
    # A large profile takes some milliseconds; others have their turn between two.
    await asyncio.sleep(0)
    return resource


async def _mentioned(held: _Held, mentions: Mentions) -> frozenset[str]:
    if held.mentions is mentions:
        return held.mentioned
    held.mentions, held.mentioned = mentions, (mentioned := mentions(held.resource))
    await asyncio.sleep(0)
    return mentioned
