"""Values of operations as values of a search (FHIR R4, search.html#escaping)."""

import re

_SPECIAL = re.compile(r"([,|$\\])")


def escaped(text: str) -> str:
    """`text` so that a search takes it literally."""
    return _SPECIAL.sub(r"\\\1", text)


def token_of(system: str, code: str) -> str:
    """`system|code`; without a system, the code under none."""
    return f"{escaped(system)}|{escaped(code)}"
