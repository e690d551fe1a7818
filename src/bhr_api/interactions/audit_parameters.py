"""The search parameters of AuditEvent, each as a condition on the audit table (FHIR R4, auditevent.html#search).

A token parameter asks which interactions or statuses have the code, by the same tables that render events.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from bhr_api.errors import InvalidParameterError, UnsupportedModifierError, UnsupportedParameterError
from bhr_api.fhir.dates import BEGINNING
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.fhir.references import ID, LocalReference, parse_local
from bhr_api.interactions.audit_rendering import (
    ACTION,
    AGENT_TYPES,
    CLIENT_ID,
    INTERACTION,
    MEANINGS,
    OPERATION,
    OUTCOME,
    OUTCOMES,
    RESTFUL_INTERACTION,
    Meaning,
    subtypes_of,
)
from bhr_api.interactions.context import Context
from bhr_api.search.escapes import split_commas, split_pipes, unescape
from bhr_api.search.parameters import parameters_of
from bhr_api.search.query import MAXIMUM_VALUES
from bhr_api.search.types import date
from bhr_api.search.types.date import AskedDate
from bhr_api.store import audit_reading
from bhr_api.store.audit_reading import RECORDED_END, RECORDED_START
from bhr_api.store.sql import Binder, any_of


class Asked(NamedTuple):
    """One parameter of a request: its code, modifier and values, still escaped."""

    code: str
    modifier: str | None
    values: Sequence[str]


def condition_of(name: str, value: str, context: Context, now: datetime, binder: Binder) -> str:
    """The condition that `name=value` puts on an event.

    Raises UnsupportedParameterError for what is not served, InvalidParameterError for a value not of its form.
    """
    code, _, modifier = name.partition(":")
    asked = Asked(code, modifier or None, [one for one in split_commas(value) if one])
    if len(asked.values) > MAXIMUM_VALUES:
        raise InvalidParameterError(code, value, f"at most {MAXIMUM_VALUES} alternatives are taken")
    if not asked.values:
        raise InvalidParameterError(code, value, "there is no value between the commas")
    if code in ("date", "_lastUpdated"):
        _refuse_modifier(asked)
        return any_of([_at(date.parse_date(code, unescape(one), now), binder) for one in asked.values])
    served = _SERVED.get(code)
    if served is None:
        raise UnsupportedParameterError(name, _reason(code, modifier))
    return served(asked, context, binder)


def _reason(code: str, modifier: str) -> str:
    if "." in code or "." in modifier:
        return "chained parameters are not served for audit events"
    if code in parameters_of("AuditEvent"):
        return f"audit events are found by {', '.join(('date', '_lastUpdated', *_SERVED))}"
    return "AuditEvent has no such search parameter"


def _refuse_modifier(asked: Asked, *allowed: str) -> None:
    if asked.modifier is not None and asked.modifier not in allowed:
        raise UnsupportedModifierError(
            f"{asked.code}:{asked.modifier}", f"the modifier :{asked.modifier} is not served for this parameter"
        )


_MILLISECOND = timedelta(milliseconds=1)


def _at(asked: AskedDate, binder: Binder) -> str:
    """The comparison of search.html#prefix, beside what follows from it about `recorded` alone.

    Only the latter tells the planner which partitions and which part of the index to look at.
    """
    conditions = [date.condition(asked, RECORDED_START, RECORDED_END, binder)]
    low, high = _limits(asked)
    if low is not None:
        conditions.append(f"{RECORDED_START} >= {binder.bind(low, 'timestamptz')}")
    if high is not None:
        conditions.append(f"{RECORDED_START} < {binder.bind(high, 'timestamptz')}")
    return "(" + " AND ".join(conditions) + ")"


def _limits(asked: AskedDate) -> tuple[datetime | None, datetime | None]:
    low, high = asked.low, asked.high
    match asked.prefix:
        case "eq":
            return low, high
        case "ap":
            return _before(low), high
        case "gt":
            return _before(high), None
        case "ge":
            return _before(low), None
        case "sa":
            return high, None
        case "lt" | "eb":
            return None, low
        case "le":
            return None, high
    return None, None


def _before(instant: datetime) -> datetime:
    return instant if instant <= BEGINNING + _MILLISECOND else instant - _MILLISECOND


def _ids(asked: Asked, _context: Context, binder: Binder) -> str:
    _refuse_modifier(asked)
    numbers = [audit_reading.event_id_of(unescape(one)) for one in asked.values]
    return audit_reading.of_numbers([number for number in numbers if number is not None], binder)


def _local(asked: Asked, value: str, context: Context, types: Sequence[str]) -> list[LocalReference]:
    """What a reference value names: `id` any of `types`, or `Type/id`, or a URL of this server."""
    text = unescape(value)
    if ID.fullmatch(text):
        chosen = (asked.modifier,) if asked.modifier else types
        return [LocalReference(name, text) for name in chosen]
    found = parse_local(text, context.base_url)
    if found is None:
        raise InvalidParameterError(asked.code, text, "a reference is id, Type/id or a URL of this server")
    if asked.modifier not in (None, found.resource_type):
        raise InvalidParameterError(
            f"{asked.code}:{asked.modifier}", text, f"the reference must be to {asked.modifier}"
        )
    return [found]


def _patient(asked: Asked, context: Context, binder: Binder) -> str:
    """Events that opened or changed the patient's record, or that the patient made (agent.who and entity.what)."""
    _refuse_modifier(asked, "Patient")
    named = [one for value in asked.values for one in _local(asked, value, context, ("Patient",))]
    patients = [one for one in named if one.resource_type == "Patient"]
    return any_of([_mentions(one, context, binder) for one in patients] + [_signed_in(patients, context, binder)])


def _mentions(target: LocalReference, context: Context, binder: Binder) -> str:
    """The event has the resource among its entities, where patients stand by their tokens."""
    itself = audit_reading.on_resource(target.resource_type, target.id, binder)
    if target.resource_type not in ("", "Patient"):
        return itself
    token = context.hasher.resource("Patient", target.id)
    return any_of([itself, audit_reading.about_patients([token], binder)])


def _signed_in(persons: Sequence[LocalReference], context: Context, binder: Binder) -> str:
    forms = [form for one in persons for form in (str(one), f"{context.base_url}/{one}")]
    return audit_reading.by_user(forms, binder)


def _agent(asked: Asked, context: Context, binder: Binder) -> str:
    """The person who had signed in; with `:identifier` the client, by its client_id."""
    if asked.modifier == "identifier":
        return audit_reading.by_client([id for value in asked.values for id in _client_ids(asked, value)], binder)
    _refuse_modifier(asked, *AGENT_TYPES)
    persons = [one for value in asked.values for one in _local(asked, value, context, AGENT_TYPES)]
    return _signed_in(persons, context, binder)


def _client_ids(asked: Asked, value: str) -> list[str]:
    system, code = _token(asked, value)
    return [code] if code and system in (None, CLIENT_ID) else []


def _alternative_id(asked: Asked, _context: Context, binder: Binder) -> str:
    """agent.altId is the client_id, which has no system."""
    _refuse_modifier(asked)
    tokens = [_token(asked, value) for value in asked.values]
    return audit_reading.by_client([code for system, code in tokens if code and not system], binder)


def _entity(asked: Asked, context: Context, binder: Binder) -> str:
    _refuse_modifier(asked, *RESOURCE_TYPE_NUMBERS)
    # A bare id is one of any type; the empty name stands for that.
    named = [one for value in asked.values for one in _local(asked, value, context, ("",))]
    return any_of([_mentions(one, context, binder) for one in named])


def _token(asked: Asked, value: str) -> tuple[str | None, str]:
    """(system or None, code) of a token (search.html#token)."""
    parts = split_pipes(value)
    if len(parts) == 1:
        return None, parts[0]
    if len(parts) != 2 or not any(parts):
        raise InvalidParameterError(asked.code, value, "a token is code, system|code, |code or system|")
    return parts[0], parts[1]


def _has_token(asked: tuple[str | None, str], codings: Iterable[tuple[str, str]]) -> bool:
    system, code = asked
    return any(system in (None, of) and code in ("", found) for of, found in codings)


def _negated(asked: Asked, condition: str) -> str:
    _refuse_modifier(asked, "not")
    return f"NOT {condition}" if asked.modifier == "not" else condition


def _by_meaning(codings: Callable[[str, Meaning], list[tuple[str, str]]]) -> "Served":
    """A token parameter that the interaction alone answers."""

    def served(asked: Asked, _context: Context, binder: Binder) -> str:
        tokens = [_token(asked, value) for value in asked.values]
        named = [
            name for name, meaning in MEANINGS.items() if any(_has_token(one, codings(name, meaning)) for one in tokens)
        ]
        conditions = [audit_reading.of_interactions(named, binder)]
        if any(_has_token(one, codings("", OPERATION)) for one in tokens):
            # Names that are not in the table are those of operations.
            conditions.append(f"NOT {audit_reading.of_interactions(list(MEANINGS), binder)}")
        own = [code for system, code in tokens if system in (None, INTERACTION) and code not in ("", *MEANINGS)]
        if own and codings is _subtype_codings:
            conditions.append(audit_reading.of_interactions(own, binder))
        return _negated(asked, any_of(conditions))

    return served


def _type_codings(_name: str, meaning: Meaning) -> list[tuple[str, str]]:
    return [(meaning.type.system, meaning.type.code)]


def _subtype_codings(name: str, _meaning: Meaning) -> list[tuple[str, str]]:
    return subtypes_of(name) if name else [(RESTFUL_INTERACTION, "operation"), (INTERACTION, "")]


def _action_codings(_name: str, meaning: Meaning) -> list[tuple[str, str]]:
    return [(ACTION, meaning.action)]


def _outcome(asked: Asked, _context: Context, binder: Binder) -> str:
    tokens = [_token(asked, value) for value in asked.values]
    ranges = [
        one
        for code, ranges in OUTCOMES.items()
        if any(_has_token(token, [(OUTCOME, code)]) for token in tokens)
        for one in ranges
    ]
    return _negated(asked, any_of([audit_reading.of_statuses(low, high, binder) for low, high in ranges]))


Served = Callable[[Asked, Context, Binder], str]

_SERVED: Mapping[str, Served] = {
    "_id": _ids,
    "patient": _patient,
    "agent": _agent,
    "altid": _alternative_id,
    "entity": _entity,
    "type": _by_meaning(_type_codings),
    "subtype": _by_meaning(_subtype_codings),
    "action": _by_meaning(_action_codings),
    "outcome": _outcome,
}
SERVED_PARAMETERS = frozenset({"date", "_lastUpdated", *_SERVED})
"""The parameters that find audit events; R4's others (address, policy, ...) are refused by name."""
