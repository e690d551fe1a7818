"""What a `_filter` means: the criterion that its tree of comparisons spells (FHIR R4, search_filter.html).

"The compareOp is always evaluated against the set of values produced by evaluating the param path": a comparison holds of a
row if it holds of one of these values, and `ni` and `pr false` if it holds of none. What the page leaves open is decided in
docs/search.md.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bhr_api.errors import (
    ForbiddenError,
    InvalidParameterError,
    MalformedRequestError,
    RefusalError,
    UnsupportedParameterError,
)
from bhr_api.search.body_values import CODES, InBody, Inner, has_body_values
from bhr_api.search.chain import Chains, Hops
from bhr_api.search.criteria import Both, Criterion, InIndex, Not, Written, conjuncts, either
from bhr_api.search.escapes import escaped
from bhr_api.search.filter_syntax import And, Comparison, Expression, Operator, Or, Path, Step, parse_filter
from bhr_api.search.filter_syntax import Not as Denial
from bhr_api.search.folding import normalised, normalised_sql
from bhr_api.search.parameters import Parameter, is_special
from bhr_api.search.served_parameters import ServedParameters
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types import date
from bhr_api.search.types.string import PHONETIC
from bhr_api.search.unequal import unequal
from bhr_api.search.visibility import Visibility
from bhr_api.store.sql import Binder
from bhr_api.store.tables import STRING_HEAD

MAXIMUM_COMPARISONS = 50
"""Of all filters of one query."""

_TEXTUAL: tuple[Operator, ...] = ("eq", "ne", "co", "sw", "ew", "pr")
_ORDERED: tuple[Operator, ...] = ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr")
_OPERATORS: Mapping[str, tuple[Operator, ...]] = {
    "string": _TEXTUAL,
    "uri": _TEXTUAL,
    "token": (*_TEXTUAL, "ss", "sb", "in", "ni"),
    "reference": ("eq", "ne", "re", "pr"),
    "date": (*_ORDERED, "po"),
    "number": _ORDERED,
    "quantity": _ORDERED,
    "composite": ("eq", "pr"),
}
# Parameters that are apart from others of their type, or of no type.
_OPERATORS_OF: Mapping[str, tuple[Operator, ...]] = {
    "_id": _TEXTUAL,
    PHONETIC: ("eq", "pr"),
    "_text": ("eq", "co"),
    "_content": ("eq", "co"),
    "_list": ("eq",),
    "near": ("eq",),
}
# ss: "the value subsumes a concept in the set", which is then below it; sb: it "is subsumed by a concept in the set".
_MODIFIERS: Mapping[Operator, str] = {"ss": "below", "sb": "above", "in": "in", "ni": "in"}


@dataclass(slots=True)
class Comparisons:
    """How many more comparisons the filters of a query may make."""

    left: int = MAXIMUM_COMPARISONS

    def take(self, count: int) -> None:
        """So many more. Raises MalformedRequestError when there are too many."""
        self.left -= count
        if self.left < 0:
            raise MalformedRequestError(
                f"The filters of a search have at most {MAXIMUM_COMPARISONS} comparisons.",
                expression="http._filter",
                code="too-costly",
            )


@dataclass(frozen=True, slots=True)
class Filters:
    """Reads the filters of one query.

    `matching` (parameter, modifier, escaped values), `present` and `special` (type, name, value) are what the same would mean
    without a filter.
    """

    visibility: Visibility
    hasher: TokenHasher
    hops: Hops
    comparisons: Comparisons
    base_url: str
    now: datetime
    served: ServedParameters
    matching: Callable[[Parameter, str | None, list[str]], Criterion]
    present: Callable[[Parameter], Criterion]
    special: Callable[[str, str, str], Criterion]

    def criterion(self, resource_type: str, text: str) -> Criterion:
        """The criterion on rows of `resource_type` that the filter spells.

        Raises InvalidParameterError, UnsupportedParameterError and others, each naming the parameter within the filter.
        """
        expression = parse_filter(text)
        self.comparisons.take(sum(1 for _ in comparisons_of(expression)))
        try:
            return self._of(resource_type, expression)
        except ForbiddenError:
            raise
        except RefusalError as error:
            error.issues = [
                replace(issue, diagnostics=f"In _filter: {issue.diagnostics}", expression="http._filter")
                for issue in error.issues
            ]
            raise

    def _of(self, resource_type: str, expression: Expression) -> Criterion:
        match expression:
            case And(terms):
                return Both([part for term in terms for part in conjuncts(self._of(resource_type, term))])
            case Or(terms):
                return either([self._of(resource_type, term) for term in terms])
            case Denial(term):
                return Not(self._of(resource_type, term))
            case Comparison(path, "ni" | "pr" as operator, value):
                found = self._along(resource_type, path, operator, value)
                return found if (operator, value.lower()) == ("pr", "true") else Not(found)
            case Comparison(path, operator, value):
                return self._along(resource_type, path, operator, value)

    def _along(self, resource_type: str, path: Path, operator: Operator, value: str) -> Criterion:
        """Rows for which one of the values at the end of the path is as asked; every hop on the way is a chain's."""
        first, *rest = path
        if not rest:
            return self._at(resource_type, first.name, operator, value)

        def beyond(other: str, _rest: str) -> Criterion:
            return Both([*self._narrowed(other, first), *conjuncts(self._along(other, tuple(rest), operator, value))])

        chains = Chains(self.visibility, self.hasher, self.hops, self.served, beyond)
        return chains.chained(resource_type, ".".join(step.name for step in path))

    def _narrowed(self, other: str, step: Step) -> Iterator[Criterion]:
        """What the brackets ask of the resource that the next name is asked of, too."""
        if step.filter is None:
            return
        # It is asked again of each type that the path may lead to.
        for _ in comparisons_of(step.filter):
            self.hops.take()
        yield from conjuncts(self._of(other, step.filter))

    def _at(self, resource_type: str, code: str, operator: Operator, value: str) -> Criterion:
        parameter = self.served.find(resource_type, code)
        if parameter is None and not is_special(resource_type, code):
            raise UnsupportedParameterError(code, f"{resource_type} has no such search parameter")
        allowed = _OPERATORS_OF.get(code) or (_OPERATORS[parameter.type] if parameter else ())
        if operator not in allowed:
            kind = f"a {parameter.type} parameter" if parameter else "this parameter"
            raise UnsupportedParameterError(
                code, f"{operator} is not asked of {kind}; {', '.join(allowed) or 'none'} can be"
            )
        if not value:
            raise InvalidParameterError(code, value, "there is no value; pr asks whether there is one")
        if parameter is None:
            return self.special(resource_type, code, value)
        return self.present(parameter) if operator == "pr" else self._compared(parameter, operator, value)

    def _compared(self, parameter: Parameter, operator: Operator, value: str) -> Criterion:
        if operator in _MODIFIERS:
            is_concept = operator in ("ss", "sb")
            return self.matching(parameter, _MODIFIERS[operator], [value if is_concept else escaped(value)])
        match parameter.type:
            case "date" if operator == "po":
                return self._overlapping(parameter, value)
            case "date" | "number" | "quantity":
                return self.matching(parameter, None, [operator + value])
            case "string":
                return self._text(parameter, operator, value)
            case "composite":
                return self.matching(parameter, None, [value])
        return self._named(parameter, operator, value)

    def _overlapping(self, parameter: Parameter, value: str) -> Criterion:
        # At a moment within the asked interval, `ap` does not widen it.
        within = date.parse_date(parameter.code, f"eq{value}", self.now).low
        if parameter.code == "_lastUpdated":
            return date.last_updated([f"ap{value}"], within)
        return date.match(parameter, [f"ap{value}"], within)

    def _text(self, parameter: Parameter, operator: Operator, value: str) -> Criterion:
        if operator in ("co", "sw") or parameter.code == PHONETIC:
            return self.matching(parameter, "contains" if operator == "co" else None, [escaped(value)])
        text = normalised(value)

        def where(binder: Binder) -> str:
            if operator == "eq":
                head = binder.bind(text[:STRING_HEAD], "text")
                return f"(left(i.value, {STRING_HEAD}) = {head} AND i.value = {binder.bind(text, 'text')})"
            return _compared_sql("i.value", operator, text, binder)

        return InIndex(
            "string_index", parameter.resource_type_number, parameter.number, (where,), is_selective=operator == "eq"
        )

    def _named(self, parameter: Parameter, operator: Operator, value: str) -> Criterion:
        """Tokens, references and uris: equal or not by the index, in part by what is stored."""
        if operator in ("co", "sw", "ew"):
            return _in_part(parameter, operator, normalised(value))
        equal = self.matching(parameter, None, [value if parameter.type == "token" else escaped(value)])
        if operator == "ne" and parameter.code == "_id":
            return Not(equal)
        if operator == "ne":
            return unequal(parameter, value, equal, self.present(parameter), self.base_url)
        return equal


def _in_part(parameter: Parameter, operator: Operator, text: str) -> Criterion:
    if parameter.code == "_id":
        return Written(lambda row, binder: _compared_sql(f"lower({row}.id)", operator, text, binder))
    inner: Inner = CODES if parameter.type == "token" else {}
    if not has_body_values(parameter, inner):
        raise UnsupportedParameterError(parameter.code, "its values are held as hashes only, which have no parts")
    return InBody(parameter, inner, lambda binder: _compared_sql(normalised_sql("b.value"), operator, text, binder))


def _compared_sql(column: str, operator: Operator, text: str, binder: Binder) -> str:
    """SQL of two texts, both folded: values are never case sensitive."""
    asked = binder.bind(text, "text")
    match operator:
        case "co":
            return f"strpos({column}, {asked}) > 0"
        case "sw":
            return f"starts_with({column}, {asked})"
        case "ew":
            return f"right({column}, char_length({asked})) = {asked}"
    return f"{column} <> {asked}"


def comparisons_of(expression: Expression) -> Iterator[Comparison]:
    """All comparisons of the tree, those in brackets included."""
    match expression:
        case And(terms) | Or(terms):
            for term in terms:
                yield from comparisons_of(term)
        case Denial(term):
            yield from comparisons_of(term)
        case Comparison(path):
            yield expression
            for step in path:
                if step.filter is not None:
                    yield from comparisons_of(step.filter)


def terminology_of(text: str) -> set[str]:
    """The canonicals and systems that the comparisons of a filter name, to be loaded before it is read."""
    compared = [(one.operator, one.value) for one in comparisons_of(parse_filter(text))]
    value_sets = {value for operator, value in compared if operator in ("in", "ni")}
    return value_sets | {value.partition("|")[0] for operator, value in compared if operator in ("ss", "sb")}
