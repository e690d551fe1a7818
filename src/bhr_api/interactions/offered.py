"""Which named operations there are, and the one that a request asks for (FHIR R4, operations.html).

What each does is in `bhr_api.operations`; this is what the interactions know of them.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bhr_api.errors import MethodNotAllowedError, NotFoundError
from bhr_api.interactions.requests import SERVER_WRITTEN, Request
from bhr_api.interactions.results import Result

C = TypeVar("C")

ANY_TYPE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Operation(Generic[C]):
    """An operation by its `name`, without the dollar sign; `url` is the canonical of its definition.

    `levels` are of system, type and instance; `types` those that have it, empty for any. `run` is given the context of the
    request. `affects_state`: it is asked for by POST alone (operations.html#request).
    """

    name: str
    url: str
    levels: frozenset[str]
    run: Callable[[C, Request], Awaitable[Result]]
    types: frozenset[str] = ANY_TYPE
    affects_state: bool = False

    def is_of(self, resource_type: str) -> bool:
        """Whether the type has it, at its own level or at its instances'."""
        if resource_type in SERVER_WRITTEN:
            return False
        return bool(self.levels & {"type", "instance"}) and (not self.types or resource_type in self.types)


class Operations(Generic[C]):
    """All operations that are offered."""

    def __init__(self, operations: Sequence[Operation[C]] = ()) -> None:
        self.all = tuple(operations)

    def affects_state(self, name: str) -> bool:
        """Whether the operation of that name changes resources."""
        return any(operation.affects_state for operation in self.all if operation.name == name)

    def asked_for(self, request: Request) -> Operation[C]:
        """The operation that is asked for. Raises NotFoundError, MethodNotAllowedError."""
        level = "instance" if request.id else "type" if request.resource_type else "system"
        offered = [
            operation
            for operation in self.all
            if level in operation.levels and (level == "system" or operation.is_of(request.resource_type))
        ]
        found = next((operation for operation in offered if operation.name == request.operation), None)
        if found is None:
            names = ", ".join(sorted(f"${operation.name}" for operation in offered)) or "none"
            place = f"{request.resource_type} has" if request.resource_type else "the server has"
            raise NotFoundError(f"There is no ${request.operation[:60]} here; at this level {place} {names}.")
        if found.affects_state and not request.is_post:
            raise MethodNotAllowedError("GET", ["POST"])
        return found

    async def perform(self, context: C, request: Request) -> Result:
        """Carry out the operation that is asked for. Raises what `asked_for` does, and its own refusals."""
        return await self.asked_for(request).run(context, request)
