"""The text of `_filter` as a tree, read from FHIR R4's grammar alone (search_filter.html)."""

import json
import re
from dataclasses import dataclass
from typing import Union

Term = Union["Joined", "Denied", "Compared"]


@dataclass(frozen=True, slots=True)
class Step:
    """One name of a path, and what stands in brackets after it."""

    name: str
    narrowed: Term | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """`path operator value`."""

    path: tuple[Step, ...]
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Denied:
    """`not` before a comparison or brackets."""

    term: Term


@dataclass(frozen=True, slots=True)
class Joined:
    """Terms joined by `and` and `or`, which are taken from left to right, neither before the other."""

    first: Term
    others: tuple[tuple[str, Term], ...]


_PIECE = re.compile(r"\s*(?:(?P<mark>[()\[\].])|(?P<name>[A-Za-z_][\w-]*))")
_VALUE = re.compile(r"\s*([^\s\])]+)")


def read_filter(text: str) -> Term:
    """The tree of a filter that keeps the grammar; ValueError for what does not."""
    reader = _Reader(text)
    term = reader.terms()
    if text[reader.at :].strip():
        raise ValueError(f"{text[reader.at :]!r} is left over of {text!r}")
    return term


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def terms(self) -> Term:
        first, others = self.term(), []
        while (joint := self.coming()) in ("and", "or"):
            self.take(joint)
            others.append((joint, self.term()))
        return Joined(first, tuple(others)) if others else first

    def term(self) -> Term:
        coming = self.coming()
        if coming == "not":
            self.take("not")
            return Denied(self.term())
        if coming == "(":
            return self.within("(", ")")
        path = [self.step()]
        while self.coming() == ".":
            self.take(".")
            path.append(self.step())
        return Compared(tuple(path), self.take(self.coming()), self.value())

    def within(self, opening: str, closing: str) -> Term:
        self.take(opening)
        term = self.terms()
        self.take(closing)
        return term

    def step(self) -> Step:
        name = self.take(self.coming())
        return Step(name, self.within("[", "]") if self.coming() == "[" else None)

    def value(self) -> str:
        start = re.compile(r"\s*").match(self.text, self.at)
        assert start is not None
        if self.text.startswith('"', start.end()):
            value, self.at = json.JSONDecoder().raw_decode(self.text, start.end())
            return str(value)
        found = _VALUE.match(self.text, self.at)
        if found is None:
            raise ValueError(f"no value at {self.at} of {self.text!r}")
        self.at = found.end()
        return found[1]

    def coming(self) -> str:
        found = _PIECE.match(self.text, self.at)
        return (found["mark"] or found["name"]) if found else ""

    def take(self, wanted: str) -> str:
        found = _PIECE.match(self.text, self.at)
        if not wanted or found is None or wanted not in (found["mark"], found["name"]):
            raise ValueError(f"{wanted or 'a name'!r} is expected at {self.at} of {self.text!r}")
        self.at = found.end()
        return wanted
