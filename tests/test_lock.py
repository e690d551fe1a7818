"""The locked packages install on every Python that the project takes."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

LOCK = Path(__file__).parents[1] / "requirements-dev.lock"
# Debian 12 has 3.11.2; a package that needs a later patch of 3.11 cannot be installed there.
OLDEST = "3.11.2"


@pytest.mark.parametrize("name", re.findall(r"^([A-Za-z0-9._-]+)==", LOCK.read_text(), re.MULTILINE))
def test_a_locked_package_takes_the_oldest_python(name: str) -> None:
    assert OLDEST in SpecifierSet(distribution(name).metadata["Requires-Python"] or "")
