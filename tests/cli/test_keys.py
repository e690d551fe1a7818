"""keys list and rotate."""

from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of keys that the commands use."""
    path = tmp_path / "signing-keys.json"
    monkeypatch.setenv("BHR_SIGNING_KEYS", str(path))
    return path


@pytest.fixture
def bhr_api() -> CommandLine:
    """The command line; these commands have no database."""
    return CommandLine(())


def test_a_rotated_key_stands_before_the_old_one(bhr_api: CommandLine) -> None:
    (first,) = bhr_api.lines("keys", "list")

    (second,) = bhr_api.lines("keys", "rotate")

    listed = bhr_api.lines("keys", "list")
    assert [key["kid"] for key in listed] == [second["kid"], first["kid"]]
    assert ["replaced_at" in key for key in listed] == [False, True]


def test_after_a_leak_one_key_is_left(bhr_api: CommandLine) -> None:
    bhr_api.lines("keys", "list")

    (key,) = bhr_api.lines("keys", "rotate", "--forget")

    assert bhr_api.lines("keys", "list") == [key]


def test_the_private_parts_are_not_shown(bhr_api: CommandLine, file: Path) -> None:
    output = bhr_api.output("keys", "list")

    assert file.stat().st_mode & 0o777 == 0o600
    assert '"d"' in file.read_text()
    assert '"d"' not in output
