"""FHIRPath text to syntax, by the precedences of N1 (http://hl7.org/fhirpath/N1/#operator-precedence)."""

from decimal import Decimal
from functools import lru_cache

from bhr_api.fhirpath.errors import FHIRPathSyntaxError
from bhr_api.fhirpath.lexer import Token, tokens_of
from bhr_api.fhirpath.syntax import (
    Call,
    ExternalConstant,
    Indexer,
    Invocation,
    Literal,
    Member,
    Operation,
    Polarity,
    Special,
    Syntax,
    TypeName,
    TypeOperation,
)
from bhr_api.fhirpath.values import CALENDAR_UNITS, Quantity, SystemValue, Temporal

# How tightly a binary operator binds; every one of them associates to the left.
_BINDING = {
    **dict.fromkeys(("*", "/", "div", "mod"), 10),
    **dict.fromkeys(("+", "-", "&"), 9),
    **dict.fromkeys(("is", "as"), 8),
    "|": 7,
    **dict.fromkeys(("<=", "<", ">", ">="), 6),
    **dict.fromkeys(("=", "~", "!=", "!~"), 5),
    **dict.fromkeys(("in", "contains"), 4),
    "and": 3,
    **dict.fromkeys(("or", "xor"), 2),
    "implies": 1,
}
_POLARITY_BINDING = 11
# N1 grammar, `identifier`: these keywords may also name an element or a function.
_KEYWORDS_THAT_ARE_NAMES = {"as", "contains", "in", "is"}
_RESERVED = {"and", "or", "xor", "implies", "div", "mod", "true", "false"} | _KEYWORDS_THAT_ARE_NAMES
# An expression nests its parts on Python's own stack; the longest published one nests 12 deep.
_DEEPEST = 60
# So does a chain of operators or steps, to its left; R4's longest search expression has 32 alternatives.
_LONGEST = 200


@lru_cache(maxsize=4096)
def parse(text: str) -> Syntax:
    """The syntax of a whole expression. Raises `FHIRPathSyntaxError`."""
    parser = _Parser(text)
    syntax = parser.expression(0)
    parser.expect_end()
    return syntax


class _Parser:
    """Precedence climbing over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens_of(text)
        self._at = 0
        self._depth = 0
        self._links = 0

    def expression(self, loosest: int) -> Syntax:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error("The expression nests too deeply")
        syntax = self._prefixed()
        start = self._links
        while self._next.kind in ("symbol", "name") and _BINDING.get(self._next.text, -1) > loosest:
            operator = self._link(start)
            if operator in ("is", "as"):
                syntax = TypeOperation("is" if operator == "is" else "as", syntax, self._type_name())
            else:
                syntax = Operation(operator, syntax, self.expression(_BINDING[operator]))
        self._depth -= 1
        return syntax

    def _link(self, start: int) -> str:
        """The text of the next token, one more link in the chain that began at `start`."""
        self._links += 1
        if self._links - start > _LONGEST:
            raise self._error("The expression is too long")
        return self._take().text

    def expect_end(self) -> None:
        if self._next.kind != "end":
            raise self._error(f"Unexpected {self._next.text!r}")

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _error(self, reason: str) -> FHIRPathSyntaxError:
        return FHIRPathSyntaxError(reason, self._text, self._next.position)

    def _at_symbol(self, symbol: str) -> bool:
        return self._next.kind == "symbol" and self._next.text == symbol

    def _accept(self, symbol: str) -> bool:
        if self._at_symbol(symbol):
            self._at += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise self._error(f"Expected {symbol!r}")

    def _prefixed(self) -> Syntax:
        if self._at_symbol("+") or self._at_symbol("-"):
            return Polarity(self._take().text, self.expression(_POLARITY_BINDING))
        return self._with_steps(self._term())

    def _with_steps(self, syntax: Syntax) -> Syntax:
        start = self._links
        while self._at_symbol(".") or self._at_symbol("["):
            if self._link(start) == ".":
                syntax = Invocation(syntax, self._step())
            else:
                syntax = Indexer(syntax, self.expression(0))
                self._expect("]")
        return syntax

    def _term(self) -> Syntax:
        if self._accept("("):
            syntax = self.expression(0)
            self._expect(")")
            return syntax
        if self._accept("{"):
            self._expect("}")
            return Literal(None)
        if self._accept("%"):
            return ExternalConstant(self._constant_name())
        value = self._literal()
        return self._step() if value is None else Literal(value)

    def _constant_name(self) -> str:
        if self._next.kind == "string":
            return self._take().text
        return self._identifier()

    def _literal(self) -> SystemValue | None:
        token = self._next
        if token.kind == "name" and token.text in ("true", "false"):
            return self._take().text == "true"
        if token.kind == "string":
            return self._take().text
        if token.kind == "number":
            return self._number_or_quantity()
        if token.kind in ("date", "datetime", "time"):
            return self._temporal(self._take())
        return None

    def _temporal(self, token: Token) -> Temporal:
        kinds = {"date": "Date", "datetime": "DateTime", "time": "Time"}
        value = Temporal.parse(kinds[token.kind], token.text[1:].removeprefix("T"))
        if value is None:
            raise FHIRPathSyntaxError(f"{token.text} is no {token.kind} of the calendar", self._text, token.position)
        return value

    def _number_or_quantity(self) -> SystemValue:
        text = self._take().text
        if self._next.kind == "string":
            return Quantity(Decimal(text), self._take().text)
        if self._next.kind == "name" and self._next.text in CALENDAR_UNITS:
            return Quantity(Decimal(text), CALENDAR_UNITS[self._take().text])
        return Decimal(text) if "." in text else int(text)

    def _step(self) -> Member | Call | Special:
        if self._next.kind == "special":
            name = self._take().text
            return Special("this" if name == "$this" else "index" if name == "$index" else "total")
        name = self._identifier()
        if not self._accept("("):
            return Member(name)
        return Call(name, self._arguments())

    def _arguments(self) -> tuple[Syntax, ...]:
        if self._accept(")"):
            return ()
        arguments = [self.expression(0)]
        while self._accept(","):
            arguments.append(self.expression(0))
        self._expect(")")
        return tuple(arguments)

    def _identifier(self) -> str:
        token = self._next
        is_name = token.kind == "name" and (token.text not in _RESERVED or token.text in _KEYWORDS_THAT_ARE_NAMES)
        if is_name or token.kind == "delimited":
            return self._take().text
        raise self._error("Expected a name" if token.kind != "end" else "The expression ends too early")

    def _type_name(self) -> TypeName:
        name = self._identifier()
        return TypeName(name, self._identifier()) if self._accept(".") else TypeName(None, name)
