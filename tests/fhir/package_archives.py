"""FHIR packages made for a test."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any

URL = "http://example.org/fhir"
CORE = {"hl7.fhir.r4.core": "4.0.1"}


def manifest(name: str = "example.guide", version: str = "1.0.0", **changes: Any) -> dict[str, Any]:
    """A package.json."""
    return {
        "name": name,
        "version": version,
        "title": f"Guide {name}",
        "fhirVersions": ["4.0.1"],
        "dependencies": CORE,
    } | changes


def definition(resource_type: str, name: str, version: str | None = "1.0.0", **changes: Any) -> dict[str, Any]:
    """A canonical resource, as far as packages look at it."""
    found = {"resourceType": resource_type, "id": name, "url": f"{URL}/{resource_type}/{name}", "status": "active"}
    return found | ({} if version is None else {"version": version}) | changes


def profile(name: str, version: str | None = "1.0.0", *, of: str = "Patient", **changes: Any) -> dict[str, Any]:
    """A profile on a resource type."""
    return definition(
        "StructureDefinition",
        name,
        version,
        **({"kind": "resource", "abstract": False, "type": of, "derivation": "constraint"} | changes),
    )


def archive(package: Mapping[str, Any], *definitions: Mapping[str, Any]) -> bytes:
    """The package as a .tgz, its package.json last, where a reader has to wait for it."""
    files = {f"package/{each['resourceType']}-{each['id']}-{n}.json": each for n, each in enumerate(definitions)}
    return archive_of(
        {name: json.dumps(body).encode() for name, body in (files | {"package/package.json": package}).items()}
    )


def archive_of(files: Mapping[str, bytes], others: Iterable[tarfile.TarInfo] = ()) -> bytes:
    """A .tgz of these files, with members that have no content first."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for member in others:
            tar.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), compresslevel=1)
