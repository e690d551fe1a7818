"""Small valid resources and queries over them, for laws of search (hypothesis).

Numbers are Decimals, whose digits `as_json` keeps. `queries` asks at random and mostly finds nothing; `aimed_criteria`
asks for what a resource holds, and mostly finds it.

Few patients, codes, days and numbers, so that queries find something; names hold the characters that escape,
fold or are wildcards elsewhere. `queries(resource_type)` gives decoded (name[:modifier], value) pairs of the parameters
in `reference_parameters.py`.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from tests.search.reference_evaluator import strings_of, tokens_of
from tests.search.reference_parameters import OF_EVERY_TYPE, PARAMETERS, Parameter, Resource, parameter
from tests.search.reference_values import PREFIXES, UCUM

Strategy = st.SearchStrategy

TYPES = tuple(PARAMETERS)
BASE_URL = "https://here.example/fhir"
SYSTEMS = ("http://loinc.org", "http://acme.example/codes")
CODES = ("44261-6", "a|b", "a,b", "a$b", "a\\b", "AMB", "amb")
IDS = ("p1", "p2", "p-3", "P1")
STRINGS = (
    "Évêque", "eveque", "Nuñez", "O'Brien, Ann", "a$b|c\\d", "100%", "100x", "a_b", "axb", "Straße", "STRASSE",
    "李", "Ann Marie", "ann", "Ångström",
)  # fmt: skip
DAYS = ("2023-12-31", "2024-01-01", "2024-02-28", "2024-02-29", "2024-03-01", "2025-01-01")
URIS = ("http://acme.example/q/phq9", "http://acme.example/q/gad7", "urn:oid:1.2.3", "http://acme.example/q/phq9/x")
NUMBERS = ("0", "1", "1.0", "1.5", "4.95", "5", "5.0", "5.05", "10", "50", "99.5", "100", "100.00", "150", "-2")
UNITS = (
    ("mg", UCUM, "mg"), ("g", UCUM, "g"), ("kilogram", UCUM, "kg"), ("cm", UCUM, "cm"), ("metre", UCUM, "m"),
    ("minutes", UCUM, "min"), ("h", UCUM, "h"), ("drinks", "http://acme.example/units", "drink"),
)  # fmt: skip

_STATUSES = {
    "Observation": ("status", ("final", "amended", "preliminary")),
    "CarePlan": ("status", ("active", "completed", "draft")),
    "Goal": ("lifecycleStatus", ("active", "completed", "proposed")),
    "Encounter": ("status", ("finished", "planned", "in-progress")),
    "QuestionnaireResponse": ("status", ("completed", "in-progress")),
    "Questionnaire": ("status", ("active", "draft", "retired")),
    "RiskAssessment": ("status", ("final", "amended")),
    "ChargeItem": ("status", ("billable", "planned")),
}


def _one(values: tuple[str, ...]) -> Strategy[str]:
    return st.sampled_from(values)


def _object(required: dict[str, Strategy[Any]] | None = None, **optional: Strategy[Any]) -> Strategy[Resource]:
    return st.fixed_dictionaries(required or {}, optional=optional)


def _some(element: Strategy[Any], most: int = 2) -> Strategy[list[Any]]:
    return st.lists(element, min_size=1, max_size=most)


@st.composite
def datetimes(draw: st.DrawFn) -> str:
    """A dateTime of any precision and of several zones, around the ends of days, months and years."""
    day = draw(_one(DAYS))
    form = draw(st.sampled_from(("year", "month", "day", "second", "millisecond")))
    if form in ("year", "month", "day"):
        return {"year": day[:4], "month": day[:7], "day": day}[form]
    time = draw(_one(("00:00:00", "09:30:00", "09:30:59", "23:59:59")))
    fraction = draw(_one((".000", ".250", ".999"))) if form == "millisecond" else ""
    return f"{day}T{time}{fraction}{draw(_one(('Z', '+05:30', '-08:00')))}"


def dates() -> Strategy[str]:
    """A date of any precision."""
    return _one(DAYS).flatmap(lambda day: _one((day, day[:7], day[:4])))


@st.composite
def periods(draw: st.DrawFn) -> Resource:
    """A Period with one end or two, the later one not before the other (per-1)."""
    first, last = sorted((draw(_one(DAYS)), draw(_one(DAYS))))
    return draw(st.sampled_from(({"start": first, "end": last}, {"start": first}, {"end": last})))


def timings() -> Strategy[Resource]:
    return st.one_of(
        _object({"event": _some(datetimes(), 3)}),
        _object({"repeat": _object({"boundsPeriod": periods()})}),
    )


def codings() -> Strategy[Resource]:
    return _object({"code": _one(CODES)}, system=_one(SYSTEMS))


def concepts() -> Strategy[Resource]:
    return _object({"coding": _some(codings())}, text=_one(STRINGS))


def identifiers() -> Strategy[Resource]:
    return _object({"value": _one(CODES)}, system=_one(SYSTEMS))


def references(*types: str) -> Strategy[Resource]:
    """A reference that is relative, versioned, of this server's or another one's address, or only an identifier."""
    literal = st.builds(
        str.format,
        _one(("{}/{}", "{}/{}/_history/2", BASE_URL + "/{}/{}", "https://other.example/fhir/{}/{}")),
        _one(types),
        _one(IDS),
    )
    by_identifier = _object({"type": st.just(types[0]), "identifier": identifiers()})
    return st.one_of(_object({"reference": literal}), _object({"reference": literal}), by_identifier)


@st.composite
def quantities(draw: st.DrawFn) -> Resource:
    unit, system, code = draw(st.sampled_from(UNITS))
    whole = {"value": _number(draw(_one(NUMBERS))), "unit": unit, "system": system, "code": code}
    for absent in draw(st.sampled_from(((), (), ("system", "code"), ("unit",), ("unit", "system", "code")))):
        del whole[absent]
    comparator = draw(st.sampled_from((None, None, None, "<", "<=", ">", ">=")))
    return {**whole, "comparator": comparator} if comparator else whole


def _number(text: str) -> Decimal | int:
    return Decimal(text) if "." in text else int(text)


def ages() -> Strategy[Resource]:
    return st.fixed_dictionaries({
        "value": st.integers(1, 90), "unit": st.just("years"), "system": st.just(UCUM), "code": st.just("a")
    })  # fmt: skip


def durations() -> Strategy[Resource]:
    return st.fixed_dictionaries({
        "value": st.integers(1, 120), "system": st.just(UCUM), "code": st.sampled_from(("min", "h", "d"))
    })  # fmt: skip


def names() -> Strategy[Resource]:
    parts = _object(family=_one(STRINGS), given=_some(_one(STRINGS)), text=_one(STRINGS), prefix=_some(_one(STRINGS)))
    return parts.filter(bool)


def _patients() -> Strategy[Resource]:
    point = _object({"system": _one(("phone", "email")), "value": _one(CODES)}, use=_one(("home", "work")))
    address = _object(city=_one(STRINGS), line=_some(_one(STRINGS)), postalCode=_one(CODES), use=_one(("home", "work")))
    # The value set of languages is closed (elementdefinition-maxValueSet), though its binding is only preferred.
    languages = _object({"coding": _some(_object({"system": st.just("urn:ietf:bcp:47"), "code": _one(("en", "es"))}))})
    deceased = st.one_of(
        _object(), _object({"deceasedBoolean": st.booleans()}), _object({"deceasedDateTime": datetimes()})
    )
    return _merged(deceased, _object(
        active=st.booleans(), address=_some(address.filter(bool)), birthDate=dates(),
        communication=_some(_object({"language": languages})), gender=_one(("male", "female", "other", "unknown")),
        generalPractitioner=_some(references("Practitioner", "Organization")), identifier=_some(identifiers()),
        managingOrganization=references("Organization"), name=_some(names()), telecom=_some(point),
    ))  # fmt: skip


def _observations() -> Strategy[Resource]:
    component = _merged(
        _object({"code": concepts()}),
        _choice({"valueQuantity": quantities(), "valueCodeableConcept": concepts(), "valueString": _one(STRINGS)}),
    )
    value = {
        "valueQuantity": quantities(), "valueCodeableConcept": concepts(), "valueString": _one(STRINGS),
        "valueDateTime": datetimes(), "valuePeriod": periods(), "dataAbsentReason": concepts(),
    }  # fmt: skip
    return _merged(_choice(value), _choice(_times("effective")), _object(
        {"code": concepts()}, category=_some(concepts()), component=_some(component),
        derivedFrom=_some(references("Observation", "QuestionnaireResponse")), encounter=references("Encounter"),
        identifier=_some(identifiers()), performer=_some(references("Practitioner", "Patient")),
        subject=references("Patient", "Group"),
    )).filter(_keeps_obs_7)  # fmt: skip


def _times(stem: str) -> dict[str, Strategy[Any]]:
    return {f"{stem}DateTime": datetimes(), f"{stem}Period": periods(), f"{stem}Timing": timings()}


def _keeps_obs_7(observation: Resource) -> bool:
    # obs-7: with a value of its own, no component may have the observation's code.
    own = observation["code"]["coding"]
    components = (coding for part in observation.get("component", []) for coding in part["code"]["coding"])
    return not any(name.startswith("value") for name in observation) or not any(code in own for code in components)


def _conditions() -> Strategy[Resource]:
    status = st.just({"coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved"}
    ]})  # fmt: skip
    onset = {
        "onsetDateTime": datetimes(), "onsetPeriod": periods(), "onsetAge": ages(), "onsetString": _one(STRINGS)
    }  # fmt: skip
    ended = _merged(
        _object({"clinicalStatus": status}),
        _choice({"abatementDateTime": datetimes(), "abatementPeriod": periods()}),
    )  # con-4: what has ended is not active.
    return _merged(_choice(onset), st.one_of(_object(), ended), _object(
        {"subject": references("Patient", "Group")}, category=_some(concepts()), code=concepts(),
        encounter=references("Encounter"), identifier=_some(identifiers()), recordedDate=datetimes(),
        severity=concepts(),
    ))  # fmt: skip


def _care_plans() -> Strategy[Resource]:
    detail = _merged(
        _object({"status": st.just("scheduled")}, code=concepts()),
        _choice({"scheduledPeriod": periods(), "scheduledTiming": timings()}),
    )
    return _object(
        {"intent": _one(("plan", "proposal")), "subject": references("Patient", "Group")},
        activity=_some(_object({"detail": detail})), addresses=_some(references("Condition")),
        category=_some(concepts()), encounter=references("Encounter"), goal=_some(references("Goal")),
        identifier=_some(identifiers()), instantiatesUri=_some(_one(URIS)), period=periods(),
    )  # fmt: skip


def _goals() -> Strategy[Resource]:
    return _object(
        {"description": concepts(), "subject": references("Patient", "Group", "Organization")},
        category=_some(concepts()), identifier=_some(identifiers()), startDate=dates(),
        target=_some(_object({"dueDate": dates()})),
    )  # fmt: skip


def _encounters() -> Strategy[Resource]:
    place = _object({"location": references("Location")}, period=periods())
    who = _object({"individual": references("Practitioner", "RelatedPerson")})
    return _object(
        {"class": codings()}, identifier=_some(identifiers()), length=durations(), location=_some(place),
        participant=_some(who), period=periods(), reasonCode=_some(concepts()),
        subject=references("Patient", "Group"), type=_some(concepts()),
    )  # fmt: skip


def _responses() -> Strategy[Resource]:
    canonical = st.builds(str.__add__, _one(URIS), _one(("", "|1", "|2")))
    return _object(
        author=references("Practitioner", "Patient"), authored=datetimes(), encounter=references("Encounter"),
        identifier=identifiers(), questionnaire=canonical, subject=references("Patient", "Group"),
    )  # fmt: skip


def _questionnaires() -> Strategy[Resource]:
    return _object(
        date=datetimes(), description=_one(STRINGS), effectivePeriod=periods(), identifier=_some(identifiers()),
        name=_one(STRINGS), title=_one(STRINGS), url=_one(URIS), version=_one(("1", "2", "1.0")),
    )  # fmt: skip


def _risk_assessments() -> Strategy[Resource]:
    chance = _one(("0", "0.05", "1", "1.5", "5", "50", "99.5", "100")).map(_number)
    prediction = _object(probabilityDecimal=chance, qualitativeRisk=concepts()).filter(bool)
    return _object(
        {"subject": references("Patient", "Group")}, identifier=_some(identifiers()), method=concepts(),
        occurrenceDateTime=datetimes(), prediction=_some(prediction),
    )  # fmt: skip


def _charge_items() -> Strategy[Resource]:
    money = _object({"value": _one(NUMBERS).map(_number)}, currency=_one(("USD", "EUR")))
    return _merged(_choice(_times("occurrence")), _object(
        {"code": concepts(), "subject": references("Patient", "Group")}, enteredDate=datetimes(),
        factorOverride=_one(NUMBERS).map(_number), identifier=_some(identifiers()), priceOverride=money,
        quantity=quantities(),
    ))  # fmt: skip


def _choice(values: dict[str, Strategy[Any]]) -> Strategy[Resource]:
    """One of the values, or none."""
    return st.one_of(_object(), *(_object({name: value}) for name, value in values.items()))


def _merged(*parts: Strategy[Resource]) -> Strategy[Resource]:
    return st.tuples(*parts).map(lambda found: {name: value for part in found for name, value in part.items()})


_BODIES: dict[str, Callable[[], Strategy[Resource]]] = {
    "Patient": _patients, "Observation": _observations, "Condition": _conditions, "CarePlan": _care_plans,
    "Goal": _goals, "Encounter": _encounters, "QuestionnaireResponse": _responses,
    "Questionnaire": _questionnaires, "RiskAssessment": _risk_assessments, "ChargeItem": _charge_items,
}  # fmt: skip


def resources(resource_type: str) -> Strategy[Resource]:
    """A small valid resource of the type; `meta` holds tags, labels, profiles and a source, never lastUpdated."""
    meta = _object(
        tag=_some(codings()), security=_some(codings()), profile=_some(_one(URIS)), source=_one(URIS)
    ).filter(bool)  # fmt: skip
    fixed: dict[str, Strategy[Any]] = {"resourceType": st.just(resource_type), "id": _one(IDS)}
    if resource_type in _STATUSES:
        element, codes = _STATUSES[resource_type]
        fixed[element] = _one(codes)
    return _merged(_object(fixed, meta=meta), _BODIES[resource_type]())


def any_resources() -> Strategy[Resource]:
    """A small valid resource of one of `TYPES`."""
    return st.one_of(*(resources(resource_type) for resource_type in TYPES))


def escaped(text: str) -> str:
    r"""The text as a search value: backslash, comma, dollar and pipe are escaped (search.html#escaping)."""
    return re.sub(r"([\\,$|])", r"\\\1", text)


def queries(resource_type: str, most: int = 3) -> Strategy[list[tuple[str, str]]]:
    """One to `most` criteria over the parameters of the type, which are joined by AND."""
    codes = sorted({*PARAMETERS[resource_type], *OF_EVERY_TYPE})
    criterion = st.sampled_from(codes).flatmap(lambda code: criteria(resource_type, code))
    return st.lists(criterion, min_size=1, max_size=most)


def criteria(resource_type: str, code: str) -> Strategy[tuple[str, str]]:
    """One (name[:modifier], value) of the parameter, now and then with an OR."""
    asked = parameter(resource_type, code)
    values = _VALUES[asked.kind](asked) if code != "_id" else _one(IDS)
    joined = st.one_of(values, values, st.lists(values, min_size=2, max_size=3).map(",".join))
    plain = joined.map(lambda value: (code, value))
    missing = _one(("true", "false")).map(lambda value: (f"{code}:missing", value))
    modified = [
        st.tuples(st.just(f"{code}:{modifier}"), values) for modifier, values in _modified(asked, values).items()
    ]
    return st.one_of(plain, plain, plain, missing, *modified)


def _modified(asked: Parameter, values: Strategy[str]) -> dict[str, Strategy[str]]:
    if asked.kind == "token":
        return {"not": st.one_of(values, st.lists(values, min_size=2, max_size=2).map(",".join))}
    if asked.kind == "string":
        return {"exact": _one(STRINGS).map(escaped), "contains": _fragments()}
    if asked.kind == "reference" and asked.elements({"questionnaire": "x"}) == []:
        only = asked.only or "Patient"
        return {
            "identifier": _token_values("identifier"),
            only: st.one_of(_one(IDS), _one(IDS).map(f"{only}/{{}}".format)),
        }
    return {}


def _fragments() -> Strategy[str]:
    """Pieces of the stored strings, in another case now and then."""
    piece = st.tuples(_one(STRINGS), st.integers(0, 3), st.integers(1, 6)).map(lambda cut: cut[0][cut[1] :][: cut[2]])
    return piece.filter(bool).flatmap(lambda text: _one((text, text.upper(), text.lower()))).map(escaped)


def _string_values(_: Parameter) -> Strategy[str]:
    starts = st.tuples(_one(STRINGS), st.integers(1, 6)).map(lambda cut: cut[0][: cut[1]])
    return starts.flatmap(lambda text: _one((text, text.upper(), text.lower()))).map(escaped)


def _token_values(form: str) -> Strategy[str]:
    code, system = _one(CODES).map(escaped), _one(SYSTEMS)
    pair = st.builds("{}|{}".format, system, code)
    if form == "contact":
        return st.one_of(code, st.builds("{}|{}".format, _one(("home", "work")), code))
    return st.one_of(code, pair, pair, code.map("|{}".format), system.map("{}|".format))


def _plain_codes() -> tuple[str, ...]:
    statuses = [code for _, codes in _STATUSES.values() for code in codes]
    others = ("male", "female", "other", "home", "work", "plan", "proposal", "true", "false", "1", "1.0")
    return tuple(dict.fromkeys((*statuses, *others)))


def _of_token(asked: Parameter) -> Strategy[str]:
    if asked.form != "plain":
        return _token_values(asked.form)
    code = _one(_plain_codes())
    return st.one_of(code, code.map(f"{asked.system}|{{}}".format)) if asked.system else code


def _of_date(_: Parameter) -> Strategy[str]:
    minute = _one(DAYS).map("{}T09:30Z".format)
    local = _one(DAYS).map("{}T09:30:00".format)
    return st.builds(str.__add__, _one(("", *PREFIXES)), st.one_of(datetimes(), datetimes(), minute, local))


def _of_number(_: Parameter) -> Strategy[str]:
    return st.builds(str.__add__, _one(("", *PREFIXES)), _one((*NUMBERS, "1e2", "5e0", "5.00e0")))


def _of_quantity(asked: Parameter) -> Strategy[str]:
    units = [(unit, system, code) for unit, system, code in UNITS] + [("years", UCUM, "a")]
    forms = [form for unit, system, code in units for form in (f"|{system}|{code}", f"||{code}", f"||{unit}")]
    forms += ["|urn:iso:std:iso:4217|USD", "|urn:iso:std:iso:4217|EUR"]
    return st.builds(str.__add__, _of_number(asked), st.one_of(st.just(""), st.sampled_from(forms)))


def _of_reference(asked: Parameter) -> Strategy[str]:
    if asked.elements({"questionnaire": "x"}):
        return st.builds(str.__add__, _one(URIS), _one(("", "|1", "|2")))
    any_kind = ("Patient", "Group", "Practitioner", "Organization", "Encounter", "Condition", "Goal", "Observation")
    kinds = (asked.only,) if asked.only else any_kind
    forms = _one(("{}/{}", "{}/{}", BASE_URL + "/{}/{}", "https://other.example/fhir/{}/{}"))
    return st.one_of(_one(IDS), st.builds(str.format, forms, _one(kinds), _one(IDS)))


def _of_composite(asked: Parameter) -> Strategy[str]:
    return st.tuples(*(_VALUES[part.kind](part) for part in asked.parts)).map("$".join)


_VALUES: dict[str, Callable[[Parameter], Strategy[str]]] = {
    "token": _of_token, "string": _string_values, "date": _of_date, "number": _of_number, "quantity": _of_quantity,
    "uri": lambda _: _one(URIS), "reference": _of_reference, "composite": _of_composite,
}  # fmt: skip


def as_json(resource: Resource) -> bytes:
    """The resource as JSON with the digits of its numbers."""
    return msgspec.json.Encoder(decimal_format="number").encode(resource)


@st.composite
def aimed_criteria(draw: st.DrawFn, resource: Resource) -> tuple[str, str]:
    """A criterion about something that the resource holds; with a prefix other than eq it may still not match."""
    of_type = {**OF_EVERY_TYPE, **PARAMETERS[resource["resourceType"]]}
    held = {code: asked for code, asked in sorted(of_type.items()) if _aim(asked, resource)}
    kind = draw(st.sampled_from(sorted({asked.kind for asked in held.values()})))
    code = draw(st.sampled_from([code for code, asked in held.items() if asked.kind == kind]))
    text = draw(st.sampled_from(_aim(held[code], resource)))
    return code, draw(_prefixed(text)) if kind in _ORDERED else text


_ORDERED = ("date", "number", "quantity")


def _prefixed(text: str) -> Strategy[str]:
    return _one(("", *PREFIXES)).map(lambda prefix: prefix + text)


def _aim(asked: Parameter, resource: Resource) -> list[str]:
    """Values, without prefix, that ask for what the parameter finds in the resource."""
    if asked.kind == "composite":
        first, second = asked.parts
        return [
            f"{one}${other}"
            for element in asked.elements(resource)
            for one in _aim(first, element)
            for other in _aim(second, element)
        ]
    return [text for element in asked.elements(resource) for text in _AIMS[asked.kind](asked, element)]


def _aim_at_token(asked: Parameter, element: Any) -> list[str]:
    found = []
    for system, code in tokens_of(asked, element):
        text = escaped(code or "")
        found += [text, f"{system}|{text}", f"{system}|"] if system else [text]
    return [text for text in found if text]


def _aim_at_reference(asked: Parameter, element: Any) -> list[str]:
    if isinstance(element, str):
        return [element, element.partition("|")[0]]
    literal = element.get("reference", "").removesuffix("/_history/2")
    if asked.only and f"{asked.only}/" not in literal:
        return []
    if not literal.startswith("https://other.example/"):
        return [literal, literal.rpartition("/")[2]] if literal else []
    return [literal]


def _aim_at_date(_: Parameter, element: Any) -> list[str]:
    if isinstance(element, str):
        return [element, element[:10], element[:7], element[:4]]
    parts = element.get("repeat", {}).get("boundsPeriod", {}) if "repeat" in element else element
    return [*element.get("event", []), *(parts[end] for end in ("start", "end") if end in parts)]


def _aim_at_quantity(_: Parameter, element: Any) -> list[str]:
    number = str(element["value"])
    coded = "system" in element and "code" in element
    return [
        number,
        *([f"{number}|{element['system']}|{element['code']}"] if coded else []),
        *([f"{number}||{element['unit']}"] if "unit" in element else []),
    ]


_AIMS: dict[str, Callable[[Parameter, Any], list[str]]] = {
    "token": _aim_at_token,
    "reference": _aim_at_reference,
    "date": _aim_at_date,
    "quantity": _aim_at_quantity,
    "number": lambda _, element: [str(element)],
    "string": lambda _, element: [escaped(text) for text in strings_of(element)],
    "uri": lambda _, element: [element],
}
