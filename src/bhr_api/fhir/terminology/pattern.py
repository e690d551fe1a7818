"""Regular expressions of value set filters, matched in bounded time (valueset.html, filter `regex`).

Whoever may store a ValueSet chooses its patterns, and Python's `re` can be made to backtrack for years. Here a pattern
becomes a set of states that walk the text once. It knows literals, classes, `.`, groups, `|`, `* + ? {m,n}` and the
anchors at both ends; all else is refused. A pattern must match the whole value.
"""

import re
from collections.abc import Callable
from functools import lru_cache

MAX_STATES = 500
MAX_LENGTH = 1_000
MAX_DEPTH = 50
# A plain pattern over 100,000 codes makes some hundred tests, since each step is remembered; about 0.2 s in all.
MAX_TESTS = 500_000
_MAX_STEPS_KEPT = 5_000

_ATOM = re.compile(
    r"""\\[dDwWsStnr]                    # a kind of character
      | \\[^A-Za-z0-9]                   # an escaped sign
      | \[\^?\]?(?:\\.|[^\]\\\[])*\]     # a class, without classes in it
      | [^\\\[\](){}|*+?^$]              # a character itself, or any by the full stop
    """,
    re.VERBOSE | re.DOTALL,
)
_COUNT = re.compile(r"\{(\d{1,4})(?:(,)(\d{1,4})?)?\}", re.ASCII)
_END = 0


class PatternError(ValueError):
    """The pattern is not of the form taken here, or takes too much work; the text says why."""


class _States:
    """A state either takes a character, then goes on, or goes on at once; state 0 is the end."""

    def __init__(self) -> None:
        self.atoms: list[re.Pattern[str] | None] = [None]
        self.following: list[tuple[int, ...]] = [()]

    def add(self, atom: re.Pattern[str] | None, *following: int) -> int:
        if len(self.atoms) >= MAX_STATES:
            raise PatternError(f"it needs more than {MAX_STATES} states")
        self.atoms.append(atom)
        self.following.append(following)
        return len(self.atoms) - 1

    def closed(self, states: set[int]) -> frozenset[int]:
        """The states that take a character, and the end, that are reached from these without taking one."""
        found: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state not in found:
                found.add(state)
                if self.atoms[state] is None:
                    waiting += self.following[state]
        return frozenset(state for state in found if state == _END or self.atoms[state] is not None)


class Pattern:
    """A compiled pattern for one run over many texts."""

    def __init__(self, text: str) -> None:
        """Raise `PatternError` unless the pattern is of the form taken here."""
        if len(text) > MAX_LENGTH:
            raise PatternError(f"it is longer than {MAX_LENGTH} characters")
        self._states = _States()
        self._start = self._states.closed({_Parser(text, self._states).whole()(_END)})
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._tests = 0

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole text. Raise `PatternError` when the run takes too much work."""
        states = self._start
        for character in text:
            known = self._steps.get((states, character))
            states = self._step(states, character) if known is None else known
            if not states:
                return False
        return _END in states

    def _step(self, states: frozenset[int], character: str) -> frozenset[int]:
        self._tests += len(states)
        if self._tests > MAX_TESTS:
            raise PatternError("it takes too much work")
        reached: set[int] = set()
        for state in states:
            atom = self._states.atoms[state]
            if atom is not None and atom.fullmatch(character):
                reached.update(self._states.following[state])
        if len(self._steps) >= _MAX_STEPS_KEPT:
            self._steps.clear()
        closed = self._steps[states, character] = self._states.closed(reached)
        return closed


Fragment = Callable[[int], int]
"""Adds the states of a part that go on to the state given; answers with the first of them."""


class _Parser:
    """Recursive descent over the pattern's text."""

    def __init__(self, text: str, states: _States) -> None:
        self._text = text
        self._states = states
        self._at = 0
        self._depth = 0

    def whole(self) -> Fragment:
        fragment = self._alternatives()
        if self._at < len(self._text):
            raise self._unexpected()
        return fragment

    def _unexpected(self) -> PatternError:
        return PatternError(f"{self._text[self._at]!r} at character {self._at + 1} is not taken here")

    def _take(self, sign: str) -> bool:
        found = self._text.startswith(sign, self._at)
        self._at += len(sign) if found else 0
        return found

    def _alternatives(self) -> Fragment:
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        return options[0] if len(options) == 1 else lambda end: self._states.add(None, *(one(end) for one in options))

    def _sequence(self) -> Fragment:
        is_outermost = self._depth == 0
        parts: list[Fragment] = []
        # A match is of the whole value, so that anchors at the ends of it say nothing more.
        if is_outermost:
            self._take("^")
        while self._at < len(self._text) and self._text[self._at] not in ("|)$" if is_outermost else "|)"):
            parts.append(self._repeated(self._single()))
        if is_outermost:
            self._take("$")

        def build(end: int) -> int:
            for part in reversed(parts):
                end = part(end)
            return end

        return build

    def _single(self) -> Fragment:
        if self._take("("):
            return self._group()
        found = _ATOM.match(self._text, self._at)
        if found is None:
            raise self._unexpected()
        self._at = found.end()
        atom = _character_test(found.group())
        return lambda end: self._states.add(atom, end)

    def _group(self) -> Fragment:
        self._take("?:")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise PatternError(f"its groups are more than {MAX_DEPTH} deep")
        fragment = self._alternatives()
        if not self._take(")"):
            raise PatternError("a group is not closed")
        self._depth -= 1
        return fragment

    def _repeated(self, one: Fragment) -> Fragment:
        for sign, least, most in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self._take(sign):
                return self._times(one, least, most)
        count = _COUNT.match(self._text, self._at)
        if count is None:
            return one
        self._at = count.end()
        least = int(count[1])
        if count[2] is None:
            return self._times(one, least, least)
        return self._times(one, least, int(count[3]) if count[3] else None)

    def _times(self, one: Fragment, least: int, most: int | None) -> Fragment:
        if most is not None and most < least:
            raise PatternError(f"{{{least},{most}}} asks for more than it allows")

        def build(end: int) -> int:
            if most is None:
                end = self._any_number(one, end)
            # Every repetition adds a state, so that repetitions of nothing come to the limit too.
            for _ in range(0 if most is None else most - least):
                end = self._states.add(None, one(end), end)
            for _ in range(least):
                end = self._states.add(None, one(end))
            return end

        return build

    def _any_number(self, one: Fragment, end: int) -> int:
        loop = self._states.add(None)
        self._states.following[loop] = (one(loop), end)
        return loop


@lru_cache(maxsize=256)
def _character_test(atom: str) -> re.Pattern[str]:
    try:
        return re.compile(atom, re.DOTALL | re.ASCII)
    except re.error as error:
        raise PatternError(f"{atom}: {error}") from error
