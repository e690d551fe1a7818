"""The text of `_filter` as a syntax tree (FHIR R4, search_filter.html).

This is the grammar alone: whether a parameter exists, and what an operator means of its type, is for the reader of the
tree. R4 has no `:` in a path, neither for a type nor for a modifier.
"""

import json
import re
from dataclasses import dataclass
from typing import Literal, NoReturn, get_args

from bhr_api.errors import InvalidParameterError

MAXIMUM_LENGTH = 16_384
"""Of a filter, in characters."""
MAXIMUM_DEPTH = 32
"""Of brackets and `not` in one another; and the names of one path."""
MAXIMUM_COMPARISONS = 100
"""Of a filter, those in the brackets of paths included."""

# fmt: off
Operator = Literal[
    "eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr", "po", "ss", "sb", "in", "ni", "re",
]
# fmt: on
OPERATORS: tuple[Operator, ...] = get_args(Operator)

ValueKind = Literal["string", "number", "date", "token"]


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more `terms`; a run of `and` is one node."""

    terms: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more `terms`; a run of `or` is one node."""

    terms: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """What `term` does not hold of."""

    term: "Expression"


@dataclass(frozen=True, slots=True)
class Step:
    """One name of a path; `filter` narrows what the next name is asked of, so the last step has none."""

    name: str
    filter: "Expression | None" = None


Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`path operator value`: the value without quotes and escapes, else as written.

    `kind` is "string" for what was quoted, else what the value looks like: `2014` is a "number", also where a date
    is meant, since a year and a number look alike. "Values are never case sensitive."
    """

    path: Path
    operator: Operator
    value: str
    kind: ValueKind


Expression = And | Or | Not | Comparison

_JOINTS: dict[str, type[And] | type[Or]] = {"and": And, "or": Or}

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORD = re.compile(r"[A-Za-z]+")
_TOKEN = re.compile(r"[^\s\])]+")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2}"
    r"(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?"
)
# JSON can write both; a FHIR string holds neither, and the database takes neither.
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def parse_filter(text: str) -> Expression:
    """The tree of a filter. Raises InvalidParameterError with the position and what was expected there.

    "Logical expressions are evaluated left to right, with no precedence between "and" and "or"": `a or b and c` is
    `(a or b) and c`. `not` takes the one comparison or bracket after it. Brackets keep their own node, so a tree is at
    most MAXIMUM_DEPTH + MAXIMUM_COMPARISONS nodes high.
    """
    if len(text) > MAXIMUM_LENGTH:
        raise InvalidParameterError("_filter", text, f"a filter has at most {MAXIMUM_LENGTH} characters")
    return _Parser(text).whole()


class _Parser:
    """Recursive descent; each method reads from `position` and leaves it after what it read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.comparisons = 0

    def whole(self) -> Expression:
        expression = self.expression(depth=0)
        if self.position < len(self.text):
            self.refuse('"and", "or" or the end')
        return expression

    def expression(self, depth: int) -> Expression:
        """One or more terms, and the white space after them."""
        terms = [self.term(depth)]
        joint = None
        while (word := self.joint()) is not None:
            if joint is not None and word != joint:
                terms = [_JOINTS[joint](tuple(terms))]
            joint = word
            terms.append(self.term(depth))
        return terms[0] if joint is None else _JOINTS[joint](tuple(terms))

    def joint(self) -> str | None:
        self.skip(_SPACE)
        name = _NAME.match(self.text, self.position)
        if name is None or name[0] not in _JOINTS:
            return None
        self.position = name.end()
        return name[0]

    def term(self, depth: int) -> Expression:
        self.skip(_SPACE)
        if depth > MAXIMUM_DEPTH:
            self.refuse_as(f"brackets and not go at most {MAXIMUM_DEPTH} deep")
        if self.at("("):
            return self.bracketed(depth, ")")
        name = _NAME.match(self.text, self.position)
        if name is None or name[0] in _JOINTS:
            self.refuse('a parameter\'s name, "not" or "("')
        if name[0] != "not":
            return self.comparison(depth)
        self.position = name.end()
        return Not(self.term(depth + 1))

    def bracketed(self, depth: int, end: str) -> Expression:
        self.position += 1
        expression = self.expression(depth + 1)
        if not self.at(end):
            self.refuse(f'"and", "or" or "{end}"')
        self.position += 1
        return expression

    def comparison(self, depth: int) -> Comparison:
        self.comparisons += 1
        if self.comparisons > MAXIMUM_COMPARISONS:
            self.refuse_as(f"a filter has at most {MAXIMUM_COMPARISONS} comparisons")
        path = self.path(depth)
        operator = self.operator()
        value, kind = self.value(operator)
        return Comparison(path, operator, value, kind)

    def path(self, depth: int) -> Path:
        steps = [self.step(depth)]
        while steps[-1].filter is not None or self.at("."):
            if not self.at("."):
                self.refuse('"." and a name, as after every "[...]",')
            if len(steps) == MAXIMUM_DEPTH:
                self.refuse_as(f"a path has at most {MAXIMUM_DEPTH} names")
            self.position += 1
            steps.append(self.step(depth))
        return tuple(steps)

    def step(self, depth: int) -> Step:
        name = self.read(_NAME, "a parameter's name")
        return Step(name, self.bracketed(depth, "]") if self.at("[") else None)

    def operator(self) -> Operator:
        if self.at(":"):
            self.refuse_as("a path of R4's _filter is names joined by dots, without types or modifiers")
        self.read_space()
        start = self.position
        word = self.skip(_WORD)
        if word not in OPERATORS:
            self.position = start
            self.refuse(f"an operator ({', '.join(OPERATORS)})")
        self.read_space()
        return word

    def value(self, operator: Operator) -> tuple[str, ValueKind]:
        start = self.position
        value, kind = self.string() if self.at('"') else self.unquoted()
        if _UNWRITABLE.search(value):
            self.position = start
            self.refuse_as("a value holds no NUL and no half of a surrogate pair")
        if operator == "pr" and value.lower() not in ("true", "false"):
            self.position = start
            self.refuse("true or false")
        return value, kind

    def string(self) -> tuple[str, ValueKind]:
        try:
            value, self.position = json.JSONDecoder().raw_decode(self.text, self.position)
        except json.JSONDecodeError as error:
            # An unclosed string is said to be wrong where it begins.
            self.position = error.pos
            self.refuse("the rest of a JSON string")
        assert isinstance(value, str)
        return value, "string"

    def unquoted(self) -> tuple[str, ValueKind]:
        value = self.read(_TOKEN, "a value")
        if _NUMBER.fullmatch(value):
            return value, "number"
        return value, "date" if _DATE.fullmatch(value) else "token"

    def at(self, character: str) -> bool:
        return self.text.startswith(character, self.position)

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            return ""
        self.position = match.end()
        return match[0]

    def read(self, pattern: re.Pattern[str], expected: str) -> str:
        found = self.skip(pattern)
        if not found:
            self.refuse(expected)
        return found

    def read_space(self) -> None:
        self.read(_SPACE, "a space")

    def refuse(self, expected: str) -> NoReturn:
        rest = self.text[self.position :].split(maxsplit=1)
        found = repr(rest[0][:20]) if rest else "the end"
        self.refuse_as(f"{expected} is expected, not {found}")

    def refuse_as(self, reason: str) -> NoReturn:
        raise InvalidParameterError("_filter", self.text, f"at character {self.position + 1}, {reason}")
