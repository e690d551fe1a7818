import os
import tempfile
import time
from pathlib import Path

import pytest

from bhr_api.shared_directory import shared_directory

HOUR = 3_600


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def make_older(path: Path) -> None:
    os.utime(path, (time.time() - HOUR, time.time() - HOUR))


def leftover(temporary: Path, name: str = "bhr-workers-dead") -> Path:
    """What a killed server left: a directory that nobody has locked."""
    path = temporary / name
    path.mkdir()
    (path / "connections").write_bytes(b"")
    make_older(path)
    return path


def test_the_directory_goes_with_the_server() -> None:
    with shared_directory() as directory:
        assert directory.is_dir()
    assert not directory.exists()


def test_a_start_removes_what_a_killed_server_left(temporary: Path) -> None:
    left = leftover(temporary)
    with shared_directory():
        assert not left.exists()


def test_the_directory_of_a_running_server_stays_however_old() -> None:
    with shared_directory() as running:
        make_older(running)
        with shared_directory() as other:
            assert running.is_dir()
            assert other != running


def test_what_another_server_is_just_making_stays(temporary: Path) -> None:
    young = leftover(temporary)
    os.utime(young)
    with shared_directory():
        assert young.is_dir()


def test_directories_of_other_names_stay(temporary: Path) -> None:
    others = leftover(temporary, "somebody-elses")
    with shared_directory():
        assert others.is_dir()


def test_a_link_is_not_followed(temporary: Path) -> None:
    target = leftover(temporary, "somebody-elses")
    (temporary / "bhr-workers-link").symlink_to(target)
    with shared_directory():
        assert (target / "connections").is_file()
