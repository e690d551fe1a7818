"""UCUM units in common clinical use, as factors to one canonical unit of their dimension.

Codes and definitions: the Unified Code for Units of Measure (ucum.org), version 2.1. Units of dimension one, such as
`{score}` or `%`, are compared by code and never converted (docs/search.md).
"""

from decimal import Decimal

SYSTEM = "http://unitsofmeasure.org"

_DIMENSIONS = {
    "g": "g 1, kg 1e3, mg 1e-3, ug 1e-6, ng 1e-9, [lb_av] 453.59237, [oz_av] 28.349523125",
    "m": "m 1, km 1e3, dm 1e-1, cm 1e-2, mm 1e-3, um 1e-6, [in_i] 0.0254, [ft_i] 0.3048",
    "s": "s 1, ms 1e-3, min 60, h 3600, d 86400, wk 604800, mo 2629800, a 31557600",
    "L": "L 1, l 1, dL 1e-1, dl 1e-1, cL 1e-2, mL 1e-3, ml 1e-3, uL 1e-6",
    "g/L": "g/L 1, kg/L 1e3, g/dL 10, mg/dL 1e-2, mg/L 1e-3, mg/mL 1, ug/dL 1e-5, ug/L 1e-6, ug/mL 1e-3, ng/mL 1e-6",
    "mol/L": "mol/L 1, mmol/L 1e-3, umol/L 1e-6, nmol/L 1e-9, pmol/L 1e-12",
    "Pa": "Pa 1, kPa 1e3, mm[Hg] 133.322387415, bar 1e5",
    "/min": "/min 1, /s 60, {beats}/min 1, {breaths}/min 1",
}

_CANONICAL = {
    code: (canonical, Decimal(factor))
    for canonical, units in _DIMENSIONS.items()
    for code, factor in (unit.split(" ") for unit in units.split(", "))
}
CANONICAL_UNITS = frozenset(_DIMENSIONS)


def canonical(code: str, value: Decimal) -> tuple[str, Decimal]:
    """(canonical unit, value in it) of `value` in the UCUM unit `code`; an unknown unit stays as it is."""
    unit, factor = _CANONICAL.get(code, (code, Decimal(1)))
    return unit, value * factor
