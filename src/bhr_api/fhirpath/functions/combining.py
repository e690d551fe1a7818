"""Combining (FHIRPath N1, http://hl7.org/fhirpath/N1/#combining)."""

from bhr_api.fhirpath.functions.registry import argument, function
from bhr_api.fhirpath.nodes import Evaluate
from bhr_api.fhirpath.operators import union_of


@function("union", 1)
def _union(other: Evaluate) -> Evaluate:
    return lambda focus, scope: union_of(focus, argument(other, scope))


@function("combine", 1)
def _combine(other: Evaluate) -> Evaluate:
    return lambda focus, scope: [*focus, *argument(other, scope)]
