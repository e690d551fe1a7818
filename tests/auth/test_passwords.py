import statistics
import time

import pytest
from argon2 import PasswordHasher

from bhr_api.auth.passwords import PasswordLengthError, hash_password, verify

WORDS = "seven plain words are a password"


def test_a_password_is_kept_as_argon2id() -> None:
    assert hash_password(WORDS).startswith("$argon2id$v=19$m=65536,t=3,p=1$")


def test_the_right_password_is_right_and_no_other_is() -> None:
    stored = hash_password(WORDS)
    assert verify(stored, WORDS).is_right
    for wrong in (WORDS + " ", WORDS.upper(), "", "\0", "\ud800" * 20, WORDS * 1000):
        assert not verify(stored, wrong).is_right


@pytest.mark.parametrize("length", [0, 11, 257])
def test_too_short_and_too_long_passwords_are_refused_with_advice(length: int) -> None:
    with pytest.raises(PasswordLengthError, match="A password has at"):
        hash_password("x" * length)


@pytest.mark.parametrize("length", [12, 256])
def test_the_bounds_themselves_are_taken(length: int) -> None:
    assert verify(hash_password("x" * length), "x" * length).is_right


def test_the_same_letters_written_differently_are_the_same_password() -> None:
    # NIST SP 800-63B: NFKC, so that two keyboards give one password.
    assert verify(hash_password("Pa\u0308rchen im Wald"), "P\u00e4rchen im Wald").is_right


def test_a_hash_by_older_parameters_is_replaced_at_the_next_right_password() -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8 * 1024).hash(WORDS)
    assert verify(old, "wrong and wrong again").new_hash is None
    new = verify(old, WORDS).new_hash
    assert new is not None
    assert verify(new, WORDS) == verify(new, WORDS)
    assert verify(new, WORDS).new_hash is None


def test_a_name_without_password_costs_as_much_as_one_with() -> None:
    stored = hash_password(WORDS)
    verify(None, WORDS)  # Its own hash is made once.

    def seconds(candidate: str | None) -> float:
        started = time.process_time()
        verify(candidate, "a wrong password")
        return time.process_time() - started

    with_hash, without = zip(*((seconds(stored), seconds(None)) for _ in range(7)), strict=True)
    assert 0.5 < statistics.median(without) / statistics.median(with_hash) < 2
