"""From observations to the measurements of each code (FHIR R4, observation-operation-stats.html).

What is measured is a valueQuantity with a UCUM unit, of an observation or of one of its components. A quantity with a
comparator is a bound and no value; with a modifier extension, a value means what this server cannot know: neither counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from bhr_api.errors import InvalidResourceError, Issue
from bhr_api.fhir import ucum
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.references import parse_local
from bhr_api.operations.statistics import Measured, Sample


class Coding(NamedTuple):
    """What is measured."""

    system: str
    code: str

    def is_of(self, concept: Resource) -> bool:
        """Whether a CodeableConcept has it."""
        return any(
            self == Coding(one.get("system", ""), one.get("code", "")) for one in concept.get("coding", ()) if one
        )


class _Quantity(NamedTuple):
    value: Decimal
    code: str
    unit: str
    at: datetime | None


@dataclass(slots=True)
class Series:
    """The measurements of one code, the newest first; `total` counts those without a valid value too."""

    quantities: list[_Quantity] = field(default_factory=list)
    total: int = 0

    @property
    def unit(self) -> tuple[str, str]:
        """(code, display) of the newest measurement's unit, which the statistics are in."""
        return (self.quantities[0].code, self.quantities[0].unit) if self.quantities else ("", "")

    def sample(self, coding: Coding) -> Sample:
        """All in the unit of the newest. Raises InvalidResourceError where units do not agree."""
        measured = [Measured(_in_unit(one, self.unit[0], coding), one.at) for one in self.quantities]
        return Sample(measured, self.total)


def _in_unit(quantity: _Quantity, code: str, coding: Coding) -> Decimal:
    if quantity.code == code:
        return quantity.value
    unit, value = ucum.canonical(quantity.code, quantity.value)
    wanted, factor = ucum.canonical(code, Decimal(1))
    if unit != wanted:
        sentence = (
            f"The measurements of {coding.code} have units that cannot be converted; ask for a time when they agree."
        )
        raise InvalidResourceError([Issue("error", "business-rule", sentence)])
    return value / factor


class Measurements:
    """Gathers the measurements of the codes that are asked for, and of the parts of panels among these.

    R4: a code counts where an observation or a component has it; of a panel "the stats operation returns statistics for each
    of the individual panel measurements". `members` are the ids of the observations that panels refer to.
    """

    def __init__(self, asked: Sequence[Coding], base_url: str) -> None:
        self.series: dict[Coding, Series] = {coding: Series() for coding in asked}
        self.members: dict[str, None] = {}
        self._asked = tuple(asked)
        self._panels: set[Coding] = set()
        self._base_url = base_url
        self._counted: set[tuple[str, int, Coding]] = set()

    def add(self, observation: Resource, at: datetime | None) -> None:
        """An observation that has one of the codes, itself or in a component."""
        own = [coding for coding in self._asked if coding.is_of(observation.get("code", {}))]
        components = observation.get("component", [])
        self._note_panel(own, observation)
        is_panel = bool(own) and bool(components or observation.get("hasMember"))
        if not is_panel or "valueQuantity" in observation:
            for coding in own:
                self._count(coding, observation, 0, observation, at)
        for place, component in enumerate(components, start=1):
            for coding in self._codings_of(component.get("code", {}), is_panel=is_panel):
                self._count(coding, observation, place, component, at)

    def add_member(self, observation: Resource, at: datetime | None) -> None:
        """An observation that a panel refers to."""
        for coding in self._codings_of(observation.get("code", {}), is_panel=True):
            self._count(coding, observation, 0, observation, at)
        for place, component in enumerate(observation.get("component", ()), start=1):
            for coding in self._codings_of(component.get("code", {}), is_panel=True):
                self._count(coding, observation, place, component, at)

    def told(self) -> list[tuple[Coding, Series]]:
        """Each code with its series; a panel that has no value of its own stands for its parts."""
        return [
            (coding, series) for coding, series in self.series.items() if series.total or coding not in self._panels
        ]

    def _note_panel(self, own: Sequence[Coding], observation: Resource) -> None:
        if not own:
            return
        if "component" in observation or "hasMember" in observation:
            self._panels.update(own)
        for member in observation.get("hasMember", ()):
            local = parse_local(member.get("reference", ""), self._base_url)
            if local is not None and local.resource_type == "Observation":
                self.members[local.id] = None

    def _codings_of(self, concept: Resource, *, is_panel: bool) -> list[Coding]:
        """The codes that are asked for; else, in a panel, the first that the part has."""
        asked = [coding for coding in self._asked if coding.is_of(concept)]
        if asked or not is_panel:
            return asked
        coded = [one for one in concept.get("coding", ()) if one and "code" in one]
        return [Coding(coded[0].get("system", ""), coded[0]["code"])] if coded else []

    def _count(self, coding: Coding, observation: Resource, place: int, element: Resource, at: datetime | None) -> None:
        key = (observation["id"], place, coding)
        if key in self._counted:
            return
        self._counted.add(key)
        series = self.series.setdefault(coding, Series())
        series.total += 1
        quantity = _valid(element.get("valueQuantity"))
        if quantity is not None and not observation.get("modifierExtension") and not element.get("modifierExtension"):
            unit = str(quantity.get("unit", quantity["code"]))
            series.quantities.append(_Quantity(Decimal(quantity["value"]), quantity["code"], unit, at))


def _valid(quantity: Any) -> Resource | None:
    if not isinstance(quantity, dict) or "value" not in quantity or "comparator" in quantity:
        return None
    return quantity if quantity.get("system") == ucum.SYSTEM and "code" in quantity else None
