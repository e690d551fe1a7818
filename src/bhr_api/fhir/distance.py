"""Distances on the earth and the value of `Location?near` (FHIR R4, location.html#search; WGS 84 degrees).

Great circles on a sphere: at most 0.6 % from the ellipsoid's own distance, and R4 says that "Servers may search using
various techniques that might have differing accuracies".
"""

import math
import re
from dataclasses import dataclass

from bhr_api.errors import InvalidParameterError

EARTH_RADIUS_KM = 6371.0088
"""The mean radius of WGS 84, (2a + b) / 3 (Moritz 2000, Geodetic Reference System 1980, J Geod 74:128)."""

DEFAULT_DISTANCE_KM = 50.0
"""What is near when the caller names no distance: "the server can use its own discretion"."""

# UCUM 2.1, tables 3 (base units), 6 (international customary units) and 7 (US survey lengths: a foot of 1200/3937 m).
KM_PER_UNIT = {
    "km": 1.0,
    "m": 0.001,
    "[mi_i]": 1.609344,
    "[mi_us]": 5.280 * 1200 / 3937,
    "[yd_i]": 0.0009144,
    "[ft_i]": 0.0003048,
}

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_FORM = "the form is latitude|longitude|distance|units, as 42.25|-83.69|11.2|km; the last two may be left out"


@dataclass(frozen=True, slots=True)
class Position:
    """A point of the earth in degrees: latitude -90 to 90, north positive; longitude -180 to 180, east positive."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Near:
    """What `near` asks for: positions at most `distance_km` from `position`."""

    position: Position
    distance_km: float


def distance_km(one: Position, other: Position) -> float:
    """The great-circle distance in km, 0 to 20015.1, by the haversine formula (Sinnott 1984, Sky and Telescope 68:159)."""
    latitude, other_latitude = math.radians(one.latitude), math.radians(other.latitude)
    haversine = (
        math.sin((other_latitude - latitude) / 2) ** 2
        + math.cos(latitude)
        * math.cos(other_latitude)
        * math.sin(math.radians(other.longitude - one.longitude) / 2) ** 2
    )
    # Of antipodes, rounding may give a little more than 1.
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, haversine)))


def parse_near(text: str) -> Near:
    """What a value of `near` asks for: `[latitude]|[longitude]|[distance]|[units]`.

    "If the units are omitted, then kms should be assumed. If the distance is omitted [...] units are irrelevant".
    Raises InvalidParameterError.
    """
    parts = text.split("|")
    if not 2 <= len(parts) <= 4:
        raise InvalidParameterError("near", text, _FORM)
    latitude, longitude, distance, unit = [*parts, "", ""][:4]
    position = Position(
        _number(text, latitude, "the latitude", -90, 90), _number(text, longitude, "the longitude", -180, 180)
    )
    if not distance:
        return Near(position, DEFAULT_DISTANCE_KM)
    if (unit or "km") not in KM_PER_UNIT:
        raise InvalidParameterError("near", text, f"the units are UCUM's {', '.join(KM_PER_UNIT)}")
    return Near(position, _number(text, distance, "the distance", 0, math.inf) * KM_PER_UNIT[unit or "km"])


def _number(text: str, digits: str, name: str, low: float, high: float) -> float:
    if not _NUMBER.fullmatch(digits):
        raise InvalidParameterError("near", text, f"{name} is a number; {_FORM}")
    number = float(digits)
    if not low <= number <= high or math.isinf(number):
        bounds = f"from {low} to {high}" if high < math.inf else f"at least {low} and not beyond all measure"
        raise InvalidParameterError("near", text, f"{name} is {bounds}")
    return number
