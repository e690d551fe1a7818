"""The newest observations of each code, by the rules of $lastn (FHIR R4, observation-operation-lastn.html)."""

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from bhr_api.fhir.definitions import Resource

Code = tuple[str, str]
T = TypeVar("T")


class Kept(NamedTuple, Generic[T]):
    """An observation at its `place` in the stream; `taken` is its effective time, None where it has none."""

    place: int
    taken: str | None
    observation: T


class NewestByCode(Generic[T]):
    """Gathers the newest `maximum` observations of each code from a stream of them that begins with the newest.

    Codes are the same that share a coding, and "the grouping by code SHALL follow the transitive property of equality". Of
    those that tie with the last one of a group, all are kept; no effective time is not an equal one.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._above: dict[Code, Code] = {}
        self._kept: dict[Code, list[Kept[T]]] = {}
        self._places = 0

    def add(self, codes: Sequence[Code], taken: str | None, observation: T) -> None:
        """The next observation, which has `codes`."""
        root = self._united(codes)
        one = Kept(self._places, taken, observation)
        self._places += 1
        kept = self._kept.setdefault(root, [])
        if len(kept) < self._maximum or _is_tie(kept[-1], one):
            kept.append(one)

    def newest(self) -> list[T]:
        """All that was kept, from the newest on."""
        everything = sorted(one for kept in self._kept.values() for one in kept)
        return [one.observation for one in everything]

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def _united(self, codes: Sequence[Code]) -> Code:
        root = self._root(codes[0])
        for code in codes[1:]:
            other = self._root(code)
            if other != root:
                self._above[other] = root
                # What was kept of either is all that can be among the newest of both together.
                both = sorted([*self._kept.pop(root, ()), *self._kept.pop(other, ())])
                self._kept[root] = self._cut(both)
        return root

    def _cut(self, kept: list[Kept[T]]) -> list[Kept[T]]:
        end = self._maximum
        while end < len(kept) and _is_tie(kept[end - 1], kept[end]):
            end += 1
        return kept[:end]

    def _root(self, code: Code) -> Code:
        above = self._above.setdefault(code, code)
        while above != code:
            code, above = above, self._above[above]
        return code


def _is_tie(last: Kept[T], following: Kept[T]) -> bool:
    return last.taken is not None and last.taken == following.taken


def codes_of(observation: Resource) -> list[Code]:
    """(system, code) of each coding; "text only codes SHALL be treated and grouped based on the text"."""
    code: dict[str, Any] = observation.get("code", {})
    found = [(one.get("system", ""), one["code"]) for one in code.get("coding", ()) if one and "code" in one]
    # No FHIR string has a NUL, so a text is never taken for a code without system.
    return found or [("\0text", code.get("text", ""))]
