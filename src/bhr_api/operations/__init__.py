"""FHIR's named operations, one file each (FHIR R4, operations-list.html)."""

from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation

OPERATIONS: tuple[Operation[Context], ...] = ()
