"""How a function enters the language: by name, with the number of its arguments (N1 #functions)."""

from collections.abc import Callable
from dataclasses import dataclass

from bhr_api.fhirpath.nodes import EMPTY, Evaluate, Nodes, Scope, value_of
from bhr_api.fhirpath.values import SystemValue, system_type_of

Builder = Callable[..., Evaluate]


@dataclass(frozen=True, slots=True)
class Function:
    """`build` takes the closures of between `fewest` and `most` arguments and gives the closure of the call."""

    build: Builder
    fewest: int
    most: int


FUNCTIONS: dict[str, Function] = {}
"""Name -> function; filled as the chapters are imported."""


def function(name: str, fewest: int = 0, most: int | None = None) -> Callable[[Builder], Builder]:
    """Enter the decorated builder under `name`."""

    def enter(build: Builder) -> Builder:
        FUNCTIONS[name] = Function(build, fewest, fewest if most is None else most)
        return build

    return enter


def text_of(nodes: Nodes) -> str | None:
    """The only item as a string, None of an empty collection or of what is no string."""
    value = value_of(nodes)
    return value if isinstance(value, str) else None


def integer_of(nodes: Nodes) -> int | None:
    """The only item as an integer, None of an empty collection or of what is no integer."""
    value = value_of(nodes)
    return value if value is not None and system_type_of(value) == "Integer" else None  # type: ignore[return-value]


def argument(evaluate: Evaluate, scope: Scope) -> Nodes:
    """The value of an argument that is no criterion: it is evaluated on `$this`, not on the function's input."""
    return evaluate(scope.this, scope)


def on_value(compute: Callable[[SystemValue], Nodes]) -> Builder:
    """A function without arguments on the single System value of its input; empty without one."""

    def build() -> Evaluate:
        def evaluate(focus: Nodes, _scope: Scope) -> Nodes:
            value = value_of(focus)
            return EMPTY if value is None else compute(value)

        return evaluate

    return build
