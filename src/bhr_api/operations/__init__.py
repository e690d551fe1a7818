"""FHIR's named operations, one file each (FHIR R4, operations-list.html)."""

from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation
from bhr_api.operations.docref import DOCREF
from bhr_api.operations.everything import ENCOUNTER_EVERYTHING, PATIENT_EVERYTHING
from bhr_api.operations.lastn import LASTN
from bhr_api.operations.match import MATCH
from bhr_api.operations.meta import META, META_ADD, META_DELETE
from bhr_api.operations.stats import STATS

OPERATIONS: tuple[Operation[Context], ...] = (
    PATIENT_EVERYTHING,
    ENCOUNTER_EVERYTHING,
    META,
    META_ADD,
    META_DELETE,
    LASTN,
    STATS,
    DOCREF,
    MATCH,
)
