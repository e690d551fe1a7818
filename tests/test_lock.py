"""The locked packages install on every Python that the project takes, from wherever their hashes are found."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements-dev.lock"
LOCKS = ("requirements.lock", "requirements-dev.lock", "tests/clients/package-lock.json")
# Debian 12 has 3.11.2; a package that needs a later patch of 3.11 cannot be installed there.
OLDEST = "3.11.2"


@pytest.mark.parametrize("name", re.findall(r"^([A-Za-z0-9._-]+)==", LOCK.read_text(), re.MULTILINE))
def test_a_locked_package_takes_the_oldest_python(name: str) -> None:
    assert OLDEST in SpecifierSet(distribution(name).metadata["Requires-Python"] or "")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_no_address(lock: str) -> None:
    """npm writes whom to fund, and where from, beside the hashes."""
    assert re.findall(r"\S+://\S+", (ROOT / lock).read_text()) == []
