"""Expansion, membership and a naive model agree on random value sets over random hierarchies."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bhr_api.fhir.definitions import Resource
from tests.fhir.terminology.naive_terminology import NaiveTerminology
from tests.fhir.terminology.resources import BASE, code_system, include, terminology, value_set

CODES = "abcdefgh"
SYSTEMS = ["https://example.org/CodeSystem/one", "https://example.org/CodeSystem/two"]


@st.composite
def hierarchies(draw: st.DrawFn, url: str) -> Resource:
    """Every code hangs nested below an earlier one or at the top; some have further parents by property."""
    top: list[Resource] = []
    made: list[Resource] = []
    for code in CODES:
        properties: list[Resource] = []
        if draw(st.booleans()) and made:
            properties.append({"code": "parent", "valueCode": draw(st.sampled_from(made))["code"]})
        properties += [
            {"code": name, "valueBoolean": True}
            for name in ("notSelectable", "inactive")
            if draw(st.integers(0, 4)) == 0
        ]
        concept: Resource = {"code": code, "property": properties}
        parent = draw(st.sampled_from([None, *made]))
        (top if parent is None else parent.setdefault("concept", [])).append(concept)
        made.append(concept)
    return code_system(top, url=url)


FILTERS = st.one_of(
    st.tuples(
        st.just("concept"),
        st.sampled_from(["is-a", "descendent-of", "is-not-a", "generalizes"]),
        st.sampled_from(CODES),
    ),
    st.tuples(
        st.just("code"), st.sampled_from(["in", "not-in"]), st.sets(st.sampled_from(CODES), min_size=1).map(",".join)
    ),
)


@st.composite
def includes(draw: st.DrawFn, number: int) -> Resource:
    """One include; it may import the value sets with lower numbers."""
    names = [f"v{one}" for one in range(number)]
    imported: list[str] = draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if names else []
    is_import_alone = draw(st.booleans())
    if imported and is_import_alone:
        return include(system=None, value_sets=imported)
    system = draw(st.sampled_from(SYSTEMS))
    if draw(st.booleans()):
        codes = draw(st.lists(st.sampled_from(CODES), min_size=1, max_size=4))
        return include(*codes, system=system, value_sets=imported)
    return include(system=system, value_sets=imported, filters=draw(st.lists(FILTERS, max_size=2)))


@st.composite
def value_sets(draw: st.DrawFn) -> list[Resource]:
    made = []
    for number in range(draw(st.integers(1, 4))):
        part = st.lists(includes(number), min_size=1, max_size=3)
        compose = draw(st.sampled_from([{}, {"inactive": True}, {"inactive": False}]))
        made.append(value_set(f"v{number}", *draw(part), exclude=draw(st.one_of(st.just([]), part)), **compose))
    return made


@settings(max_examples=400, deadline=None)
@given(st.tuples(*(hierarchies(url) for url in SYSTEMS)), value_sets(), st.booleans())
def test_expansion_and_membership_agree_with_the_model(
    systems: tuple[Resource, ...], made: list[Resource], allow_abstract: bool
) -> None:
    model = NaiveTerminology(systems, made)
    terms = terminology(*systems, *made)

    for number in range(len(made)):
        url = f"{BASE}v{number}"
        expected = model.codes(url, allow_abstract)
        expansion = terms.expand(url, allow_abstract=allow_abstract)
        members = {
            (system, code)
            for system in SYSTEMS
            for code in CODES
            if terms.is_member(url, system, code, allow_abstract=allow_abstract)
        }
        assert {(entry.system, entry.code) for entry in expansion.entries} == expected
        assert members == expected
        assert expansion.total == len(expected)


@settings(max_examples=200, deadline=None)
@given(hierarchies(SYSTEMS[0]))
def test_descendants_ancestors_and_subsumption_agree(system: Resource) -> None:
    terms = terminology(system)
    below = {code: terms.descendants(SYSTEMS[0], code) for code in CODES}

    for a in CODES:
        for b in CODES:
            assert (b in below[a]) is (a in terms.ancestors(SYSTEMS[0], b))
            assert (b in below[a]) is (terms.subsumes(SYSTEMS[0], a, b) in ("equivalent", "subsumes"))
