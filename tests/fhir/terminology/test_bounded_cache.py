import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bhr_api.fhir.terminology.bounded_cache import BoundedCache


def test_the_longest_unused_is_dropped_first() -> None:
    cache: BoundedCache[str, int] = BoundedCache(10)
    cache.put("a", 1, 4)
    cache.put("b", 2, 4)
    cache.get("a")
    cache.put("c", 3, 4)

    assert [cache.get(key) for key in "abc"] == [1, None, 3]


def test_a_value_put_again_weighs_once() -> None:
    cache: BoundedCache[str, int] = BoundedCache(10)
    cache.put("a", 1, 4)
    cache.put("a", 2, 5)
    cache.put("b", 3, 5)

    assert [cache.get(key) for key in "ab"] == [2, 3]


def test_what_weighs_more_than_the_limit_is_not_held() -> None:
    cache: BoundedCache[str, int] = BoundedCache(10)
    cache.put("a", 1, 4)
    cache.put("b", 2, 11)

    assert [cache.get(key) for key in "ab"] == [1, None]


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns at nearly every step."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_may_share_a_cache_that_is_too_small_for_them() -> None:
    cache: BoundedCache[int, int] = BoundedCache(3)

    def work(start: int) -> None:
        for number in range(20_000):
            key = (start + number) % 5
            assert cache.get(key) in (None, key)
            cache.put(key, key, 1)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, start) for start in range(4)]:
            done.result()
    assert sum(cache.get(key) is not None for key in range(5)) == 3
