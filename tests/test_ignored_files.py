import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
# What its programs write, what its commands are redirected into, and what one is told to save.
MADE = {
    *re.findall(r'Path\("([\w.-]+)"\)\.write_text', README),
    *re.findall(r"> ([\w-]+\.json)$", README, re.MULTILINE),
    *re.findall(r"Save this as `([\w.-]+)`", README),
}


def test_the_readme_has_one_make_files() -> None:
    assert {"private-key.json", "public-keys.json", "client.json", "first.py"} <= MADE


@pytest.mark.parametrize("name", sorted(MADE | {".env", ".data/x"}))
def test_what_the_readme_has_one_make_does_not_get_into_a_commit(name: str) -> None:
    asked = subprocess.run(["git", "check-ignore", "--quiet", "--no-index", name], cwd=ROOT, check=False)
    if asked.returncode > 1:
        pytest.skip("this is no clone: git does not say what it ignores")
    assert asked.returncode == 0
