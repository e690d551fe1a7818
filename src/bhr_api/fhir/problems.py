"""A broken rule, and where in a resource a check is (FHIR R4, validation.html; fhirpath.html for the paths)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bhr_api.fhir.definitions import Resource


@dataclass(slots=True)
class Problem:
    """A broken rule: issue code, sentence and place.

    `path` grows from the element outwards while the walk returns, so that a valid resource pays for no path. A problem
    `is_nested` once it is seen from outside of its resource: it is no fault of the elements around that resource.
    """

    code: str
    sentence: str
    path: str = ""
    is_nested: bool = False

    def within(self, segment: str) -> "Problem":
        """The same problem, seen from the parent that holds it as `segment`."""
        self.path = f"{segment}.{self.path}" if self.path else segment
        return self


NO_PROBLEMS: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """The resource that the walk is in.

    `container` is the resource that stands alone, `contained` its contained resources by id, `resource` the one of them
    that the walk is in, or None. References may be conditional `in_transaction`.
    """

    container: Resource
    contained: Mapping[str, Resource]
    resource: Resource | None
    in_transaction: bool


Check = Callable[[Any, Mapping[str, Any], Context], Sequence[Problem]]
"""(value of a JSON property, object that holds it, context) -> problems, whose paths start at the holder."""

Item = Callable[[Any, Context], Sequence[Problem]]
"""(one value, context) -> problems, whose paths start at the value."""
