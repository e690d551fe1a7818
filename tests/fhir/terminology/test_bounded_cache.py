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
