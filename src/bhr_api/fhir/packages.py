"""FHIR packages: implementation guides as npm-style archives, and the order of versions within them.

FHIR packages (hl7.org/fhir/packages.html), R4 references.html#canonical, Semantic Versioning 2.0.0 §11. An archive
comes from elsewhere: nothing of it is unpacked onto a disk, and whatever is read of it is bounded.
"""

import gzip
import hashlib
import re
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

from bhr_api.errors import InvalidJsonError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPES, Resource, elements_of

MAX_UNPACKED_BYTES = 200_000_000
MAX_FILES = 50_000
# Each file is parsed as a whole, and hostile JSON can take twenty times its text in memory.
MAX_FILE_BYTES = 50_000_000
_PIECE = 65_536
MAX_URL_LENGTH = 1_000
MAX_VERSION_LENGTH = 100

# R4's canonical resources: those that have what CanonicalResource lists (R4 has no such type yet; R5 gave it the name).
CANONICAL_TYPES = frozenset(
    name for name in RESOURCE_TYPES if elements_of(name).keys() >= {"url", "version", "status", "publisher"}
)
# The definitions of R4 itself travel with this program.
BUILT_IN = frozenset({"hl7.fhir.r4.core", "hl7.fhir.core"})

_NAME = re.compile(r"[A-Za-z0-9@][A-Za-z0-9@._/-]{0,199}", re.ASCII)
_VERSION = re.compile(rf"[A-Za-z0-9][A-Za-z0-9.+_-]{{0,{MAX_VERSION_LENGTH - 1}}}", re.ASCII)
_DEPENDENCY_VERSION = re.compile(r"[!-?A-~]{1,100}", re.ASCII)
_R4 = re.compile(r"4\.0(\.\d+)?", re.ASCII)
_DEFINITION = re.compile(r"package/[^/]+\.json")


class PackageError(Exception):
    """An archive that is not taken; the sentence says why and what would be."""


class Definition(NamedTuple):
    """A canonical resource of a package.

    `version` is "" where it has none. `profiled_type` is the resource type that a StructureDefinition constrains, if
    that is what it does. `body` is compact JSON in UTF-8, with every digit.
    """

    resource_type: str
    url: str
    version: str
    id: str
    profiled_type: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Package:
    """What a package brings: `dependencies` are names with versions; both are in the order of their first members."""

    name: str
    version: str
    title: str
    dependencies: tuple[tuple[str, str], ...]
    definitions: tuple[Definition, ...]

    @property
    def digest(self) -> bytes:
        """SHA-256 of all that is kept of it: the same however the archive was packed."""
        digest = hashlib.sha256(json_text.dumps([self.name, self.version, self.title, self.dependencies]))
        for each in self.definitions:
            digest.update(b"\n%d " % len(each.body) + each.body)
        return digest.digest()


def _unheard(_position: int) -> None:
    pass


def read_package(archive: IO[bytes], tell_position: Callable[[int], None] = _unheard) -> Package:
    """The package in a .tgz; `tell_position` hears how many bytes of the archive have been read. Raises PackageError.

    The resources of `package/` itself are its definitions; what is deeper (`package/example/`) or next to it is not.
    """
    manifest: Resource | None = None
    definitions: dict[tuple[str, str, str], Definition] = {}
    for name, body in _files(archive, tell_position):
        if name == "package/package.json":
            manifest = _object(name, body)
        elif _DEFINITION.fullmatch(name) and not name.startswith("package/."):
            _keep(definitions, name, _definition(name, body))
    if manifest is None:
        raise PackageError("it holds no package/package.json, so it is no FHIR package.")
    _require_r4(manifest)
    return Package(
        name=_stated(manifest, "name", _NAME),
        version=_stated(manifest, "version", _VERSION),
        title=_text(manifest.get("title")) or _text(manifest.get("name")),
        dependencies=_dependencies(manifest),
        definitions=tuple(definitions[key] for key in sorted(definitions)),
    )


# The archive


class _Unpacked:
    """The archive without its compression, as far as it stays within bounds."""

    def __init__(self, archive: IO[bytes], tell_position: Callable[[int], None]) -> None:
        self._archive = archive
        self._tell_position = tell_position
        self._stream = gzip.GzipFile(fileobj=archive)
        self._count = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes more."""
        data = self._stream.read(size)
        self._count += len(data)
        # Headers count too: a long one is read into memory before anybody sees it.
        if self._count > MAX_UNPACKED_BYTES:
            raise PackageError(f"it unpacks to more than {MAX_UNPACKED_BYTES // 1_000_000} MB.")
        self._tell_position(self._archive.tell())
        return data


def _files(archive: IO[bytes], tell_position: Callable[[int], None]) -> Iterable[tuple[str, bytes]]:
    """Name and content of each file of the folder `package`; every member is checked, wherever it is."""
    unpacked: Any = _Unpacked(archive, tell_position)
    try:
        with tarfile.open(fileobj=unpacked, mode="r|") as members:
            for number, member in enumerate(members, start=1):
                if number > MAX_FILES:
                    raise PackageError(f"it holds more than {MAX_FILES:,} files.")
                name = _checked_name(member)
                if member.isreg() and _DEFINITION.fullmatch(name):
                    content = members.extractfile(member)
                    assert content is not None, "a regular file has content"
                    yield name, content.read()
        # A header that is damaged looks like the end; only the checksum at the end of everything tells.
        while unpacked.read(_PIECE):
            pass
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, ArithmeticError, LookupError) as error:
        raise PackageError(f"it is no gzipped tar archive, or a damaged one ({_reason(error)}).") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__


def _checked_name(member: tarfile.TarInfo) -> str:
    name = member.name.removeprefix("./")
    shown = repr(name if len(name) <= 80 else name[:77] + "...")
    if name.startswith("/") or "\\" in name or ":" in name or not name.isprintable() or ".." in name.split("/"):
        raise PackageError(f"the name {shown} leads out of the archive; packages hold plain relative names.")
    if not (member.isdir() or member.isreg()) or member.issparse():
        raise PackageError(f"{shown} is a link or a device; packages hold files and folders.")
    if member.size > MAX_FILE_BYTES:
        raise PackageError(f"{shown} is larger than {MAX_FILE_BYTES // 1_000_000} MB.")
    return name


# package.json


def _object(name: str, body: bytes) -> Resource:
    value = _json(name, body)
    if not isinstance(value, dict):
        raise PackageError(f"{name} is not a JSON object.")
    return value


def _json(name: str, body: bytes) -> Any:
    try:
        # Some tools that make packages write a byte order mark; a reader may pass over it (RFC 8259 §8.1).
        return json_text.parse(body.removeprefix(b"\xef\xbb\xbf"))
    except InvalidJsonError as error:
        raise PackageError(f"{name}: {error}") from error


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _stated(manifest: Resource, member: str, form: re.Pattern[str]) -> str:
    value = manifest.get(member)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise PackageError(f"package/package.json: {member} must be there, of the form {form.pattern}.")
    return value


def _require_r4(manifest: Resource) -> None:
    # "fhir-version-list" is what the first tools called it.
    stated = manifest.get("fhirVersions", manifest.get("fhir-version-list"))
    versions = [stated] if isinstance(stated, str) else stated
    if not isinstance(versions, list) or not versions:
        raise PackageError(
            "package/package.json does not say for which FHIR version it is; fhirVersions must hold 4.0.1."
        )
    if not any(isinstance(version, str) and _R4.fullmatch(version) for version in versions):
        raise PackageError(f"it is for FHIR {', '.join(map(str, versions))[:60]}; this server is FHIR 4.0.1 (R4).")


def _dependencies(manifest: Resource) -> tuple[tuple[str, str], ...]:
    stated = manifest.get("dependencies") or {}
    if not isinstance(stated, dict):
        raise PackageError("package/package.json: dependencies must be an object of names and versions.")
    return tuple(sorted({_dependency(name, version) for name, version in stated.items()}))


def _dependency(name: str, version: object) -> tuple[str, str]:
    # npm's alias, by which a guide depends on several versions of another: "us.core.6": "npm:hl7.fhir.us.core@6.1.0".
    if isinstance(version, str) and version.startswith("npm:"):
        name, _, version = version.removeprefix("npm:").rpartition("@")
    if not _NAME.fullmatch(name) or not isinstance(version, str) or not _DEPENDENCY_VERSION.fullmatch(version):
        raise PackageError(f"package/package.json: the dependency {name[:60]!r} must have a name and a version.")
    return name, version


# Definitions


def _definition(name: str, body: bytes) -> Definition | None:
    resource = _json(name, body)
    if not isinstance(resource, dict) or resource.get("resourceType") not in CANONICAL_TYPES or "url" not in resource:
        return None
    url, version, logical_id = resource["url"], resource.get("version", ""), resource.get("id", "")
    if not (
        _is_short(url, MAX_URL_LENGTH) and url and _is_short(version, MAX_VERSION_LENGTH) and _is_short(logical_id, 64)
    ):
        raise PackageError(f"{name}: url, version and id must be strings of at most 1,000, 100 and 64 characters.")
    return Definition(
        resource["resourceType"], url, version, logical_id, _profiled_type(resource), json_text.dumps(resource)
    )


def _is_short(value: object, length: int) -> bool:
    return isinstance(value, str) and len(value) <= length


def _profiled_type(resource: Resource) -> str | None:
    """R4 profiling.html: a constraint on a resource type is a profile; one on Extension or a data type is something else."""
    is_profile = (
        resource["resourceType"] == "StructureDefinition"
        and resource.get("kind") == "resource"
        and resource.get("derivation") == "constraint"
        and resource.get("abstract") is not True
    )
    return _text(resource.get("type")) or None if is_profile else None


def _keep(definitions: dict[tuple[str, str, str], Definition], name: str, found: Definition | None) -> None:
    if found is None:
        return
    known = definitions.setdefault((found.resource_type, found.url, found.version), found)
    if known.body != found.body:
        raise PackageError(f"{name}: the package defines {found.url}|{found.version} a second time and differently.")


# Dependencies


def unmet(dependencies: Iterable[tuple[str, str]], loaded: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Names and versions of those that neither `loaded` nor this program has; `5.5.x` is met by any 5.5."""
    return [
        (wanted, version)
        for wanted, version in dependencies
        if wanted not in BUILT_IN and not any(name == wanted and _meets(there, version) for name, there in loaded)
    ]


def _meets(version: str, wanted: str) -> bool:
    # A dependency's patch level may be left open, and its whole version as well (FHIR packages, "Dependencies").
    if wanted in ("current", "dev", "latest", "*"):
        return True
    head, dot, patch = wanted.rpartition(".")
    return version.startswith(head + dot) if patch in ("x", "X", "*") else version == wanted


# Canonicals and versions


def split_canonical(canonical: str) -> tuple[str, str | None]:
    """Url and business version of `url|version#fragment`; None where it names no version, which means the newest."""
    url, bar, version = canonical.partition("#")[0].partition("|")
    return url, version if bar and version else None


_NUMBERED = re.compile(r"(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d(?:-\d\d)?", re.ASCII)


def version_order(version: str) -> str:
    """Text that sorts by code point as the versions do: 9.0.0 before 10.0.0, 2.0.0-ballot before 2.0.0.

    Semantic Versioning 2.0.0 §11, for any count of numbers, and dates as numbers. A version that is neither comes before all
    that are, none at all before every other.
    """
    match = _NUMBERED.fullmatch(version.replace("-", ".") if _DATE.fullmatch(version) else version)
    if match is None:
        return version and f"0{version}"
    numbers = ".".join(map(_number_order, match[1].split(".")))
    # The blank is before every character of a longer version; the tilde is after every character of a pre-release.
    stage = "~" if match[2] is None else " ".join(map(_identifier_order, match[2].split(".")))
    return f"1{numbers} {stage}"


def _number_order(digits: str) -> str:
    digits = digits.lstrip("0") or "0"
    return f"{len(digits):03d}{digits}"


def _identifier_order(identifier: str) -> str:
    # §11.4.3: numeric identifiers always have lower precedence than others.
    return f"0{_number_order(identifier)}" if identifier.isdecimal() else f"1{identifier}"
