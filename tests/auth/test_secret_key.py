from pathlib import Path

import pytest

from bhr_api.auth.secret_key import SecretKey, SecretKeyError


def test_what_is_sealed_opens_for_its_owner_only(tmp_path: Path) -> None:
    key = SecretKey(tmp_path / "keys" / "secret.key")
    sealed = key.seal(b"a secret", "totp 1 doe")
    assert b"a secret" not in sealed
    assert SecretKey(tmp_path / "keys" / "secret.key").open(sealed, "totp 1 doe") == b"a secret"
    with pytest.raises(SecretKeyError, match="not the key"):
        key.open(sealed, "totp 2 doe")
    with pytest.raises(SecretKeyError, match="not the key"):
        SecretKey(tmp_path / "another.key").open(sealed, "totp 1 doe")
    with pytest.raises(SecretKeyError, match="not the key"):
        key.open(b"", "totp 1 doe")


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    SecretKey(path).seal(b"x", "y")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret.key"]
    path.chmod(0o644)
    with pytest.raises(SecretKeyError, match="chmod 600"):
        SecretKey(path).seal(b"x", "y")


def test_a_file_that_holds_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(SecretKeyError, match="32 random bytes"):
        SecretKey(path).seal(b"x", "y")
