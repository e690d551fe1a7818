"""Location?near: locations within a distance (FHIR R4, location.html#search)."""

from bhr_api.fhir.distance import EARTH_RADIUS_KM, parse_near
from bhr_api.search.criteria import Criterion, Written
from bhr_api.search.escapes import unescape
from bhr_api.store.sql import Binder

_POSITION = "jsonb_path_query_first(convert_from({row}.body, 'UTF8')::jsonb, '$.position')"
# The great circle by the haversine formula; rounding may give a little more than 1 for antipodes.
_DISTANCE = """
    2 * {radius} * asin(sqrt(least(1, power(sin(radians((p.at ->> 'latitude')::float8 - {latitude}) / 2), 2)
        + cos(radians({latitude})) * cos(radians((p.at ->> 'latitude')::float8))
            * power(sin(radians((p.at ->> 'longitude')::float8 - {longitude}) / 2), 2))))
"""


def match(value: str) -> Criterion:
    """Locations whose position is at most so far from the one in `value`. Raises InvalidParameterError."""
    asked = parse_near(unescape(value))

    def write(row: str, binder: Binder) -> str:
        distance = _DISTANCE.format(
            radius=EARTH_RADIUS_KM,
            latitude=binder.bind(asked.position.latitude, "float8"),
            longitude=binder.bind(asked.position.longitude, "float8"),
        )
        return (
            f"EXISTS (SELECT FROM (SELECT {_POSITION.format(row=row)} AS at) AS p"
            f" WHERE {distance} <= {binder.bind(asked.distance_km, 'float8')} OFFSET 0)"
        )

    return Written(write)
