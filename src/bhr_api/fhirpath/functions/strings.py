"""String manipulation (FHIRPath N1, http://hl7.org/fhirpath/N1/#string-manipulation).

`matches` and `replaceMatches` run Python's backtracking regular expressions. Their patterns come from the published
definitions and from implementation guides and views that the operator loads, never from a request's data: whoever may
send an expression must be trusted with a pattern's cost.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from bhr_api.fhirpath.errors import FHIRPathEvaluationError
from bhr_api.fhirpath.functions.registry import Builder, argument, function, integer_of, text_of
from bhr_api.fhirpath.nodes import EMPTY, Evaluate, Nodes, Scope, value_of, wrap
from bhr_api.fhirpath.values import SystemValue

TextResult = Callable[..., SystemValue | None]


def _text(focus: Nodes) -> str | None:
    value = value_of(focus)
    if value is None or isinstance(value, str):
        return value
    raise FHIRPathEvaluationError("A string function was given what is no string")


def _on_text(compute: TextResult) -> Builder:
    """A function of a string and as many strings; empty as soon as one of them is."""

    def build(*arguments: Evaluate) -> Evaluate:
        def evaluate(focus: Nodes, scope: Scope) -> Nodes:
            subject = _text(focus)
            if subject is None:
                return EMPTY
            given = [text_of(argument(each, scope)) for each in arguments]
            return EMPTY if None in given else wrap(compute(subject, *given))

        return evaluate

    return build


@lru_cache(maxsize=1024)
def _pattern(regex: str) -> re.Pattern[str]:
    # N1 #matches: single-line mode, so that the dot takes line ends too.
    try:
        return re.compile(regex, re.DOTALL)
    except re.error as error:
        raise FHIRPathEvaluationError(f"{regex!r} is no regular expression: {error}") from error


def _replacement(template: str) -> Callable[[re.Match[str]], str]:
    # N1 writes the groups of a match as $1 or ${name}, with $$ for a dollar.
    def expand(match: re.Match[str]) -> str:
        def group(reference: re.Match[str]) -> str:
            name = reference[1] or reference[2]
            return "$" if name is None else match[int(name) if name.isdigit() else name] or ""

        return re.sub(r"\$(?:(\d+)|\{(\w+)\}|\$)", group, template)

    return expand


function("indexOf", 1)(_on_text(lambda text, part: text.find(part)))
function("startsWith", 1)(_on_text(lambda text, prefix: text.startswith(prefix)))
function("endsWith", 1)(_on_text(lambda text, suffix: text.endswith(suffix)))
function("contains", 1)(_on_text(lambda text, part: part in text))
function("upper")(_on_text(lambda text: text.upper()))
function("lower")(_on_text(lambda text: text.lower()))
function("trim")(_on_text(lambda text: text.strip()))
function("length")(_on_text(len))
function("replace", 2)(_on_text(lambda text, old, new: text.replace(old, new)))
function("matches", 1)(_on_text(lambda text, regex: _pattern(regex).search(text) is not None))
function("matchesFull", 1)(_on_text(lambda text, regex: _pattern(regex).fullmatch(text) is not None))
function("replaceMatches", 2)(_on_text(lambda text, regex, new: _pattern(regex).sub(_replacement(new), text)))


@function("substring", 1, 2)
def _substring(start: Evaluate, length: Evaluate | None = None) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        text, first = _text(focus), integer_of(argument(start, scope))
        if text is None or first is None or not 0 <= first < len(text):
            return EMPTY
        taken = None if length is None else integer_of(argument(length, scope))
        return wrap(text[first:] if taken is None else text[first : first + max(0, taken)])

    return evaluate


@function("toChars")
def _to_chars() -> Evaluate:
    return lambda focus, _scope: [item for character in _text(focus) or "" for item in wrap(character)]


@function("split", 1)
def _split(separator: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        text, between = _text(focus), text_of(argument(separator, scope))
        return EMPTY if text is None or not between else [item for part in text.split(between) for item in wrap(part)]

    return evaluate


@function("join", 0, 1)
def _join(separator: Evaluate | None = None) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        between = "" if separator is None else text_of(argument(separator, scope)) or ""
        parts = [_text([node]) for node in focus]
        return wrap(between.join(part for part in parts if part is not None))

    return evaluate
