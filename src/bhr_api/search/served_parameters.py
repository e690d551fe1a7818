"""The search parameters of one tenant: R4's and the project's, and what the tenant and the loaded packages add to them.

FHIR R4, searchparameter.html. A parameter that is added answers when its index is complete; until then every write leaves
its values, and a search by it is refused, so that no answer lacks what was not indexed yet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bhr_api.errors import BeingIndexedError
from bhr_api.fhir.definitions import SEARCH_PARAMETERS
from bhr_api.search.parameters import Parameter, parameters_of
from bhr_api.search.project_parameters import PROJECT_PARAMETERS


class ParameterSet:
    """Parameters by resource type and code. Two sets are one only when they are the same object: they key caches."""

    __slots__ = ("_changed",)

    def __init__(self, added: Iterable[Parameter] = ()) -> None:
        changed: dict[str, dict[str, Parameter]] = {}
        for parameter in added:
            own = changed.setdefault(parameter.resource_type, dict(parameters_of(parameter.resource_type)))
            own[parameter.code] = parameter
        self._changed: Mapping[str, Mapping[str, Parameter]] = changed

    def of(self, resource_type: str) -> Mapping[str, Parameter]:
        """The parameters of a type, by code."""
        return self._changed.get(resource_type) or parameters_of(resource_type)


@dataclass(frozen=True, slots=True, eq=False)
class ServedParameters:
    """What answers searches, and `indexed`: what leaves index values, which is more while an index is built.

    `building` tells of each (type, code) that does not answer yet how many percent of its index are made.
    """

    answering: ParameterSet = field(default_factory=ParameterSet)
    indexed: ParameterSet = field(default_factory=ParameterSet)
    building: Mapping[tuple[str, str], int] = field(default_factory=dict)
    added_codes: frozenset[str] = frozenset()

    def of(self, resource_type: str) -> Mapping[str, Parameter]:
        """Those that a search of `resource_type` may name, by code."""
        return self.answering.of(resource_type)

    def find(self, resource_type: str, code: str) -> Parameter | None:
        """The parameter of that code, or None. Raises BeingIndexedError for one that does not answer yet."""
        found = self.answering.of(resource_type).get(code)
        if found is None and self.building:
            self._refuse_unfinished(resource_type, code)
        return found

    def has(self, resource_type: str, code: str) -> bool:
        """Whether there is such a parameter, even if it does not answer yet."""
        return code in self.answering.of(resource_type) or (resource_type, code) in self.building

    def is_some_code(self, code: str) -> bool:
        """Whether any type has a parameter of that code, even if it does not answer yet."""
        return code in _BUILT_IN_CODES or code in self.added_codes

    def with_progress(self, building: Mapping[tuple[str, str], int]) -> "ServedParameters":
        """The same parameters, of which more is indexed."""
        return replace(self, building=building)

    def _refuse_unfinished(self, resource_type: str, code: str) -> None:
        percent = self.building.get((resource_type, code))
        if percent is not None:
            raise BeingIndexedError(resource_type, code, percent)


_BUILT_IN_CODES = frozenset(
    code
    for defined in (SEARCH_PARAMETERS, PROJECT_PARAMETERS)
    for parameters in defined.values()
    for code in parameters
)

BUILT_IN = ServedParameters()
"""R4's and the project's alone; shared by all tenants that add nothing."""
