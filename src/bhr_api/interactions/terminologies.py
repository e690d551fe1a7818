"""The terminology of a request: HL7's own, of the loaded packages, and of the ValueSets and CodeSystems that are stored.

FHIR R4, terminology-service.html. Questions are asked synchronously, so all that they may lead to is loaded before; of what
is stored, what the caller may read.
"""

from collections.abc import Iterable
from datetime import datetime

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource
from bhr_api.fhir.packages import split_canonical, version_order
from bhr_api.fhir.terminology.mentions import mentions
from bhr_api.fhir.terminology.terminology import BUILT_IN, Terminology
from bhr_api.interactions.context import Context
from bhr_api.interactions.definitions import Definitions
from bhr_api.interactions.requests import Parameters
from bhr_api.search.meaning import SearchContext, terminology_names
from bhr_api.search.served_parameters import ServedParameters
from bhr_api.store.database import Connection

_TYPES = ("ValueSet", "CodeSystem")
MAXIMUM_STORED = 200
"""Of the stored resources that one question may lead to."""


async def search_context(context: Context, parameters: Parameters, now: datetime) -> SearchContext:
    """What the meaning of `parameters` depends on, the terminology that they name included."""
    terminology = await terminology_of(context, terminology_names(parameters))
    if context.held is None and not all(_is_known(name, context.words.served) for name, _ in parameters):
        # It may have been added a moment ago, by way of another worker; to look costs less than the search would.
        await context.words.refresh(0.0)
    return SearchContext(
        context.hasher,
        context.base_url,
        now,
        context.visibility,
        context.lenient,
        terminology,
        context.words.served,
    )


def _is_known(name: str, served: ServedParameters) -> bool:
    """Whether the parameter that decides is one of some type, whatever it is chained through."""
    code = name.rpartition(".")[2]
    if code.startswith("_has:"):
        code = code.rpartition(":")[2]
    return code.startswith("_") or served.is_some_code(code.partition(":")[0])


async def terminology_of(context: Context, canonicals: Iterable[str]) -> Terminology:
    """A terminology that knows `canonicals` (also `ValueSet/id`) and what they rest on, as far as it is there."""
    names = frozenset(canonicals)
    if not names:
        return BUILT_IN
    stored = await _stored(context, names)
    asked = names.union(*(mentions(resource) for resource in stored.values()))
    loaded = await context.definitions.load(asked, mentions) if context.definitions is not None else None
    if not stored and (loaded is None or loaded.is_empty):
        return BUILT_IN
    return Terminology(_Source(stored, loaded))


class _Source:
    """Stored resources before those of packages."""

    def __init__(self, stored: dict[tuple[str, str], Resource], loaded: Definitions | None) -> None:
        self._stored = stored
        self._loaded = loaded

    def value_set(self, canonical: str) -> Resource | None:
        """The ValueSet of a canonical, or of `ValueSet/id`."""
        found = self._stored.get(("ValueSet", canonical))
        return found if found is not None or self._loaded is None else self._loaded.value_set(canonical)

    def code_system(self, canonical: str) -> Resource | None:
        """The CodeSystem of a canonical."""
        found = self._stored.get(("CodeSystem", canonical))
        return found if found is not None or self._loaded is None else self._loaded.code_system(canonical)


async def _stored(context: Context, names: frozenset[str]) -> dict[tuple[str, str], Resource]:
    """(type, name) -> resource for what is stored of `names` and of what that mentions, under the visibility condition."""
    found: dict[tuple[str, str], Resource] = {}
    seen: frozenset[str] = frozenset()
    async with context.connection() as connection:
        while (wave := names - seen) and len(found) < MAXIMUM_STORED:
            seen |= wave
            new = await _read(context, connection, wave)
            found |= new
            names = frozenset().union(*(mentions(resource) for resource in new.values()))
    return found


async def _read(context: Context, connection: Connection, names: frozenset[str]) -> dict[tuple[str, str], Resource]:
    hasher = context.hasher
    urls = {split_canonical(name)[0] for name in names}
    ids = [name.removeprefix("ValueSet/") for name in names if name.startswith("ValueSet/")]
    tokens = [hasher.code(type_name, "url", url) for type_name in _TYPES for url in urls]
    binder = context.visibility.binder()
    visible = context.visibility.of_types(_TYPES, "r", "r", binder)
    rows = await connection.fetch(
        f"SELECT r.id, r.body FROM resource r WHERE {visible} AND (r.tokens && {binder.bind(tokens, 'bigint[]')}"  # noqa: S608
        f" OR (r.resource_type = {RESOURCE_TYPE_NUMBERS['ValueSet']} AND r.id = ANY({binder.bind(ids, 'text[]')})))"
        f" LIMIT {MAXIMUM_STORED}",
        *binder.values,
    )
    resources = [(row["id"], json_text.parse(row["body"])) for row in rows]
    # Of several with one url the newest answers.
    resources.sort(key=lambda pair: version_order(str(pair[1].get("version", ""))))
    found: dict[tuple[str, str], Resource] = {}
    for id, resource in resources:
        url, version = resource.get("url"), resource.get("version")
        for name in (url, f"{url}|{version}", f"{resource['resourceType']}/{id}"):
            if name in names:
                found[resource["resourceType"], name] = resource
    return found
