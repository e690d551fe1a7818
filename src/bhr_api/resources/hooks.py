"""What a resource type can add to the generic engine: pure functions, each of which may be absent.

A type without hooks is fully served; taking a file of this package away removes a behaviour, never a type.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bhr_api.fhir.definitions import Resource

# References of a resource -> which of them the hook wants to know the patient of.
Needs = Callable[[Resource], Sequence[str]]
# (the resource, patient by reference) -> the patient whose record it belongs to.
PlaceIn = Callable[[Resource, Mapping[str, int | None]], int | None]


@dataclass(frozen=True, slots=True)
class Hooks:
    """`needs` names the references whose patients `patient` decides by."""

    needs: Needs
    patient: PlaceIn
