"""A search parameter as its kind and a small path function into a resource (FHIR R4, searchparameter.html)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Resource = dict[str, Any]
Kind = Literal["token", "string", "date", "number", "quantity", "uri", "reference", "composite"]
Form = Literal["concept", "coding", "identifier", "contact", "plain"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter: its kind and the function that gives the elements it looks at.

    `form` is the datatype of a token's elements, `system` the implicit code system of a `code`, `parts` the
    components of a composite, read from each element that `elements` gives. `targets` are the types that a reference
    can be to, as far as this evaluator knows them; `only` the one type of which it must be
    (`where(resolve() is Patient)`); `canonical` says that its elements are canonical URLs.
    """

    kind: Kind
    elements: Callable[[Resource], list[Any]]
    form: Form = "plain"
    system: str | None = None
    parts: tuple["Parameter", ...] = field(default=())
    targets: tuple[str, ...] = ()
    only: str | None = None
    canonical: bool = False


def at(path: str) -> Callable[[Resource], list[Any]]:
    """The elements at a dotted path, through lists."""
    names = path.split(".")
    return lambda resource: list(_walk(resource, names))


def _walk(value: Any, names: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, names)
    elif value is not None and not names:
        yield value
    elif isinstance(value, dict):
        yield from _walk(value.get(names[0]), names[1:])


def either(*paths: str) -> Callable[[Resource], list[Any]]:
    """The elements at any of several paths."""
    getters = [at(path) for path in paths]
    return lambda resource: [element for get in getters for element in get(resource)]


def token(path: str, form: Form) -> Parameter:
    return Parameter("token", at(path), form)


def code(path: str, system: str) -> Parameter:
    return Parameter("token", at(path), "plain", f"http://hl7.org/fhir/{system}")


def contact(system: str) -> Parameter:
    """The telecoms of one system (`telecom.where(system='email')`)."""

    def points(holder: Resource) -> list[Any]:
        return [point for point in holder.get("telecom", []) if point.get("system") == system]

    return Parameter("token", points, "contact")


def reference(path: str, *targets: str) -> Parameter:
    return Parameter("reference", at(path), targets=targets)


def patient_reference(path: str = "subject") -> Parameter:
    return Parameter("reference", at(path), targets=("Patient",), only="Patient")


def date(*paths: str) -> Parameter:
    return Parameter("date", either(*paths))


def string(*paths: str) -> Parameter:
    return Parameter("string", either(*paths))


def number(path: str) -> Parameter:
    return Parameter("number", at(path))


def quantity(*paths: str) -> Parameter:
    return Parameter("quantity", either(*paths))


def uri(path: str) -> Parameter:
    return Parameter("uri", at(path))


def pair(first: Parameter, second: Parameter, *bases: str) -> Parameter:
    """A composite of two values, on the resource itself ("") or on each of its components."""
    return Parameter(
        "composite",
        lambda resource: [
            element for base in bases for element in ([resource] if not base else at(base)(resource))
        ],
        parts=(first, second),
    )  # fmt: skip
