"""Small values of R4 datatypes, few of each kind, so that queries find something (hypothesis).

Names hold the characters that escape, fold or are wildcards elsewhere. Numbers are Decimals, which keep their digits.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.search.reference_paths import Resource
from tests.search.reference_values import UCUM

Strategy = st.SearchStrategy
Value = TypeVar("Value")

BASE_URL = "https://here.example/fhir"
SYSTEMS = ("http://loinc.org", "http://acme.example/codes")
KINDS = "http://terminology.hl7.org/CodeSystem/v2-0203"
CODES = ("44261-6", "a|b", "a,b", "a$b", "a\\b", "AMB", "amb")
IDS = ("p1", "p2", "p-3", "P1")
REFERRED = (*IDS, "gone")
STRINGS = (
    "Évêque", "eveque", "Nuñez", "O'Brien, Ann", "a$b|c\\d", "100%", "100x", "a_b", "axb", "Straße", "STRASSE",
    "李", "Ann Marie", "ann", "Ångström", "Mango plum",
)  # fmt: skip
# Of a plain alphabet and the stems of themselves, so that every dictionary has them as they are.
WORDS = ("plum", "fig", "mango")
# Towns far from one another, in degrees north and east.
PLACES = ((42.25, -83.69), (42.33, -83.05), (-33.87, 151.21), (0, 179.95), (0, -179.95), (89.9, 10), (89.9, -170))
DAYS = ("2023-12-31", "2024-01-01", "2024-02-28", "2024-02-29", "2024-03-01", "2025-01-01")
URIS = (
    "http://acme.example/q/phq9", "http://acme.example/q/gad7", "urn:oid:1.2.3", "http://acme.example/q/phq9/x",
    "http://acme.example/q/phq99", "http://acme.example/q",
)  # fmt: skip
NUMBERS = ("0", "1", "1.0", "1.5", "4.95", "5", "5.0", "5.05", "10", "50", "99.5", "100", "100.00", "150", "-2")
UNITS = (
    ("mg", UCUM, "mg"), ("g", UCUM, "g"), ("kilogram", UCUM, "kg"), ("cm", UCUM, "cm"), ("metre", UCUM, "m"),
    ("minutes", UCUM, "min"), ("h", UCUM, "h"), ("drinks", "http://acme.example/units", "drink"),
)  # fmt: skip


def one(values: Sequence[Value]) -> Strategy[Value]:
    return st.sampled_from(values)


def picked(draw: st.DrawFn, values: Sequence[Value]) -> Value:
    """One of the values."""
    # By number: hypothesis describes what it draws from, and the description of a record is long.
    return values[draw(st.integers(0, len(values) - 1))]


def having(required: dict[str, Strategy[Any]] | None = None, **optional: Strategy[Any]) -> Strategy[Resource]:
    return st.fixed_dictionaries(required or {}, optional=optional)


def some(element: Strategy[Any], most: int = 2) -> Strategy[list[Any]]:
    return st.lists(element, min_size=1, max_size=most)


def choice(values: dict[str, Strategy[Any]]) -> Strategy[Resource]:
    """One of the values, or none."""
    return st.one_of(having(), *(having({name: value}) for name, value in values.items()))


def merged(*parts: Strategy[Resource]) -> Strategy[Resource]:
    return st.tuples(*parts).map(lambda found: {name: value for part in found for name, value in part.items()})


@st.composite
def datetimes(draw: st.DrawFn) -> str:
    """A dateTime of any precision and of several zones, around the ends of days, months and years."""
    day = draw(one(DAYS))
    form = draw(st.sampled_from(("year", "month", "day", "second", "millisecond")))
    if form in ("year", "month", "day"):
        return {"year": day[:4], "month": day[:7], "day": day}[form]
    time = draw(one(("00:00:00", "09:30:00", "09:30:59", "23:59:59")))
    fraction = draw(one((".000", ".250", ".999"))) if form == "millisecond" else ""
    return f"{day}T{time}{fraction}{draw(one(('Z', '+05:30', '-08:00')))}"


def dates() -> Strategy[str]:
    """A date of any precision."""
    return one(DAYS).flatmap(lambda day: one((day, day[:7], day[:4])))


@st.composite
def periods(draw: st.DrawFn) -> Resource:
    """A Period with one end or two, the later one not before the other (per-1)."""
    first, last = sorted((draw(one(DAYS)), draw(one(DAYS))))
    return draw(st.sampled_from(({"start": first, "end": last}, {"start": first}, {"end": last})))


def timings() -> Strategy[Resource]:
    return st.one_of(
        having({"event": some(datetimes(), 3)}),
        having({"repeat": having({"boundsPeriod": periods()})}),
    )


def codings() -> Strategy[Resource]:
    return having({"code": one(CODES)}, system=one(SYSTEMS), display=one(STRINGS))


def concepts() -> Strategy[Resource]:
    return having({"coding": some(codings())}, text=one(STRINGS))


def identifiers() -> Strategy[Resource]:
    kinds = having({"coding": some(having({"system": st.just(KINDS), "code": one(("MR", "DL"))}))}, text=one(STRINGS))
    return having({"value": one(CODES)}, system=one(SYSTEMS), type=kinds)


def references(*types: str) -> Strategy[Resource]:
    """A reference that is relative, versioned, of this server's or another one's address, or only an identifier."""
    literal = st.builds(
        str.format,
        one(("{}/{}", "{}/{}/_history/2", BASE_URL + "/{}/{}", "https://other.example/fhir/{}/{}")),
        st.sampled_from(types),
        one(REFERRED),
    )
    by_identifier = having({"type": st.just(types[0]), "identifier": identifiers()})
    return st.one_of(having({"reference": literal}), having({"reference": literal}), by_identifier)


def parents(kind: str) -> Strategy[Resource]:
    """A reference within this server, so that there are hierarchies."""
    return one(REFERRED).map(lambda id: {"reference": f"{kind}/{id}"})


@st.composite
def quantities(draw: st.DrawFn) -> Resource:
    unit, system, code = draw(st.sampled_from(UNITS))
    whole = {"value": number_of(draw(one(NUMBERS))), "unit": unit, "system": system, "code": code}
    for absent in draw(st.sampled_from(((), (), ("system", "code"), ("unit",), ("unit", "system", "code")))):
        del whole[absent]
    comparator = draw(st.sampled_from((None, None, None, "<", "<=", ">", ">=")))
    return {**whole, "comparator": comparator} if comparator else whole


def number_of(text: str) -> Decimal | int:
    return Decimal(text) if "." in text else int(text)


def ages() -> Strategy[Resource]:
    return st.fixed_dictionaries({
        "value": st.integers(1, 90), "unit": st.just("years"), "system": st.just(UCUM), "code": st.just("a")
    })  # fmt: skip


def durations() -> Strategy[Resource]:
    return st.fixed_dictionaries({
        "value": st.integers(1, 120), "system": st.just(UCUM), "code": st.sampled_from(("min", "h", "d"))
    })  # fmt: skip


def narratives() -> Strategy[Resource]:
    """A text of a few `WORDS`, with a tag around one of them."""
    words = st.lists(one(WORDS), min_size=1, max_size=3).map(lambda found: f"<b>{found[0]}</b> " + " ".join(found[1:]))
    return having({
        "status": st.just("generated"),
        "div": words.map('<div xmlns="http://www.w3.org/1999/xhtml"><p>{}</p></div>'.format),
    })  # fmt: skip


def names() -> Strategy[Resource]:
    parts = having(family=one(STRINGS), given=some(one(STRINGS)), text=one(STRINGS), prefix=some(one(STRINGS)))
    return parts.filter(bool)
