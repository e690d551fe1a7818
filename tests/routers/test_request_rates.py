"""Request rates: the law of the algorithm, its memory shared by workers, and the answer over HTTP."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bhr_api.access import Caller, Person
from bhr_api.app import Application
from bhr_api.errors import RateLimitedError
from bhr_api.routers.request_rates import RequestRates
from bhr_api.settings import Settings
from tests.fixtures.server import RunningServer, serve


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def caller(client_id: str = "c", user: str | None = None, tenant: int = 1) -> Caller:
    person = None if user is None else Person(user, (), (), ())
    return Caller(tenant, client_id, (), person=person)


def is_admitted(rates: RequestRates, who: Caller) -> bool:
    try:
        rates.admit(who)
    except RateLimitedError:
        return False
    return True


@given(st.lists(st.floats(0, 5), max_size=200), st.integers(1, 600))
def test_no_span_of_time_sees_more_than_the_rate_and_a_burst(pauses: list[float], per_minute: int) -> None:
    clock = Clock()
    rates = RequestRates(per_minute, None, clock=clock)
    admitted = []
    for pause in pauses:
        clock.now += pause
        if is_admitted(rates, caller()):
            admitted.append(clock.now)
    burst = max(per_minute // 6, 10)
    for first, start in enumerate(admitted):
        for last in range(first, len(admitted)):
            assert last - first + 1 <= burst + (admitted[last] - start) * per_minute / 60 + 1e-6


def test_who_waits_as_long_as_told_is_admitted() -> None:
    clock = Clock()
    rates = RequestRates(60, None, clock=clock)
    while is_admitted(rates, caller()):
        pass
    with pytest.raises(RateLimitedError) as refused:
        rates.admit(caller())

    clock.now += refused.value.retry_after_seconds

    assert is_admitted(rates, caller())


def test_each_client_and_each_person_of_each_tenant_counts_for_itself() -> None:
    rates = RequestRates(None, 60, clock=Clock())
    assert sum(is_admitted(rates, caller(user="a")) for _ in range(20)) == 10
    # By another client it is the same person.
    assert not is_admitted(rates, caller("d", user="a"))
    assert is_admitted(rates, caller(user="b"))
    assert is_admitted(rates, caller(user="a", tenant=2))
    assert is_admitted(rates, caller())


def test_workers_count_together(tmp_path: Path) -> None:
    RequestRates.make_file(tmp_path / "rates")
    clock = Clock()
    workers = [RequestRates(60, None, tmp_path / "rates", clock) for _ in range(2)]
    assert sum(is_admitted(workers[n % 2], caller()) for n in range(20)) == 10


def test_a_crowd_of_clients_is_forgotten_by_age_only() -> None:
    clock = Clock()
    rates = RequestRates(60, None, clock=clock)
    for _ in range(10):
        rates.admit(caller("busy"))
    for number in range(2000):
        rates.admit(caller(f"c{number}"))
    assert not is_admitted(rates, caller("busy"))


@pytest.fixture
def limited(database_dsn: str) -> Iterator[RunningServer]:
    """A server that takes 60 requests a minute of a client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = Settings(
            _env_file=None, port=port, database_url=SecretStr(database_dsn), client_requests_per_minute=60
        )
        running, thread = serve(Application(settings, database_dsn), listener)
        yield RunningServer(settings.issuer, database_dsn)
        running.should_exit = True
        thread.join(timeout=30)


def test_too_many_requests_are_told_when_to_come_back(limited: RunningServer) -> None:
    with limited.client(limited.token(limited.new_tenant())) as http:
        answers = [http.get("/Goal") for _ in range(15)]

    assert [answer.status_code for answer in answers[:10]] == [200] * 10
    refused = answers[-1]
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 6
    assert refused.json()["issue"][0]["code"] == "throttled"
    # What needs no token is open as ever.
    assert httpx.get(f"{limited.base_url}/metadata").status_code == 200
