"""Every hand-written invalid resource, one for each rule of R4 (4.0.1); `rule` is unique."""

from tests.fhir.samples_of_content import CONTENT
from tests.fhir.samples_of_invariants import INVARIANTS
from tests.fhir.samples_of_json_text import JSON_TEXT
from tests.fhir.samples_of_primitives import FORMATS, WRONG_KINDS
from tests.fhir.samples_of_structure import STRUCTURE

INVALID_JSON = JSON_TEXT
INVALID_RESOURCES = [*WRONG_KINDS, *FORMATS, *STRUCTURE, *CONTENT, *INVARIANTS]
