"""What one parameter of a search means: the criterion that its name, modifier and value spell (FHIR R4, search.html)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bhr_api.errors import InvalidParameterError, UnsupportedModifierError, UnsupportedParameterError
from bhr_api.fhir.terminology.terminology import BUILT_IN, Terminology
from bhr_api.search import hierarchy, in_text, near
from bhr_api.search.chain import Chains, Hops
from bhr_api.search.criteria import EVERYTHING, NOTHING, AnyToken, Both, Criterion, Either, Not, WithId, Written, either
from bhr_api.search.escapes import split_commas, unescape
from bhr_api.search.filter import Comparisons, Filters, terminology_of
from bhr_api.search.parameters import NOT_SERVED, ROW_PARAMETERS, Parameter
from bhr_api.search.served_parameters import BUILT_IN as BUILT_IN_PARAMETERS
from bhr_api.search.served_parameters import ServedParameters
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types import coded, composite, date, number, quantity, reference, string, token, uri
from bhr_api.search.visibility import Visibility

_MODIFIERS: Mapping[str, frozenset[str]] = {
    "token": token.MODIFIERS,
    "string": string.MODIFIERS,
    "uri": uri.MODIFIERS,
    "date": date.MODIFIERS,
    "number": number.MODIFIERS,
    "quantity": quantity.MODIFIERS,
}


@dataclass(frozen=True, slots=True)
class SearchContext:
    """What the meaning of a query depends on besides its text.

    `terminology` knows the value sets and code systems that the query names (`terminology_names`); `served` are
    the tenant's search parameters.
    """

    hasher: TokenHasher
    base_url: str
    now: datetime
    visibility: Visibility
    lenient: bool = False
    terminology: Terminology = BUILT_IN
    served: ServedParameters = BUILT_IN_PARAMETERS
    hops: Hops = field(default_factory=Hops)
    comparisons: Comparisons = field(default_factory=Comparisons)

    def afresh(self) -> "SearchContext":
        """The same for another query, whose hops and comparisons are counted for itself."""
        return replace(self, hops=Hops(), comparisons=Comparisons())


def criterion_of(resource_type: str, name: str, value: str, context: SearchContext) -> Criterion:
    """The criterion on rows of `resource_type` that the parameter `name` with `value` spells.

    Raises UnsupportedParameterError, InvalidParameterError, ForbiddenError.
    """
    if name.startswith("_has:") or "." in name:
        chains = Chains(
            context.visibility,
            context.hasher,
            context.hops,
            context.served,
            lambda other, rest: criterion_of(other, rest, value, context),
        )
        return chains.has(resource_type, name) if name.startswith("_has:") else chains.chained(resource_type, name)
    code, colon, modifier = name.partition(":")
    special = _special(resource_type, code, value, context)
    if special is not None:
        if colon:
            raise UnsupportedModifierError(name, f"{code} has no modifiers")
        return special
    return _plain(resource_type, code, modifier if colon else None, value, context)


def _special(resource_type: str, code: str, value: str, context: SearchContext) -> Criterion | None:
    """Parameters that are of no type: R4's search.html#all and special parameters."""
    if code in NOT_SERVED and (code, value) != ("_contained", "false"):
        refusal = UnsupportedModifierError if code == "_query" else UnsupportedParameterError
        raise refusal(code, NOT_SERVED[code])
    match code:
        case "_contained" if value == "false":
            return EVERYTHING
        case "_list":
            return _listed(resource_type, value, context)
        case "_filter":
            return _filters(context).criterion(resource_type, value)
        case "_text":
            return in_text.narrative(value)
        case "_content":
            return in_text.content(value)
        case "near" if resource_type == "Location":
            return either([near.match(one) for one in split_commas(value) if one])
    return None


def _filters(context: SearchContext) -> Filters:
    return Filters(
        context.visibility,
        context.hasher,
        context.hops,
        context.comparisons,
        context.base_url,
        context.now,
        context.served,
        matching=lambda parameter, modifier, values: matching(parameter, modifier, values, context),
        present=lambda parameter: present(parameter, context),
        special=lambda resource_type, code, value: criterion_of(resource_type, code, value, context),
    )


def _listed(resource_type: str, value: str, context: SearchContext) -> Criterion:
    """Rows that are an item of the List; a type of which no List can have an item has none, as in a search of all types."""
    listed = WithId((_list_id(value),))
    items = context.served.find("List", "item")
    if items is not None and items.targets and resource_type not in items.targets:
        return NOTHING
    chains = Chains(context.visibility, context.hasher, context.hops, context.served, lambda _type, _rest: listed)
    return chains.has(resource_type, "_has:List:item:_id")


def _list_id(value: str) -> str:
    """search.html#list: the id of a List; functional lists (`$current-problems`) have other rules on each server."""
    if value.startswith("$"):
        raise UnsupportedParameterError("_list", "functional lists are not kept here; give the id of a List")
    return value.removeprefix("List/")


def _plain(resource_type: str, code: str, modifier: str | None, value: str, context: SearchContext) -> Criterion:
    parameter = context.served.find(resource_type, code)
    if parameter is None:
        raise UnsupportedParameterError(code, f"{resource_type} has no such search parameter")
    values = split_commas(value)
    if modifier == "missing":
        return _missing(parameter, value, context)
    if modifier is not None:
        _refuse_unknown_modifier(parameter, modifier)
    values = [one for one in values if one]
    if not values:
        raise InvalidParameterError(code, value, "there is no value between the commas")
    return matching(parameter, modifier, values, context)


def _refuse_unknown_modifier(parameter: Parameter, modifier: str) -> None:
    if parameter.type == "reference":
        known = reference.is_modifier(parameter, modifier)
    else:
        known = modifier in _MODIFIERS.get(parameter.type, frozenset())
    if not known:
        raise UnsupportedModifierError(
            f"{parameter.code}:{modifier}", f":{modifier} is no modifier of a {parameter.type} parameter"
        )


def _missing(parameter: Parameter, value: str, context: SearchContext) -> Criterion:
    """`:missing` (search.html#modifiers): true finds rows without a value."""
    if value not in ("true", "false"):
        raise InvalidParameterError(f"{parameter.code}:missing", value, "it is true or false")
    found = present(parameter, context)
    return Not(found) if value == "true" else found


def present(parameter: Parameter, context: SearchContext) -> Criterion:
    """Rows that have a value of the parameter."""
    hasher = context.hasher
    if parameter.code in ROW_PARAMETERS or parameter.is_mandatory:
        return EVERYTHING
    if parameter.is_patient and parameter.made_of:
        elsewhere = AnyToken((hasher.present(parameter.resource_type, parameter.code),))
        return Either([Written(lambda row, _binder: f"{row}.patient IS NOT NULL"), elsewhere])
    served = context.served.of(parameter.resource_type)
    if parameter.made_of:
        return either([present(served[code], context) for code in parameter.made_of])
    if parameter.is_composite_of_resource:
        return Both([present(served[part.code], context) for part in parameter.components])
    return AnyToken((hasher.present(parameter.resource_type, parameter.code),))


def matching(parameter: Parameter, modifier: str | None, values: list[str], context: SearchContext) -> Criterion:
    """Rows that have one of `values`, still escaped, as the modifier says."""
    hasher, base_url, now = context.hasher, context.base_url, context.now
    served = context.served.of(parameter.resource_type)
    if parameter.made_of and not parameter.is_patient:
        return _matching_parts([served[code] for code in parameter.made_of], modifier, values, context)
    if parameter.code == "_id":
        found = WithId(tuple(unescape(value) for value in values))
        return Not(found) if modifier == "not" else found
    if parameter.code == "_lastUpdated":
        return date.last_updated(values, now)
    match parameter.type:
        case "token" if modifier in token.NEGATIONS:
            # search.html#token, :not: "the coding/code is not in the set", also where there is none.
            return Not(matching(parameter, token.NEGATIONS[modifier], values, context))
        case "token" if modifier in coded.MODIFIERS:
            return coded.match(parameter, modifier, values, hasher, context.terminology)
        case "token":
            return token.match_by(parameter, modifier, values, hasher)
        case "reference" if modifier in hierarchy.MODIFIERS:
            return hierarchy.match(parameter, modifier, values, hasher, base_url, context.visibility)
        case "reference":
            return reference.match(parameter, modifier, values, hasher, base_url)
        case "string":
            return string.match(parameter, modifier, values, hasher)
        case "uri":
            return uri.match(parameter, modifier, values, hasher)
        case "composite":
            return composite.match(parameter, served, values, hasher, base_url, now)
        case _:
            return either([composite.match_plain(parameter, value, hasher, base_url, now) for value in values])


def _matching_parts(
    parts: Sequence[Parameter], modifier: str | None, values: list[str], context: SearchContext
) -> Criterion:
    """A parameter that is a union of others; its negation is theirs together."""
    if modifier in token.NEGATIONS:
        return Not(either([matching(part, token.NEGATIONS[modifier], values, context) for part in parts]))
    return either([matching(part, modifier, values, context) for part in parts])


def terminology_names(parameters: Sequence[tuple[str, str]]) -> frozenset[str]:
    """The canonicals and systems that the query's modifiers ask about, to be loaded before it is read."""
    names: set[str] = set()
    for name, value in parameters:
        modifier = name.rpartition(":")[2]
        if modifier.rpartition(".")[2] == "_filter":
            names |= terminology_of(value)
        elif modifier in ("in", "not-in"):
            names |= {unescape(one) for one in split_commas(value)}
        elif modifier in ("above", "below"):
            names |= {one.partition("|")[0] for one in split_commas(value) if "|" in one}
    return frozenset(name for name in names if name)
