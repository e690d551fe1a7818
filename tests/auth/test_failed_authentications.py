"""429 after 300 failed client authentications a minute for each address and client."""

from datetime import UTC, datetime, timedelta

from joserfc.jwk import ECKey

from bhr_api.auth.failed_authentications import FAILURES_ALLOWED, FailedAuthentications
from tests.fixtures.auth import AuthServer


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def exhausted(clock: Clock) -> FailedAuthentications:
    failures = FailedAuthentications(clock)
    for _ in range(FAILURES_ALLOWED):
        assert failures.seconds_to_wait(("192.0.2.1", "c")) == 0
        failures.count(("192.0.2.1", "c"))
    return failures


def test_the_three_hundred_and_first_waits_for_the_rest_of_the_minute() -> None:
    clock = Clock()
    failures = exhausted(clock)
    clock.now += timedelta(seconds=20)

    assert failures.seconds_to_wait(("192.0.2.1", "c")) == 41
    clock.now += timedelta(seconds=40)
    assert failures.seconds_to_wait(("192.0.2.1", "c")) == 0


def test_neither_the_client_elsewhere_nor_the_neighbour_waits() -> None:
    failures = exhausted(Clock())

    assert failures.seconds_to_wait(("192.0.2.2", "c")) == 0
    assert failures.seconds_to_wait(("192.0.2.1", "d")) == 0


def test_memory_is_bounded() -> None:
    failures = FailedAuthentications(Clock())
    for number in range(20_000):
        failures.count(("192.0.2.1", str(number)))

    assert len(failures._windows) == 10_000


def test_guessing_is_slowed_down_and_others_are_not(auth_server: AuthServer, ec_key: ECKey) -> None:
    guessed, other = auth_server.register(secret=True), auth_server.register_keyed(ec_key)
    form = {"grant_type": "client_credentials", "client_id": guessed.client_id}

    statuses = [auth_server.token(form | {"client_secret": "guess"}).status_code for _ in range(FAILURES_ALLOWED)]
    refused = auth_server.token(form | {"client_secret": guessed.client_secret or "", "scope": "system/*.rs"})

    assert set(statuses) == {400}
    assert (refused.status_code, refused.json()["error"]) == (429, "temporarily_unavailable")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert auth_server.token(other.form()).status_code == 200
    auth_server.clock.ahead = timedelta(seconds=61)
    again = auth_server.token(form | {"client_secret": guessed.client_secret or "", "scope": "system/*.rs"})
    assert again.status_code == 200
