"""Packages as archives: what is read of them, what is refused, and which version is newer."""

import gzip
import io
import json
import random
import tarfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.fhir.packages import (
    CANONICAL_TYPES,
    MAX_FILES,
    MAX_UNPACKED_BYTES,
    Package,
    PackageError,
    read_package,
    split_canonical,
    unmet,
    version_order,
)
from tests.fhir.package_archives import CORE, URL, archive, archive_of, definition, manifest, profile

US_CORE = Path(__file__).parents[2] / "../shared/fhir/us-core"


def read(content: bytes) -> Package:
    return read_package(io.BytesIO(content))


def refusal(content: bytes) -> str:
    with pytest.raises(PackageError) as refused:
        read(content)
    return str(refused.value)


# What is read


def test_a_package_has_its_name_version_title_and_dependencies() -> None:
    package = read(archive(manifest(dependencies=CORE | {"a.b": "1.x"})))
    assert (package.name, package.version, package.title) == ("example.guide", "1.0.0", "Guide example.guide")
    assert package.dependencies == (("a.b", "1.x"), ("hl7.fhir.r4.core", "4.0.1"))


def test_canonical_resources_are_kept_with_every_digit() -> None:
    body = b'{ "resourceType": "ValueSet", "id": "v", "url": "http://e.org/v", "x": 1.50, "y": "\xc3\xa9" }'
    (found,) = read(
        archive_of({"package/package.json": json.dumps(manifest()).encode(), "package/v.json": body})
    ).definitions
    assert found.body == b'{"resourceType":"ValueSet","id":"v","url":"http://e.org/v","x":1.50,"y":"\xc3\xa9"}'
    assert (found.resource_type, found.url, found.version, found.id) == ("ValueSet", "http://e.org/v", "", "v")


@pytest.mark.parametrize(
    "name",
    [
        "package/example/v.json",
        "package/other/v.json",
        "package/.index.json",
        "package/v.jsonX",
        "v.json",
        "other/v.json",
    ],
)
def test_what_is_not_in_the_folder_package_itself_is_no_definition(name: str) -> None:
    files = {"package/package.json": manifest(), name: definition("ValueSet", "v")}
    assert read(archive_of({name: json.dumps(body).encode() for name, body in files.items()})).definitions == ()


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param({"resourceType": "Patient", "id": "p", "url": f"{URL}/p"}, id="no-canonical-type"),
        pytest.param({"resourceType": "NamingSystem", "id": "n", "url": f"{URL}/n"}, id="R4-gives-NamingSystem-no-url"),
        pytest.param({"resourceType": "ValueSet", "id": "v"}, id="no-url"),
        pytest.param({"resourceType": "Fancy", "id": "v", "url": f"{URL}/v"}, id="no-R4-type"),
    ],
)
def test_only_canonical_resources_are_kept(resource: dict[str, Any]) -> None:
    assert read(archive(manifest(), resource)).definitions == ()


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read(archive_of({"package/package.json": b"\xef\xbb\xbf" + json.dumps(manifest()).encode()})).name


@pytest.mark.parametrize(
    ("changes", "profiled_type"),
    [
        pytest.param({}, "Patient", id="a-profile"),
        pytest.param({"kind": "complex-type", "type": "Extension"}, None, id="an-extension"),
        pytest.param({"derivation": "specialization"}, None, id="a-new-type"),
        pytest.param({"abstract": True}, None, id="abstract"),
    ],
)
def test_a_profile_is_a_constraint_on_a_resource_type(changes: dict[str, Any], profiled_type: str | None) -> None:
    (found,) = read(archive(manifest(), profile("p", **changes))).definitions
    assert found.profiled_type == profiled_type


def test_the_canonical_types_are_those_of_the_conformance_and_definition_modules() -> None:
    some = "StructureDefinition ValueSet CodeSystem SearchParameter ConceptMap OperationDefinition CapabilityStatement"
    assert set(some.split()) | {"ImplementationGuide", "Questionnaire", "Library", "Measure"} <= CANONICAL_TYPES
    assert not {"NamingSystem", "Contract", "Device", "Patient"} & CANONICAL_TYPES


def test_the_digest_does_not_depend_on_how_the_archive_was_packed() -> None:
    definitions = [profile("a"), profile("b"), definition("ValueSet", "a")]
    digests = {read(archive(manifest(), *random.sample(definitions, 3))).digest for _ in range(5)}
    assert len(digests) == 1
    assert read(archive(manifest(), profile("a"))).digest not in digests


def test_progress_is_told_up_to_the_end_of_the_archive() -> None:
    content = archive(manifest(), *[profile(str(n)) for n in range(200)])
    told: list[int] = []
    read_package(io.BytesIO(content), told.append)
    assert told == sorted(told)
    assert told[-1] == len(content)


@pytest.mark.parametrize(("version", "count"), [("6.1.0", 210), ("7.0.0", 211), ("8.0.0", 205)])
def test_us_core_is_read(version: str, count: int) -> None:
    file = US_CORE / f"hl7.fhir.us.core-{version}.tgz"
    if not file.exists():
        pytest.skip("the US Core packages are not at hand")
    with file.open("rb") as stream:
        package = read_package(stream)
    assert (package.name, package.version, len(package.definitions)) == ("hl7.fhir.us.core", version, count)
    assert {each.version for each in package.definitions} == {version}


# What is refused


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"PK\x03\x04 a zip", id="a-zip"),
        pytest.param(gzip.compress(b"hello"), id="gzip-of-no-tar"),
        pytest.param(archive(manifest(), profile("p"))[:-200], id="cut-off"),
        pytest.param(archive(manifest(), profile("p"))[:-8] + bytes(8), id="another-checksum"),
    ],
)
def test_what_is_no_gzipped_tar_is_refused(content: bytes) -> None:
    assert refusal(content).startswith(("it is no gzipped tar archive", "it holds no package/package.json"))


def test_an_archive_without_a_manifest_is_refused() -> None:
    assert (
        refusal(archive_of({"readme.txt": b"hello"})) == "it holds no package/package.json, so it is no FHIR package."
    )


@pytest.mark.parametrize(
    "name",
    ["../evil.json", "package/../../evil.json", "/etc/evil.json", "package\\..\\evil", "C:/evil", "package/a\nb.json"],
)
def test_a_name_that_leads_out_of_the_archive_is_refused(name: str) -> None:
    assert "leads out of the archive" in refusal(archive_of({name: b"{}"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind: bytes) -> None:
    member = tarfile.TarInfo("package/link.json")
    member.type, member.linkname = kind, "package/package.json"
    assert "is a link or a device" in refusal(archive_of({}, [member]))


def test_an_archive_that_unpacks_to_too_much_is_refused() -> None:
    piece = bytes(MAX_UNPACKED_BYTES // 10)
    bomb = archive_of({f"package/other/{n}": piece for n in range(10)})
    assert len(bomb) < MAX_UNPACKED_BYTES / 100
    assert refusal(bomb) == "it unpacks to more than 200 MB."


def test_a_single_file_that_is_too_large_is_refused() -> None:
    assert "is larger than 50 MB" in refusal(archive_of({"package/a.json": bytes(50_000_001)}))


def test_too_many_files_are_refused() -> None:
    members = (tarfile.TarInfo(f"a/{n}") for n in range(MAX_FILES + 1))
    assert refusal(archive_of({}, members)) == "it holds more than 50,000 files."


def test_a_long_header_is_not_read_beyond_the_bound() -> None:
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 8 << 30
    bomb = gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(MAX_UNPACKED_BYTES), compresslevel=1)
    assert refusal(bomb) == "it unpacks to more than 200 MB."


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({"fhirVersions": ["5.0.0"]}, "it is for FHIR 5.0.0; this server is FHIR 4.0.1 (R4).", id="R5"),
        pytest.param({"fhirVersions": ["4.3.0"]}, "it is for FHIR 4.3.0; this server is FHIR 4.0.1 (R4).", id="R4B"),
        pytest.param({"fhirVersions": []}, "package/package.json does not say for which FHIR version it is", id="none"),
        pytest.param({"name": "../x"}, "package/package.json: name must be there", id="name"),
        pytest.param({"version": None}, "package/package.json: version must be there", id="version"),
        pytest.param(
            {"dependencies": ["a"]}, "package/package.json: dependencies must be an object", id="dependencies"
        ),
        pytest.param({"dependencies": {"a": 1}}, "package/package.json: the dependency 'a' must have", id="dependency"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(changes: dict[str, Any], sentence: str) -> None:
    assert refusal(archive(manifest(**changes))).startswith(sentence)


@pytest.mark.parametrize("stated", [["4.0.0"], ["4.0"], ["4.0.1", "4.3.0"], "4.0.1"])
def test_every_4_0_is_r4(stated: object) -> None:
    assert read(archive(manifest(fhirVersions=stated))).version == "1.0.0"


def test_the_older_name_of_fhir_versions_is_understood() -> None:
    older = {key: value for key, value in manifest().items() if key != "fhirVersions"} | {
        "fhir-version-list": ["4.0.1"]
    }
    assert read(archive(older)).version == "1.0.0"


def test_a_definition_that_is_not_json_is_refused_by_its_name() -> None:
    files = {"package/package.json": json.dumps(manifest()).encode(), "package/v.json": b'{"a":1,"a":2}'}
    assert refusal(archive_of(files)).startswith("package/v.json: The name 'a' stands twice")


@pytest.mark.parametrize("changes", [{"url": ""}, {"url": 7}, {"url": "u" * 1001}, {"version": None}, {"id": "i" * 65}])
def test_a_definition_with_an_impossible_key_is_refused(changes: dict[str, Any]) -> None:
    files = {"package/package.json": manifest(), "package/v.json": definition("ValueSet", "v") | changes}
    content = archive_of({name: json.dumps(body).encode() for name, body in files.items()})
    assert refusal(content).startswith("package/v.json: url, version and id must be strings")


def test_a_package_defines_a_thing_once() -> None:
    assert len(read(archive(manifest(), profile("p"), profile("p"))).definitions) == 1
    sentence = refusal(archive(manifest(), profile("p"), profile("p", title="other")))
    assert f"the package defines {URL}/StructureDefinition/p|1.0.0 a second time and differently" in sentence


@given(st.data())
def test_a_damaged_archive_is_refused_and_nothing_else(data: st.DataObject) -> None:
    content = bytearray(gzip.decompress(archive(manifest(), profile("p"))))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    # Whatever else it raised would come out of here.
    with suppress(PackageError):
        read(gzip.compress(bytes(content), compresslevel=1))


# Dependencies


@pytest.mark.parametrize(
    ("wanted", "loaded", "is_met"),
    [
        pytest.param(("hl7.fhir.r4.core", "4.0.1"), [], True, id="built-in"),
        pytest.param(("a", "5.5.0"), [("a", "5.5.0")], True, id="exact"),
        pytest.param(("a", "5.5.0"), [("a", "5.5.1"), ("b", "5.5.0")], False, id="another-version"),
        pytest.param(("a", "5.5.x"), [("a", "5.5.1")], True, id="open-patch"),
        pytest.param(("a", "5.5.x"), [("a", "5.50.1")], False, id="open-patch-of-another-minor"),
        pytest.param(("a", "current"), [("a", "1.0.0")], True, id="any"),
    ],
)
def test_a_dependency_is_met(wanted: tuple[str, str], loaded: list[tuple[str, str]], is_met: bool) -> None:
    assert unmet([wanted], loaded) == ([] if is_met else [wanted])


def test_an_alias_stands_for_the_package_that_it_names() -> None:
    aliased = manifest(dependencies={"core.v6": "npm:hl7.fhir.us.core@6.1.0", "hl7.fhir.us.core": "8.0.0"})
    assert read(archive(aliased)).dependencies == (("hl7.fhir.us.core", "6.1.0"), ("hl7.fhir.us.core", "8.0.0"))


# Canonicals and versions

IN_ORDER = [
    *["", "draft", "latest"],
    *["0.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"],
    *["1.0.0-rc.1", "1.0.0", "1.0.1", "1.2", "1.10.0", "9.0.0", "10.0.0-ballot", "10.0.0", "10.0.0.1"],
    *["2019-05", "2019-05-01", "2019-11-01", "2020", "20190901", "2" * 40, "10" * 25],
]


@pytest.mark.parametrize(("older", "newer"), list(pairwise(IN_ORDER)))
def test_versions_are_in_the_order_of_semantic_versioning(older: str, newer: str) -> None:
    assert version_order(older) < version_order(newer)


def test_build_metadata_does_not_count() -> None:
    assert version_order("1.0.0+5") == version_order("1.0.0")


@st.composite
def semantic_versions(draw: st.DrawFn) -> str:
    numbers = ".".join(str(draw(st.integers(0, 300))) for _ in range(3))
    identifier = st.one_of(st.integers(0, 300).map(str), st.from_regex(r"[A-Za-z-][0-9A-Za-z-]{0,3}", fullmatch=True))
    return numbers + draw(
        st.one_of(st.just(""), st.lists(identifier, min_size=1, max_size=3).map(".".join).map("-{}".format))
    )


def precedence(version: str) -> tuple[Any, ...]:
    """Semantic Versioning 2.0.0 §11, written down as it stands."""
    core, dash, stage = version.partition("-")
    identifiers = (
        [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in stage.split(".")] if dash else []
    )
    return ([int(part) for part in core.split(".")], not dash, identifiers)


@given(semantic_versions(), semantic_versions())
def test_the_order_is_that_of_semantic_versioning(one: str, other: str) -> None:
    assert (version_order(one) < version_order(other)) == (precedence(one) < precedence(other))


@pytest.mark.parametrize(
    ("canonical", "parts"),
    [
        ("http://e.org/v", ("http://e.org/v", None)),
        ("http://e.org/v|1.0", ("http://e.org/v", "1.0")),
        ("http://e.org/v|1.0#part", ("http://e.org/v", "1.0")),
        ("http://e.org/v|", ("http://e.org/v", None)),
        ("#contained", ("", None)),
    ],
)
def test_a_canonical_is_a_url_with_or_without_a_version(canonical: str, parts: tuple[str, str | None]) -> None:
    assert split_canonical(canonical) == parts
