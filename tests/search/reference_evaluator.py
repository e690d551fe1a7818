"""R4 search over a record in memory, read from the standard alone, against which the SQL side is held.

FHIR R4, search.html. It shares no code with the server, is slow, and knows the parameters of
`reference_parameters.py` only. Where the standard leaves a choice:

* Codes, identifiers and ids are compared exactly, with case.
* A `code`, `boolean`, `id`, `uri` or `string` has no system: `|x` finds it, `system|x` only under its implicit system.
* A ContactPoint has its `use` in the place of the system.
* A Quantity with a comparator (`<10`) stands for every value on that side: it is never eq, and gt, lt, ge, le ask
  whether some such value satisfies, sa and eb whether all do.
* ap takes 10% of the number, or 10% of the distance between now and the nearer end of the date.
* A canonical without version in the query finds every version. A parameter with an empty value asks nothing.
* A chain follows literal references and canonicals to what the caller may see; `:missing` and `:not` at its end need
  a target of which they are true. A versioned reference leads to the resource as it is now.
* A chain or `_has` through types of which none may be searched is refused; an untyped one goes through the others. The
  paths of a `_filter` are untyped chains.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tests.search.reference_comparisons import compares
from tests.search.reference_filter import Denied, Joined, Step, Term, read_filter
from tests.search.reference_matching import element_matches, escaped, of_identifier, split, token_matches, unescaped
from tests.search.reference_parameters import parameter
from tests.search.reference_paths import Parameter, Resource
from tests.search.reference_record import Caller, SeenRecord
from tests.search.reference_refusals import leads, leads_on, require, require_terms, targets
from tests.search.reference_specials import SPECIAL

Criteria = Sequence[tuple[str, str]]


def matches(resource: Resource, resource_type: str, query: Criteria, *, now: datetime, base_url: str) -> bool:
    """Whether the resource is of the type and satisfies every (name[:modifier], value) of the decoded query.

    `base_url` has no final slash. KeyError for an unknown parameter, ValueError for a value or modifier of no meaning.
    """
    alone = SeenRecord([resource], Caller(), base_url)
    return resource["resourceType"] == resource_type and bool(found(alone, resource_type, query, now=now))


def found(record: SeenRecord, resource_type: str, query: Criteria, *, now: datetime) -> list[Resource]:
    """What of the record the query finds, for the caller that the record was opened for.

    Raises NotAllowedError, UnknownTermsError, and what `matches` raises.
    """
    evaluation = _Evaluation(record, now)
    asked = [(name, value) for name, value in query if value]
    for name, value in asked:
        require(record.caller, resource_type, name, value)
        require_terms(record.terminology, name, value)
    return [
        one
        for one in record.of_type[resource_type]
        if all(evaluation.satisfies(one, name, value) for name, value in asked)
    ]


class _Evaluation:
    def __init__(self, record: SeenRecord, now: datetime) -> None:
        self.record = record
        self.now = now
        self.known: dict[tuple[int, str, str], bool] = {}

    def satisfies(self, resource: Resource, name: str, value: str) -> bool:
        key = id(resource), name, value
        if key not in self.known:
            self.known[key] = self.evaluate(resource, name, value)
        return self.known[key]

    def evaluate(self, resource: Resource, name: str, value: str) -> bool:
        if name.startswith("_has:"):
            return self.is_referred_to(resource, name, value)
        head, dot, rest = name.partition(".")
        if dot:
            return self.leads_to(resource, head, rest, value)
        if name == "_filter":
            return self.passes(resource, read_filter(value))
        if name in SPECIAL:
            return SPECIAL[name](self.record, resource, value)
        code, _, modifier = name.partition(":")
        return self.holds(parameter(resource["resourceType"], code), resource, value, modifier)

    def is_referred_to(self, resource: Resource, name: str, value: str) -> bool:
        _, referrer, back, rest = name.split(":", 3)
        asked = parameter(referrer, back)
        return any(
            self.satisfies(one, rest, value)
            for one in self.record.of_type[referrer]
            if any(target is resource for target in self.record.referred(asked, one))
        )

    def leads_to(self, resource: Resource, head: str, rest: str, value: str) -> bool:
        asked = parameter(resource["resourceType"], head.partition(":")[0])
        may_search = self.record.caller.may_search
        kinds = {kind for kind in targets(asked, head) if may_search(kind) and leads(kind, rest, value, may_search)}
        return any(
            self.satisfies(target, rest, value)
            for target in self.record.referred(asked, resource)
            if target["resourceType"] in kinds
        )

    def passes(self, resource: Resource, term: Term) -> bool:
        """Whether the resource is as a filter's term says."""
        if isinstance(term, Denied):
            return not self.passes(resource, term.term)
        if isinstance(term, Joined):
            held = self.passes(resource, term.first)
            for joint, other in term.others:
                passed = self.passes(resource, other)
                held = held and passed if joint == "and" else held or passed
            return held
        is_of_none = term.operator == "ni" or (term.operator == "pr" and term.value.lower() == "false")
        return self.compares_along(resource, term.path, term.operator, term.value) != is_of_none

    def compares_along(self, resource: Resource, path: Sequence[Step], operator: str, value: str) -> bool:
        """Whether some element at the end of the path is as compared; of `ni` and `pr`, whether one is in or there."""
        step, *rest = path
        if not rest:
            return self.compares(resource, step.name, operator, value)
        asked, may_search = parameter(resource["resourceType"], step.name), self.record.caller.may_search
        return any(
            (step.narrowed is None or self.passes(target, step.narrowed))
            and self.compares_along(target, rest, operator, value)
            for target in self.record.referred(asked, resource)
            if leads_on(target["resourceType"], step, rest, operator, may_search)
        )

    def compares(self, resource: Resource, name: str, operator: str, value: str) -> bool:
        if name in SPECIAL:
            return SPECIAL[name](self.record, resource, value)
        asked = parameter(resource["resourceType"], name)
        elements = self.record.elements(asked, resource)
        if operator == "pr":
            return bool(elements)
        if asked.kind == "composite":
            return self.finds_pair(asked, resource, split(value, "$"))
        if asked.kind == "reference":
            return any(self.refers(asked, element, escaped(value), "") == (operator != "ne") for element in elements)
        terminology = self.record.terminology
        return any(compares(asked, element, operator, value, self.now, terminology) for element in elements)

    def holds(self, asked: Parameter, resource: Resource, value: str, modifier: str) -> bool:
        if modifier == "missing":
            return (not self.record.elements(asked, resource)) == _truth(value)
        wanted = [alternative for alternative in split(value, ",") if alternative]
        if asked.kind == "token" and modifier in ("not", "not-in"):
            return not any(self.finds(asked, resource, one, modifier.removeprefix("not").lstrip("-")) for one in wanted)
        return any(self.finds(asked, resource, one, modifier) for one in wanted)

    def finds(self, asked: Parameter, resource: Resource, text: str, modifier: str) -> bool:
        if asked.kind == "composite":
            return self.finds_pair(asked, resource, split(text, "$"))
        elements = self.record.elements(asked, resource)
        if asked.kind == "reference":
            return any(self.refers(asked, element, text, modifier) for element in elements)
        terminology = self.record.terminology
        return any(element_matches(asked, element, text, modifier, self.now, terminology) for element in elements)

    def finds_pair(self, asked: Parameter, resource: Resource, texts: list[str]) -> bool:
        if len(texts) != len(asked.parts):
            raise ValueError(f"{len(asked.parts)} parts are needed, not {texts}")
        return any(
            all(self.finds(part, element, text, "") for part, text in zip(asked.parts, texts, strict=True))
            for element in asked.elements(resource)
        )

    def refers(self, asked: Parameter, element: Any, text: str, modifier: str) -> bool:
        if modifier == "identifier":
            identifier = element.get("identifier") if isinstance(element, dict) else None
            return identifier is not None and token_matches(of_identifier(identifier), text, None)
        wanted = unescaped(text)
        if isinstance(element, str):
            return element == wanted or ("|" not in wanted and element.partition("|")[0] == wanted)
        held = self.record.local(element.get("reference", ""))
        if modifier == "below":
            return any(self.is_meant(one, wanted) for one in self.record.with_ancestors(held))
        if modifier == "above":
            starts = [wanted] if "/" in wanted else [f"{kind}/{wanted}" for kind in asked.targets]
            return any(held in self.record.with_ancestors(self.record.local(one)) for one in starts)
        if modifier:
            named = wanted if "/" in wanted else f"{modifier}/{wanted}"
            return held == named and self.record.type_of(element) == modifier
        return self.is_meant(held, wanted)

    def is_meant(self, held: str, wanted: str) -> bool:
        if not held:
            return False
        if "/" not in wanted and ":" not in wanted:
            return held.count("/") == 1 and held.endswith("/" + wanted)
        return held == self.record.local(wanted)


def _truth(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError(f":missing is true or false, not {value!r}")
    return value == "true"
