"""Random criteria over the parameters of `reference_parameters.py`, which mostly find nothing (hypothesis).

`queries(resource_type)` gives decoded (name[:modifier], value) pairs.
"""

from collections.abc import Callable
from functools import cache
from operator import itemgetter

from hypothesis import strategies as st

from tests.search.drawn_resources import STATUSES
from tests.search.drawn_values import (
    BASE_URL,
    CODES,
    DAYS,
    IDS,
    KINDS,
    NUMBERS,
    REFERRED,
    STRINGS,
    SYSTEMS,
    UNITS,
    URIS,
    Strategy,
    datetimes,
    one,
)
from tests.search.reference_matching import escaped
from tests.search.reference_parameters import OF_EVERY_TYPE, PARAMETERS, parameter
from tests.search.reference_paths import Parameter
from tests.search.reference_values import PREFIXES, UCUM


def queries(resource_type: str, most: int = 3) -> Strategy[list[tuple[str, str]]]:
    """One to `most` criteria over the parameters of the type, which are joined by AND."""
    codes = sorted({*PARAMETERS[resource_type], *OF_EVERY_TYPE})
    criterion = st.sampled_from(codes).flatmap(lambda code: criteria(resource_type, code))
    return st.lists(criterion, min_size=1, max_size=most)


@cache
def criteria(resource_type: str, code: str) -> Strategy[tuple[str, str]]:
    """One (name[:modifier], value) of the parameter, now and then with an OR."""
    asked = parameter(resource_type, code)
    single = values(code, asked)
    joined = st.one_of(single, single, st.lists(single, min_size=2, max_size=3).map(",".join))
    plain = joined.map(lambda value: (code, value))
    missing = one(("true", "false")).map(lambda value: (f"{code}:missing", value))
    by_modifier = modified(resource_type, code)
    others = st.sampled_from(sorted(by_modifier.items(), key=itemgetter(0))).flatmap(
        lambda item: st.tuples(st.just(f"{code}:{item[0]}"), item[1])
    )
    return st.one_of(plain, plain, plain, missing, *([others, others] if by_modifier else []))


@cache
def modified(resource_type: str, code: str) -> dict[str, Strategy[str]]:
    """The modifiers of the parameter, other than `:missing`, each with its values."""
    asked = parameter(resource_type, code)
    return _modified(asked, values(code, asked))


@cache
def values(code: str, asked: Parameter) -> Strategy[str]:
    """One value of the parameter `code`."""
    return _VALUES[asked.kind](asked) if code != "_id" else one(IDS)


def _modified(asked: Parameter, values: Strategy[str]) -> dict[str, Strategy[str]]:
    if asked.kind == "token":
        return {"not": st.one_of(values, st.lists(values, min_size=2, max_size=2).map(",".join)), **_coded(asked)}
    if asked.kind == "string":
        return {"exact": one(STRINGS).map(escaped), "contains": _fragments()}
    if asked.kind == "uri":
        return {"above": one(URIS), "below": one(URIS)}
    if asked.kind == "reference" and asked.targets and not asked.canonical:
        return _of_literal(asked)
    return {}


def _coded(asked: Parameter) -> dict[str, Strategy[str]]:
    if asked.form == "identifier":
        kind = st.builds(f"{KINDS}|{{}}|{{}}".format, one(("MR", "DL")), one(CODES).map(escaped))
        return {"text": _string_values(asked), "of-type": kind}
    if asked.form in ("concept", "coding"):
        pair = st.builds("{}|{}".format, one(SYSTEMS), one(CODES).map(escaped))
        sets = one(("http://acme.example/vs/few", "http://acme.example/vs/whole", "ValueSet/few"))
        return {"text": _string_values(asked), "above": pair, "below": pair, "in": sets, "not-in": sets}
    return {}


def _of_literal(asked: Parameter) -> dict[str, Strategy[str]]:
    with_parts = [kind for kind in asked.targets if kind in WITH_PARTS]
    modified = {"identifier": _token_values("identifier")}
    kind = asked.targets[0]
    modified[kind] = st.builds(str.__add__, one(("", f"{kind}/")), one(REFERRED))
    if not with_parts:
        return modified
    named = st.builds("{}/{}".format, one(with_parts), one(REFERRED))
    return {**modified, "above": named, "below": named}


def _fragments() -> Strategy[str]:
    """Pieces of the stored strings, in another case now and then."""
    piece = st.tuples(one(STRINGS), st.integers(0, 3), st.integers(1, 6)).map(lambda cut: cut[0][cut[1] :][: cut[2]])
    return piece.filter(bool).flatmap(lambda text: one((text, text.upper(), text.lower()))).map(escaped)


# Types with a hierarchy by partOf, along which a reference is :above or :below another.
WITH_PARTS = ("Location", "Organization", "Encounter")


def _string_values(_: Parameter) -> Strategy[str]:
    starts = st.tuples(one(STRINGS), st.integers(1, 6)).map(lambda cut: cut[0][: cut[1]])
    return starts.flatmap(lambda text: one((text, text.upper(), text.lower()))).map(escaped)


def _token_values(form: str) -> Strategy[str]:
    code, system = one(CODES).map(escaped), one(SYSTEMS)
    pair = st.builds("{}|{}".format, system, code)
    if form == "contact":
        return st.one_of(code, st.builds("{}|{}".format, one(("home", "work")), code))
    return st.one_of(code, pair, pair, code.map("|{}".format), system.map("{}|".format))


def _plain_codes() -> tuple[str, ...]:
    statuses = [code for _, codes in STATUSES.values() for code in codes]
    others = ("male", "female", "other", "home", "work", "plan", "proposal", "true", "false", "1", "1.0")
    return tuple(dict.fromkeys((*statuses, *others)))


def _of_token(asked: Parameter) -> Strategy[str]:
    if asked.form != "plain":
        return _token_values(asked.form)
    code = one(_plain_codes())
    return st.one_of(code, code.map(f"{asked.system}|{{}}".format)) if asked.system else code


def _of_date(_: Parameter) -> Strategy[str]:
    minute = one(DAYS).map("{}T09:30Z".format)
    local = one(DAYS).map("{}T09:30:00".format)
    return st.builds(str.__add__, one(("", *PREFIXES)), st.one_of(datetimes(), datetimes(), minute, local))


def _of_number(_: Parameter) -> Strategy[str]:
    return st.builds(str.__add__, one(("", *PREFIXES)), one((*NUMBERS, "1e2", "5e0", "5.00e0")))


def _of_quantity(asked: Parameter) -> Strategy[str]:
    units = [(unit, system, code) for unit, system, code in UNITS] + [("years", UCUM, "a")]
    forms = [form for unit, system, code in units for form in (f"|{system}|{code}", f"||{code}", f"||{unit}")]
    forms += ["|urn:iso:std:iso:4217|USD", "|urn:iso:std:iso:4217|EUR"]
    return st.builds(str.__add__, _of_number(asked), st.one_of(st.just(""), st.sampled_from(forms)))


def _of_reference(asked: Parameter) -> Strategy[str]:
    if asked.canonical:
        return st.builds(str.__add__, one(URIS), one(("", "|1", "|2")))
    forms = one(("{}/{}", "{}/{}", BASE_URL + "/{}/{}", "https://other.example/fhir/{}/{}"))
    kinds = asked.targets or ("Procedure",)
    return st.one_of(one(REFERRED), st.builds(str.format, forms, one(kinds), one(REFERRED)))


def _of_composite(asked: Parameter) -> Strategy[str]:
    return st.tuples(*(_VALUES[part.kind](part) for part in asked.parts)).map("$".join)


_VALUES: dict[str, Callable[[Parameter], Strategy[str]]] = {
    "token": _of_token, "string": _string_values, "date": _of_date, "number": _of_number, "quantity": _of_quantity,
    "uri": lambda _: one(URIS), "reference": _of_reference, "composite": _of_composite,
}  # fmt: skip
