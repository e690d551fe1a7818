from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bhr_api.fhirpath.compiler import compile_expression
from bhr_api.fhirpath.nodes import Environment, Node, Nodes, identity_of, wrap
from bhr_api.fhirpath.values import Quantity, SystemValue, Temporal, equal, less

BASIC = Node("Basic", {"resourceType": "Basic"})


def temporals() -> st.SearchStrategy[Temporal]:
    texts = st.dates().map(str) | st.datetimes(timezones=st.just(None)).map(
        lambda moment: moment.isoformat() + "+02:00"
    )
    values = texts.flatmap(lambda text: st.sampled_from([text, text[:7], text[:4]]))
    return values.map(lambda text: Temporal.parse("DateTime", text)).filter(bool)  # type: ignore[return-value]


def values() -> st.SearchStrategy[SystemValue]:
    decimals = st.decimals(-100, 100, places=2)
    quantities = st.builds(Quantity, decimals, st.sampled_from(["g", "mg", "kg", "1", "{score}", "day", "week"]))
    return st.booleans() | st.integers(-5, 5) | decimals | st.text("ab", max_size=2) | temporals() | quantities


def collections() -> st.SearchStrategy[Nodes]:
    return st.lists(values(), max_size=5).map(lambda items: [node for item in items for node in wrap(item)])


def evaluate(text: str, **constants: Nodes) -> Nodes:
    return compile_expression(text, "Basic").evaluate([BASIC], Environment(BASIC, BASIC, [BASIC], constants=constants))


def keys(nodes: Nodes) -> list[object]:
    return [identity_of(node) for node in nodes]


@given(collections(), collections())
def test_union_commutes_as_a_set(a: Nodes, b: Nodes) -> None:
    assert set(keys(evaluate("%a | %b", a=a, b=b))) == set(keys(evaluate("%b | %a", a=a, b=b)))


@given(collections(), collections())
def test_union_is_the_distinct_combination(a: Nodes, b: Nodes) -> None:
    assert keys(evaluate("%a | %b", a=a, b=b)) == keys(evaluate("%a.combine(%b).distinct()", a=a, b=b))


@given(collections())
def test_where_true_changes_nothing_and_where_false_leaves_nothing(a: Nodes) -> None:
    assert evaluate("%a.where(true)", a=a) == a
    assert evaluate("%a.where(false)", a=a) == []


@given(collections(), collections())
def test_intersect_and_exclude_divide_a_collection(a: Nodes, b: Nodes) -> None:
    both = keys(evaluate("%a.intersect(%b)", a=a, b=b)) + keys(evaluate("%a.exclude(%b)", a=a, b=b))
    assert set(both) == set(keys(a))


@given(collections(), st.integers(0, 6))
def test_take_and_skip_divide_a_collection(a: Nodes, number: int) -> None:
    count = wrap(number)
    assert evaluate("%a.take(%n)", a=a, n=count) + evaluate("%a.skip(%n)", a=a, n=count) == a


@given(values(), values())
def test_values_share_a_key_exactly_when_they_are_equal(a: SystemValue, b: SystemValue) -> None:
    assert (identity_of(wrap(a)[0]) == identity_of(wrap(b)[0])) == (equal(a, b) is True)


@given(st.decimals(-100, 100, places=2), st.decimals(-100, 100, places=2))
def test_order_is_total_on_numbers(a: Decimal, b: Decimal) -> None:
    assert [less(a, b), equal(a, b), less(b, a)].count(True) == 1


@given(temporals(), temporals())
def test_order_of_dates_is_open_in_both_directions_or_in_none(a: Temporal, b: Temporal) -> None:
    assert (less(a, b) is None) == (less(b, a) is None) == (equal(a, b) is None)


@given(st.sampled_from(["true", "false", "{}"]), st.sampled_from(["true", "false", "{}"]))
def test_the_laws_of_three_valued_logic(a: str, b: str) -> None:
    def decide(text: str) -> list[object]:
        return [node.value for node in evaluate(text)]

    assert decide(f"{a} and {b}") == decide(f"{b} and {a}")
    assert decide(f"({a} or {b}).not()") == decide(f"{a}.not() and {b}.not()")
    assert decide(f"{a} implies {b}") == decide(f"{a}.not() or {b}")
