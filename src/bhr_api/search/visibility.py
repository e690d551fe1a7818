"""What the caller may see, as one SQL condition (DESIGN promise 2).

Wherever a row of `resource` or `resource_history` is read, this condition is part of the statement: matches, includes,
counts, history, conditional criteria. It is never a filter over a page. Rows are in the caller's tenant, of a type that
a scope covers, and, where only `patient/` scopes cover it, in that patient's record or of a shared type.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bhr_api.access import Caller, Letter
from bhr_api.fhir.compartments import SHARED_TYPES
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES
from bhr_api.search.tokens import TokenHasher
from bhr_api.store.sql import Binder, any_of


@dataclass(frozen=True, slots=True)
class Visibility:
    """The rows that `caller` may see; `patient` is the self_token of the patient in context."""

    caller: Caller
    patient: int | None

    @classmethod
    def of(cls, caller: Caller, hasher: TokenHasher) -> "Visibility":
        """The visibility of a caller."""
        return cls(caller, None if caller.patient is None else hasher.resource("Patient", caller.patient))

    def binder(self) -> Binder:
        """A binder whose `$1` is the tenant, as every statement has it."""
        binder = Binder()
        binder.bind(self.caller.tenant, "integer")
        return binder

    def of_type(self, resource_type: str, letter: Letter, row: str, binder: Binder) -> str:
        """The condition on a row of `resource_type` under alias `row`, tenant included."""
        return f"{row}.tenant = $1 AND {self._beyond_tenant(resource_type, letter, row, binder)}"

    def of_types(self, resource_types: Iterable[str], letter: Letter, row: str, binder: Binder) -> str:
        """The condition on a row of any of `resource_types`, tenant and types included."""
        open_types: list[int] = []
        own_types: list[int] = []
        for name in resource_types:
            if not self.caller.may(letter, name):
                continue
            (own_types if self._is_confined(name, letter) else open_types).append(RESOURCE_TYPE_NUMBERS[name])
        conditions = []
        if open_types:
            conditions.append(f"{row}.resource_type = ANY({binder.bind(open_types, 'smallint[]')})")
        if own_types:
            types = binder.bind(own_types, "smallint[]")
            conditions.append(f"({row}.resource_type = ANY({types}) AND {self._own(row, binder)})")
        return f"{row}.tenant = $1 AND {any_of(conditions)}"

    def of_any_type(self, letter: Letter, row: str, binder: Binder) -> str:
        """The condition on a row of any type at all."""
        return self.of_types(RESOURCE_TYPES, letter, row, binder)

    def allows_version(self, resource_type: str, letter: Letter, patient: int | None) -> bool:
        """Whether a version whose patient column is `patient` may be written (or was visible) with `letter`.

        The Python twin of `of_type`, for rows that are in hand; shared types are read-only to a patient's token.
        """
        if not self.caller.may(letter, resource_type):
            return False
        if not self.caller.is_confined_to_patient(letter, resource_type):
            return True
        if resource_type in SHARED_TYPES:
            return letter in ("r", "s")
        return patient is not None and patient == self.patient

    def is_tenant_wide(self, resource_type: str, letter: Letter) -> bool:
        """Whether every row of `resource_type` in the tenant can be seen."""
        return self.caller.may(letter, resource_type) and not self._is_confined(resource_type, letter)

    def _beyond_tenant(self, resource_type: str, letter: Letter, row: str, binder: Binder) -> str:
        if not self.caller.may(letter, resource_type):
            return "FALSE"
        return self._own(row, binder) if self._is_confined(resource_type, letter) else "TRUE"

    def _is_confined(self, resource_type: str, letter: Letter) -> bool:
        if not self.caller.is_confined_to_patient(letter, resource_type):
            return False
        return resource_type not in SHARED_TYPES or letter not in ("r", "s")

    def _own(self, row: str, binder: Binder) -> str:
        return f"{row}.patient = {binder.bind(self.patient, 'bigint')}"
