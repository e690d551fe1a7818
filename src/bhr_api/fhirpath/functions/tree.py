"""Tree navigation (FHIRPath N1, http://hl7.org/fhirpath/N1/#tree-navigation)."""

from bhr_api.fhirpath.functions.registry import function
from bhr_api.fhirpath.nodes import Evaluate, children, descendants


@function("children")
def _children() -> Evaluate:
    return lambda focus, _scope: [child for node in focus for child in children(node)]


@function("descendants")
def _descendants() -> Evaluate:
    return lambda focus, _scope: list(descendants(focus))
