"""FHIR's named operations, one file each (FHIR R4, operations-list.html)."""

from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation
from bhr_api.operations.docref import DOCREF
from bhr_api.operations.everything import ENCOUNTER_EVERYTHING, PATIENT_EVERYTHING
from bhr_api.operations.expand import EXPAND
from bhr_api.operations.explain import EXPLAIN
from bhr_api.operations.index_status import INDEX_STATUS
from bhr_api.operations.lastn import LASTN
from bhr_api.operations.lookup import LOOKUP
from bhr_api.operations.match import MATCH
from bhr_api.operations.meta import META, META_ADD, META_DELETE
from bhr_api.operations.stats import STATS
from bhr_api.operations.subsumes import SUBSUMES
from bhr_api.operations.validate import VALIDATE
from bhr_api.operations.validate_code import VALIDATE_CODE_IN_CODE_SYSTEM, VALIDATE_CODE_IN_VALUE_SET

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
    EXPAND,
    EXPLAIN,
    VALIDATE_CODE_IN_VALUE_SET,
    VALIDATE_CODE_IN_CODE_SYSTEM,
    LOOKUP,
    SUBSUMES,
    VALIDATE,
    INDEX_STATUS,
)
