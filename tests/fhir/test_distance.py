import math
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bhr_api.errors import InvalidParameterError
from bhr_api.fhir.distance import (
    DEFAULT_DISTANCE_KM,
    EARTH_RADIUS_KM,
    KM_PER_UNIT,
    Position,
    distance_km,
    parse_near,
)

HALF_ROUND = math.pi * EARTH_RADIUS_KM

positions = st.builds(Position, st.floats(-90, 90), st.floats(-180, 180))
radii = st.floats(0, 25_000)
bearings = st.floats(0, 2 * math.pi)


def moved(start: Position, bearing: float, km: float) -> Position:
    """Where a great circle leads in `km`: the direct problem on the sphere, to check the inverse one."""
    angle, latitude = km / EARTH_RADIUS_KM, math.radians(start.latitude)
    sine = math.sin(latitude) * math.cos(angle) + math.cos(latitude) * math.sin(angle) * math.cos(bearing)
    east = math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(latitude), math.cos(angle) - math.sin(latitude) * sine
    )
    longitude = math.remainder(start.longitude + math.degrees(east), 360)
    return Position(math.degrees(math.asin(max(-1.0, min(1.0, sine)))), longitude)


# Geodesics of WGS 84 by Vincenty's inverse formula, rounded; the sphere is at most 0.6 % off.
@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        pytest.param(Position(36.12, -86.67), Position(33.94, -118.40), 2893, id="nashville-los-angeles"),
        pytest.param(Position(40.6398, -73.7789), Position(51.4706, -0.4619), 5555, id="new-york-london"),
        pytest.param(Position(40.6398, -73.7789), Position(33.9425, -118.4081), 3983, id="new-york-los-angeles"),
        pytest.param(
            Position(-17.7553, 177.4434), Position(-13.8300, -172.0083), 1210, id="nadi-apia-over-the-date-line"
        ),
        pytest.param(Position(0, 0), Position(0, 1), 111.32, id="one-degree-of-the-equator"),
        pytest.param(Position(19.4363, -99.0721), Position(40.4719, -3.5626), 9081, id="mexico-madrid"),
    ],
)
def test_the_distance_of_two_places_is_the_known_one(one: Position, other: Position, km: float) -> None:
    assert distance_km(one, other) == pytest.approx(km, rel=0.006)


def test_the_published_example_is_met_exactly() -> None:
    # Nashville to Los Angeles is 2886.4444 km on a sphere of 6371 km.
    found = distance_km(Position(36.12, -86.67), Position(33.94, -118.40)) * 6371 / EARTH_RADIUS_KM
    assert found == pytest.approx(2886.4444, abs=1e-3)


def test_the_poles_are_half_way_round_apart() -> None:
    assert distance_km(Position(90, 12), Position(-90, -100)) == pytest.approx(HALF_ROUND)


def test_both_names_of_the_date_line_are_one_place() -> None:
    assert distance_km(Position(10, 180), Position(10, -180)) == pytest.approx(0, abs=1e-9)


@given(positions, positions)
@example(Position(0, 0), Position(0, 180))
@example(Position(36.8, 12.3), Position(-36.8, -167.7))
def test_distance_is_the_same_both_ways_and_within_half_the_earth(one: Position, other: Position) -> None:
    assert distance_km(one, other) == pytest.approx(distance_km(other, one), abs=1e-6)
    assert 0 <= distance_km(one, other) <= HALF_ROUND


@given(positions, positions, positions)
def test_no_detour_is_shorter(one: Position, by: Position, other: Position) -> None:
    # Near the antipodes the formula knows some 0.2 m no better.
    assert distance_km(one, other) <= distance_km(one, by) + distance_km(by, other) + 1e-3


@given(positions, bearings, st.floats(0, 20_000))
def test_what_lies_so_many_km_away_is_measured_so(start: Position, bearing: float, km: float) -> None:
    assert distance_km(start, moved(start, bearing, km)) == pytest.approx(km, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "km"),
    [
        pytest.param("42.256500|-83.694810|11.20|km", 11.2, id="all-four-parts"),
        pytest.param("42.2565|-83.69481|11.20", 11.2, id="units-omitted-are-km"),
        pytest.param("42.2565|-83.69481|11.20|", 11.2, id="units-empty-are-km"),
        pytest.param("42.2565|-83.69481", DEFAULT_DISTANCE_KM, id="distance-omitted"),
        pytest.param("42.2565|-83.69481||", DEFAULT_DISTANCE_KM, id="distance-empty"),
        pytest.param("42.2565|-83.69481||parsec", DEFAULT_DISTANCE_KM, id="units-without-distance-are-irrelevant"),
        pytest.param("42.2565|-83.69481|500|m", 0.5, id="m"),
        pytest.param("42.2565|-83.69481|10|[mi_i]", 16.09344, id="international-miles"),
        pytest.param("42.2565|-83.69481|10|[mi_us]", 16.0934721869, id="us-survey-miles"),
        pytest.param("42.2565|-83.69481|1000|[yd_i]", 0.9144, id="yards"),
        pytest.param("42.2565|-83.69481|1e3|[ft_i]", 0.3048, id="feet"),
        pytest.param("42.2565|-83.69481|0|km", 0, id="only-the-very-place"),
    ],
)
def test_a_value_of_near_is_a_position_and_a_distance(text: str, km: float) -> None:
    near = parse_near(text)
    assert near.position == Position(42.2565, -83.69481)
    assert near.distance_km == pytest.approx(km, rel=1e-9)


def test_the_example_of_the_page_is_read_in_the_order_of_the_form() -> None:
    # location.html#positional means Ann Arbor and has its degrees the wrong way round; so written, it is in Antarctica.
    assert parse_near("-83.694810|42.256500|11.20|km").position == Position(-83.69481, 42.2565)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "the form is latitude|longitude", id="empty"),
        pytest.param("42.25", "the form is latitude|longitude", id="one-part"),
        pytest.param("42.25|-83.69|1|km|x", "the form is latitude|longitude", id="five-parts"),
        pytest.param("|-83.69", "the latitude is a number", id="no-latitude"),
        pytest.param("42.25|", "the longitude is a number", id="no-longitude"),
        pytest.param("north|-83.69", "the latitude is a number", id="latitude-in-words"),
        pytest.param("nan|-83.69", "the latitude is a number", id="not-a-number"),
        pytest.param(" 42|-83.69", "the latitude is a number", id="white-space"),
        pytest.param("4_2|-83.69", "the latitude is a number", id="underscore"),
        pytest.param("٤٢|-83.69", "the latitude is a number", id="digits-of-another-script"),
        pytest.param("90.1|0", "the latitude is from -90 to 90", id="beyond-the-pole"),
        pytest.param("0|-180.5", "the longitude is from -180 to 180", id="beyond-the-date-line"),
        pytest.param("0|0|-1", "the distance is at least 0", id="negative-distance"),
        pytest.param("0|0|1e999", "not beyond all measure", id="endless-distance"),
        pytest.param("0|0|near", "the distance is a number", id="distance-in-words"),
        pytest.param("0|0|1|mi", "the units are UCUM's km, m, [mi_i]", id="units-that-ucum-lacks"),
        pytest.param("0|0|1|KM", "the units are UCUM's km, m, [mi_i]", id="ucum-is-case-sensitive"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(InvalidParameterError) as refused:
        parse_near(text)
    assert said in refused.value.issues[0].diagnostics


@given(st.text(alphabet="0123456789.|-+eEkm[]_i ٣x") | st.text())
def test_no_value_is_answered_with_anything_but_a_position_or_a_refusal(text: str) -> None:
    try:
        near = parse_near(text)
    except InvalidParameterError:
        return
    assert abs(near.position.latitude) <= 90
    assert abs(near.position.longitude) <= 180
    assert 0 <= near.distance_km < math.inf


@given(st.decimals(-90, 90, places=6), st.decimals(-180, 180, places=6), st.sampled_from(sorted(KM_PER_UNIT)))
def test_a_written_value_is_read_back(latitude: Decimal, longitude: Decimal, unit: str) -> None:
    near = parse_near(f"{latitude}|{longitude}|2|{unit}")
    assert near.position == Position(float(latitude), float(longitude))
    assert near.distance_km == 2 * KM_PER_UNIT[unit]
