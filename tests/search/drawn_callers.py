"""Who may ask: callers with broad, narrow, mixed and void scopes (hypothesis; SMART 2.2, scopes-and-launch-context.html)."""

from collections.abc import Callable, Mapping

from hypothesis import strategies as st

from tests.search.drawn_resources import TYPES
from tests.search.drawn_values import IDS, Strategy, one
from tests.search.reference_record import Caller

# A search goes by `s`, an include by `r` and a write by neither.
_LETTERS = ("rs", "rs", "cruds", "s", "s", "r", "cud")
_SYSTEM, _SIDES = ("system", "user"), ("patient", "patient", "system", "user")
# Value sets and code systems are read like anything else.
_NAMES = (*TYPES, *TYPES, "ValueSet", "CodeSystem", "*")


@st.composite
def callers(draw: st.DrawFn) -> Caller:
    """Three of eight see everything; each may search some type."""
    return draw(_FORMS[draw(one(_NAMES_OF_FORMS))]())


@st.composite
def _of_types(draw: st.DrawFn) -> Caller:
    types = draw(st.lists(one(TYPES), min_size=1, max_size=6, unique=True))
    return Caller(" ".join(f"{draw(one(_SYSTEM))}/{name}.rs" for name in ("Patient", *types)))


@st.composite
def _of_one_type(draw: st.DrawFn) -> Caller:
    return Caller(f"{draw(one(_SYSTEM))}/{draw(one(TYPES))}.{draw(one(('rs', 's')))}")


@st.composite
def _of_letters(draw: st.DrawFn) -> Caller:
    """Some letters of some types, of everybody."""
    words = draw(_words(_SYSTEM))
    return Caller(" ".join([f"system/{draw(one(('Patient', 'Observation')))}.s", *words]))


@st.composite
def _of_a_patient(draw: st.DrawFn) -> Caller:
    return Caller(f"patient/*.{draw(one(('rs', 'rs', 's')))}", draw(one(IDS)))


@st.composite
def _mixed(draw: st.DrawFn) -> Caller:
    """Some letters of some types, of the patient or of everybody."""
    words = draw(_words(_SIDES))
    return Caller(" ".join([f"patient/Patient.{draw(one(('rs', 's')))}", *words]), draw(one(IDS)))


@st.composite
def _without_patient(draw: st.DrawFn) -> Caller:
    """`patient/` scopes without a patient, beside others."""
    words = draw(_words(_SIDES))
    return Caller(" ".join(["patient/*.rs", f"user/{draw(one(TYPES))}.rs", *words]))


@st.composite
def _words(draw: st.DrawFn, sides: tuple[str, ...]) -> list[str]:
    names = draw(st.lists(one(_NAMES), min_size=1, max_size=6, unique=True))
    return [f"{draw(one(sides))}/{name}.{draw(one(_LETTERS))}" for name in names]


_FORMS: Mapping[str, Callable[[], Strategy[Caller]]] = {
    "everything": lambda: st.just(Caller()),
    "types": _of_types,
    "one type": _of_one_type,
    "letters": _of_letters,
    "patient": _of_a_patient,
    "mixed": _mixed,
    "void": _without_patient,
}
_NAMES_OF_FORMS = ("everything",) * 6 + ("letters", "patient", "mixed") * 2 + ("types", "one type", "void")
