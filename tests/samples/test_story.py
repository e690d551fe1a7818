from itertools import pairwise

import pytest

from bhr_api.samples.generator import TODAY
from bhr_api.samples.story import MeasureKey
from tests.samples.record import CLIENTS, story_of

# Reliable change in points: PHQ-9 6, GAD-7 4 (NHS Talking Therapies).
RELIABLE: list[tuple[MeasureKey, int]] = [("phq-9", 6), ("gad-7", 4)]


def clients_that_are(trajectory: str) -> list[int]:
    return [client for client in CLIENTS if story_of(client).trajectory == trajectory]


def change(client: int, key: MeasureKey) -> int:
    points = story_of(client).series[key]
    return points[-1].value - points[0].value


@pytest.mark.parametrize(("key", "reliable"), RELIABLE)
@pytest.mark.parametrize("client", clients_that_are("improving"))
def test_who_improves_halves_the_score_by_a_reliable_change(client: int, key: MeasureKey, reliable: int) -> None:
    assert change(client, key) <= -reliable
    assert story_of(client).series[key][-1].value * 2 <= story_of(client).series[key][0].value


@pytest.mark.parametrize(("key", "reliable"), RELIABLE)
@pytest.mark.parametrize("client", clients_that_are("plateau"))
def test_a_plateau_never_leaves_the_band_of_no_reliable_change(client: int, key: MeasureKey, reliable: int) -> None:
    points = story_of(client).series[key]

    assert all(abs(point.value - points[0].value) < reliable for point in points)


@pytest.mark.parametrize(("key", "reliable"), RELIABLE)
@pytest.mark.parametrize("client", clients_that_are("worsening"))
def test_who_worsens_does_so_by_a_reliable_change(client: int, key: MeasureKey, reliable: int) -> None:
    assert change(client, key) >= reliable


@pytest.mark.parametrize(("trajectory", "sign"), [("improving", 1), ("plateau", 0), ("worsening", -1)])
def test_daily_living_goes_the_way_of_the_scores(trajectory: str, sign: int) -> None:
    for client in clients_that_are(trajectory):
        for key in ("routines", "coping"):
            gain = change(client, key)
            assert (gain > 0) - (gain < 0) == sign


@pytest.mark.parametrize("client", CLIENTS)
def test_a_story_covers_twelve_to_eighteen_months_with_a_score_in_every_four_weeks(client: int) -> None:
    story = story_of(client)
    days = [point.day for point in story.series["phq-9"]]

    assert 365 <= (TODAY - story.start).days <= 548
    assert all((later - earlier).days == 28 for earlier, later in pairwise(days))
    assert 1 <= (TODAY - days[-1]).days <= 28


@pytest.mark.parametrize("client", CLIENTS)
def test_a_youth_is_a_minor_for_the_whole_record_and_nobody_else_is(client: int) -> None:
    story = story_of(client)
    eighteenth_birthday = story.birth_date.replace(year=story.birth_date.year + 18, day=min(28, story.birth_date.day))

    assert (eighteenth_birthday > TODAY) is story.presentation.youth
    assert story.presentation.youth or eighteenth_birthday < story.start
