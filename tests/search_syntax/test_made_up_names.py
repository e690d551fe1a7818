"""What a client may make up without end is not remembered without end: names and values of a search (R4, search.html)."""

import gc
from contextlib import suppress
from datetime import UTC, datetime
from functools import _lru_cache_wrapper

from bhr_api.access import Caller, parse_scopes
from bhr_api.errors import RefusalError
from bhr_api.search.meaning import SearchContext
from bhr_api.search.query import parse_query
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.visibility import Visibility

ASKED = [
    ("{}", "x"),
    ("code:{}", "x"),
    ("subject.{}", "x"),
    ("subject:Patient.{}", "x"),
    ("_has:Condition:subject:{}", "x"),
    ("_filter", "{} eq x"),
    ("_filter", "subject.{} eq x"),
    ("_sort", "{}"),
    ("_include", "Observation:{}"),
    ("code", "{}"),
    ("code", "{}|{}"),
    ("subject", "{}/1"),
    ("component-code-value-quantity", "a${}"),
    ("value-quantity", "1||{}"),
]


def remembered() -> int:
    """How much all caches without a bound hold."""
    caches = [one for one in gc.get_objects() if isinstance(one, _lru_cache_wrapper)]
    return sum(one.cache_info().currsize for one in caches if one.cache_info().maxsize is None)


def ask(made_up: str) -> None:
    hasher = TokenHasher(bytes(32))
    caller = Caller(1, "c", parse_scopes("system/*.rs"))
    context = SearchContext(hasher, "http://127.0.0.1/fhir", datetime.now(UTC), Visibility.of(caller, hasher))
    for name, value in ASKED:
        with suppress(RefusalError):
            pair = name.replace("{}", made_up), value.replace("{}", made_up)
            parse_query("Observation", [pair], context.afresh())


def test_made_up_names_and_values_leave_nothing_behind() -> None:
    ask("first")
    before = remembered()
    for number in range(3):
        ask(f"another{number}")
    assert remembered() == before
