"""Parameters of no type: `_text`, `_content`, `_list` and `Location?near` (FHIR R4, search.html#all, location.html#search).

Of words only what every dictionary of PostgreSQL agrees on is told: one word or two, that are their own stems.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.search.reference_matching import split, unescaped
from tests.search.reference_parameters import parameter
from tests.search.reference_paths import Resource
from tests.search.reference_record import SeenRecord

# IUGG, mean radius of the earth; a value of near without distance is 50 km, without unit in km (docs/search.md).
_RADIUS_KM = 6371.009
_KM = {"": 1.0, "km": 1.0, "m": 0.001, "[mi_i]": 1.609344}


def has_words(text: str, asked: str) -> bool:
    """Whether the text has `word`, both of `word word`, one of `word or word`, the phrase `"word word"` or no `-word`."""
    # A bar stands between two strings, of which no phrase is.
    words = re.findall(r"\w+|\|", re.sub("<[^>]*>", " ", text).lower())
    asked = asked.lower()
    if asked.startswith("-"):
        return asked[1:] not in words
    if asked.startswith('"'):
        return f" {asked[1:-1]} " in f" {' '.join(words)} "
    if " or " in asked:
        return any(word in words for word in asked.split(" or "))
    return all(word in words for word in asked.split())


def _text(_record: SeenRecord, resource: Resource, value: str) -> bool:
    return has_words(resource.get("text", {}).get("div", ""), value)


def _content(_record: SeenRecord, resource: Resource, value: str) -> bool:
    return has_words(" | ".join(_strings(resource)), value)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(part)


def _is_listed(record: SeenRecord, resource: Resource, value: str) -> bool:
    return any(
        target is resource
        for one in record.of_type["List"]
        if one["id"] == value.removeprefix("List/")
        for target in record.referred(parameter("List", "item"), one)
    )


def _is_near(_record: SeenRecord, resource: Resource, value: str) -> bool:
    return "position" in resource and any(_within(resource["position"], one) for one in split(value, ","))


def _within(position: Resource, value: str) -> bool:
    latitude, longitude, distance, unit = (*map(unescaped, split(value, "|")), "", "")[:4]
    held, asked = _point(position["latitude"], position["longitude"]), _point(float(latitude), float(longitude))
    angle = math.atan2(math.dist(_cross(held, asked), (0, 0, 0)), sum(map(math.prod, zip(held, asked, strict=True))))
    return _RADIUS_KM * angle <= (float(distance) * _KM[unit] if distance else 50)


def _point(latitude: Any, longitude: Any) -> tuple[float, float, float]:
    """The place on the unit sphere of degrees north and east."""
    north, east = math.radians(latitude), math.radians(longitude)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def _cross(one: tuple[float, float, float], other: tuple[float, float, float]) -> tuple[float, float, float]:
    (a, b, c), (d, e, f) = one, other
    return b * f - c * e, c * d - a * f, a * e - b * d


SPECIAL: Mapping[str, Callable[[SeenRecord, Resource, str], bool]] = {
    "_text": _text,
    "_content": _content,
    "_list": _is_listed,
    "near": _is_near,
}
