"""Which codes of a system a filter selects (FHIR R4, valueset.html#filters, valueset-filter-operator.html)."""

from collections.abc import Callable, Iterable
from typing import Any

from bhr_api.errors import TooCostlyError
from bhr_api.fhir.terminology.code_systems import CodeSystem
from bhr_api.fhir.terminology.compositions import Filter
from bhr_api.fhir.terminology.errors import CannotExpandError, UnknownCodeError
from bhr_api.fhir.terminology.pattern import Pattern, PatternError

CodeTest = Callable[[str], bool]
_ValueTest = Callable[[str], bool]

_DEFINED_PROPERTIES = frozenset({"concept", "code", "display", "parent", "child", "inactive", "notSelectable"})


def selection(system: CodeSystem, condition: Filter, *, many: bool) -> CodeTest:
    """Whether a code of the system, spelled as the system does, meets the condition.

    `many` says that the test is for many codes, which pays for walking down a hierarchy once. Raise `CannotExpandError`
    where the system does not hold what the condition is about.
    """
    _require_content(system, condition)
    if condition.op == "exists":
        return _existence(system, condition)
    test = _value_test(system, condition, many=many)
    is_negative = condition.op in ("not-in", "is-not-a")
    return lambda code: any(test(value) for value in _values(system, condition.property, code)) is not is_negative


def _require_content(system: CodeSystem, condition: Filter) -> None:
    if not system.concepts:
        raise CannotExpandError(
            f"CodeSystem {system.canonical} has no codes here, so that its {condition.property} {condition.op}"
            f" {condition.value} cannot be followed. Load its content."
        )
    name = condition.property
    if name not in _DEFINED_PROPERTIES and name not in system.property_names:
        raise CannotExpandError(
            f"CodeSystem {system.canonical} as it is here has no property {name!r} for the filter {condition.op}"
            f" {condition.value}."
        )


def _existence(system: CodeSystem, condition: Filter) -> CodeTest:
    if condition.value not in ("true", "false"):
        raise CannotExpandError(f"The filter {condition.property} exists takes true or false, not {condition.value!r}.")
    is_wanted = condition.value == "true"
    return lambda code: any(True for _ in _values(system, condition.property, code)) is is_wanted


def _values(system: CodeSystem, name: str, code: str) -> Iterable[str]:
    """The values of a property as text; the hierarchy and the defaults of R4's own properties are among them."""
    match name:
        case "concept" | "code":
            return (code,)
        case "display":
            display = system.display(code)
            return () if display is None else (display,)
        case "parent":
            return system.parents(code)
        case "child":
            return system.children(code)
        case "inactive":
            return (_text(system.is_inactive(code)),)
        case "notSelectable":
            return (_text(system.is_abstract(code)),)
        case _:
            return [_text(value) for own, value in system.properties(code) if own == name]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.get("code", "")) if isinstance(value, dict) else str(value)


def _value_test(system: CodeSystem, condition: Filter, *, many: bool) -> _ValueTest:
    match condition.op:
        case "=":
            return _one_of(system, condition, [condition.value])
        case "in" | "not-in":
            return _one_of(system, condition, [one.strip() for one in condition.value.split(",")])
        case "regex":
            return _pattern_test(condition)
        case "is-a" | "is-not-a":
            return _is_a(system, _known(system, condition), many=many)
        case "descendent-of":
            root = _known(system, condition)
            test = _is_a(system, root, many=many)
            return lambda value: value != root and test(value)
        case "generalizes":
            return system.ancestors(_known(system, condition)).__contains__
        case _:
            raise CannotExpandError(f"The filter operator {condition.op!r} is none of R4.")


def _one_of(system: CodeSystem, condition: Filter, values: list[str]) -> _ValueTest:
    if condition.property in ("concept", "code", "parent", "child"):
        values = [system.spelled(value) or value for value in values]
    return frozenset(values).__contains__


def _known(system: CodeSystem, condition: Filter) -> str:
    """The filter's value as a code of the system: what hangs on an unknown code must not be answered with nothing."""
    try:
        return system.written(condition.value)
    except UnknownCodeError as error:
        raise CannotExpandError(f"{error} The filter {condition.op} of a value set names it.") from error


def _is_a(system: CodeSystem, root: str, *, many: bool) -> _ValueTest:
    if many:
        return system.descendants(root).__contains__
    return lambda value: value in system.concepts and root in system.ancestors(value)


def _pattern_test(condition: Filter) -> _ValueTest:
    try:
        pattern = Pattern(condition.value)
    except PatternError as error:
        raise CannotExpandError(f"The filter regex {condition.value[:60]!r} is not supported: {error}.") from error

    def test(value: str) -> bool:
        try:
            return pattern.matches(value)
        except PatternError as error:
            raise TooCostlyError(f"The filter regex {condition.value[:60]!r}: {error}.") from error

    return test
