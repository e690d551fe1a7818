"""Criteria of no type: words, lists, places (hypothesis; FHIR R4, search.html#all, location.html#search)."""

from functools import cache

from hypothesis import strategies as st

from tests.search.drawn_values import PLACES, REFERRED, WORDS, Strategy, one

Pair = tuple[str, str]


@cache
def specials(resource_type: str) -> Strategy[Pair]:
    """A criterion on the type by `_text`, `_content`, `_list` or, of a Location, `near`."""
    texts = st.tuples(one(("_text", "_content")), _words())
    lists = st.tuples(st.just("_list"), st.builds(str.__add__, one(("", "List/")), one(REFERRED)))
    return st.one_of(texts, lists, near()) if resource_type == "Location" else st.one_of(texts, lists)


@cache
def single_specials(resource_type: str) -> Strategy[Pair]:
    """The same with one value, as in a `_filter`."""
    return specials(resource_type).filter(lambda pair: "," not in pair[1])


def _words() -> Strategy[str]:
    forms = ("{}", "{}", "{} {}", "{} or {}", '"{} {}"', "-{}")
    return st.builds(str.format, one(forms), _word(), _word())


def _word() -> Strategy[str]:
    return one(WORDS).flatmap(lambda word: one((word, word.upper())))


def near() -> Strategy[Pair]:
    """Around one of `PLACES`, no distance of which is near another's."""
    around = one(PLACES).map(lambda place: f"{place[0]}|{place[1]}")
    distances = one(("", "|", "|20", "|20|km", "|300|km", "|900000|m", "|100|[mi_i]", "||km"))
    place = st.builds(str.__add__, around, distances)
    return st.tuples(st.just("near"), st.one_of(place, st.lists(place, min_size=2, max_size=2).map(",".join)))
