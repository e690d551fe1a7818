"""Packages: the implementation guides of the whole server, and their resources by canonical (R4 references.html#canonical).

They are the operator's and nobody's record, so they are of no tenant. Which of several versions is newest is decided by
`version_order`; between packages that bring the same version of a resource, by the order of the packages' own versions.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from bhr_api.fhir.packages import Definition, Package, split_canonical, version_order
from bhr_api.store.database import Connection


class Loaded(NamedTuple):
    """A package that is loaded; `definitions` is their count."""

    name: str
    version: str
    title: str
    dependencies: Sequence[tuple[str, str]]
    digest: bytes
    added_at: datetime
    definitions: int


class Key(NamedTuple):
    """The key of a stored definition."""

    package: str
    package_version: str
    resource_type: str
    url: str
    version: str


# Any number will do, so long as nothing else takes the same advisory lock ("pkgs").
_LOCK = 0x706B6773

_GENERATION = """
SELECT encode(sha256(convert_to(coalesce(
    string_agg(name || '@' || version || ' ' || encode(digest, 'hex'), ',' ORDER BY name, version), ''), 'UTF8')), 'hex')
FROM package
"""

_ALL = """
SELECT p.name, p.version, p.title, p.dependencies, p.digest, p.added_at, count(r.package)
FROM package p LEFT JOIN package_resource r ON r.package = p.name AND r.package_version = p.version
GROUP BY p.name, p.version ORDER BY p.name, p.sort_key, p.version
"""

_ADD = """
INSERT INTO package (name, version, sort_key, title, dependencies, digest, added_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

_ADD_RESOURCE = f"""
INSERT INTO package_resource (package, package_version, {", ".join(Definition._fields)}, sort_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

_KEY = "r.package, r.package_version, r.resource_type, r.url, r.version"
_NEWEST_FIRST = "r.sort_key DESC, r.version DESC, p.sort_key DESC, r.package, r.package_version"
_OF_PACKAGE = "package_resource r JOIN package p ON p.name = r.package AND p.version = r.package_version"

_FIND = f"""
SELECT DISTINCT ON (wanted.place, r.resource_type) wanted.place, {_KEY}
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (url, version, place)
JOIN package_resource r ON r.url = wanted.url AND (wanted.version IS NULL OR r.version = wanted.version)
JOIN package p ON p.name = r.package AND p.version = r.package_version
ORDER BY wanted.place, r.resource_type, {_NEWEST_FIRST}
"""

_NEWEST_OF_TYPE = f"""
SELECT DISTINCT ON (r.url) {_KEY} FROM {_OF_PACKAGE} WHERE r.resource_type = $1 ORDER BY r.url, {_NEWEST_FIRST}
"""

_BODIES = f"""
SELECT {_KEY}, r.body FROM package_resource r
JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    AS wanted (package, package_version, resource_type, url, version)
    USING (package, package_version, resource_type, url, version)
"""

_PROFILES = """
SELECT DISTINCT profiled_type, url, sort_key, version FROM package_resource WHERE profiled_type IS NOT NULL
ORDER BY profiled_type, url, sort_key, version
"""


async def lock(connection: Connection) -> None:
    """Let whoever else adds or removes wait until the transaction ends, so that what is looked at now stays so."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


async def generation(connection: Connection) -> str:
    """A word for what is loaded: another one after each add or remove, and the same again for the same packages."""
    word: str = await connection.fetchval(_GENERATION)
    return word


async def all_packages(connection: Connection) -> list[Loaded]:
    """Every loaded package, by name and version."""
    rows = await connection.fetch(_ALL)
    return [Loaded(row[0], row[1], row[2], _pairs(row[3]), *row[4:]) for row in rows]


def _pairs(dependencies: Sequence[str]) -> list[tuple[str, str]]:
    # A name may start with @, a version holds none.
    return [(name, version) for name, _, version in (each.rpartition("@") for each in dependencies)]


async def add(connection: Connection, package: Package, now: datetime) -> None:
    """Store a package, whose name and version must not be there yet."""
    dependencies = [f"{name}@{version}" for name, version in package.dependencies]
    order = version_order(package.version)
    await connection.execute(
        _ADD, package.name, package.version, order, package.title, dependencies, package.digest, now
    )
    await connection.executemany(
        _ADD_RESOURCE,
        [(package.name, package.version, *each, version_order(each.version)) for each in package.definitions],
    )


async def remove(connection: Connection, name: str, version: str) -> bool:
    """Take a package away; False when it is not there."""
    await connection.execute("DELETE FROM package_resource WHERE package = $1 AND package_version = $2", name, version)
    return await connection.execute("DELETE FROM package WHERE name = $1 AND version = $2", name, version) != "DELETE 0"


async def find(connection: Connection, canonicals: Sequence[str]) -> list[list[Key]]:
    """For each of `canonicals` the keys of what it names, one of each resource type: usually one, or none."""
    wanted = [split_canonical(canonical) for canonical in canonicals]
    rows = await connection.fetch(_FIND, [url for url, _ in wanted], [version for _, version in wanted])
    found: list[list[Key]] = [[] for _ in canonicals]
    for place, *key in rows:
        found[place - 1].append(Key(*key))
    return found


async def newest_of_type(connection: Connection, resource_type: str) -> list[Key]:
    """The newest version of every definition of that type, by url."""
    return [Key(*row) for row in await connection.fetch(_NEWEST_OF_TYPE, resource_type)]


async def bodies(connection: Connection, keys: Sequence[Key]) -> dict[Key, bytes]:
    """The JSON of those definitions that are there."""
    columns = [list(column) for column in zip(*keys, strict=True)] or [[]] * len(Key._fields)
    return {Key(*key): body for *key, body in await connection.fetch(_BODIES, *columns)}


async def profiles(connection: Connection) -> dict[str, list[str]]:
    """Resource type -> `url|version` of every version of every profile, by url and version."""
    found: dict[str, list[str]] = {}
    for resource_type, url, _, version in await connection.fetch(_PROFILES):
        found.setdefault(resource_type, []).append(f"{url}|{version}" if version else url)
    return found
