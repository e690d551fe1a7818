"""The file of plans: for each kind its request and, for each statement, the shape of its plan."""

import os
from collections.abc import Sequence
from pathlib import Path

from tests.search_plans.kinds import KINDS, Kind
from tests.search_plans.plan import Plan

FILE = Path(__file__).with_name("plans.txt")
REWRITES = "REWRITE_PLANS" in os.environ


def told(kind: Kind, plans: Sequence[Plan]) -> str:
    """The paragraph of a kind."""
    request = f"GET {kind.path}?{kind.parameters}" + (" (as the patient)" if kind.caller == "patient" else "")
    statements = ["\n".join(f"  {line}" for line in plan.shape()) for plan in plans]
    return "\n".join([kind.name, request, "\n  --\n".join(statements)])


class KeptPlans:
    """The paragraphs as they were kept; with REWRITE_PLANS, as they are now."""

    def __init__(self) -> None:
        text = FILE.read_text() if FILE.exists() else ""
        self._kept = {paragraph.partition("\n")[0]: paragraph for paragraph in text.strip().split("\n\n") if text}

    def of(self, kind: Kind, now: str) -> str:
        """The paragraph of a kind that `now` has to equal."""
        if REWRITES:
            self._kept[kind.name] = now
        return self._kept.get(kind.name, "")

    def names(self) -> set[str]:
        """The kinds that have a paragraph."""
        return set(self._kept)

    def write(self) -> None:
        """Keep what is now, in the order of the kinds, where that is asked for."""
        if REWRITES:
            found = [self._kept[kind.name] for kind in KINDS if kind.name in self._kept]
            FILE.write_text("\n\n".join(found) + "\n")
