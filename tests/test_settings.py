"""What the one who runs the server may set, and what is refused before anything starts."""

import pytest
from pydantic import ValidationError

from bhr_api.settings import Settings


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[arg-type]


def refusal(**given: object) -> str:
    """What is said of settings that are refused for one reason."""
    with pytest.raises(ValidationError) as refused:
        settings(**given)
    (problem,) = refused.value.errors()
    return str(problem["msg"])


@pytest.mark.parametrize(
    "url",
    [
        "https://records.example.org",
        "https://records.example.org:8443/",
        "https://Records.Example.org",
        "http://localhost:8000",
        "http://127.0.0.1",
        "http://[::1]:8000",
    ],
)
def test_a_public_url_is_scheme_host_and_port(url: str) -> None:
    assert settings(public_url=url).issuer == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/records",
        "https://example.org/?tenant=a",
        "https://example.org#top",
        "https://user@example.org",
        "ftp://example.org",
        "records.example.org",
        "",
    ],
)
def test_any_other_url_is_refused_with_what_would_be_right(url: str) -> None:
    assert "no path: https://records.example.org" in refusal(public_url=url)


def test_http_is_refused_for_other_machines() -> None:
    assert "must be https://" in refusal(public_url="http://records.example.org")


@pytest.mark.parametrize("host", ["192.168.1.20", "records.example.org", "fd00::1"])
def test_who_listens_for_other_machines_must_say_the_public_url(host: str) -> None:
    assert f"must be set, to an https:// URL, when the server listens for other machines on the address {host}" in (
        refusal(host=host)
    )
    assert settings(host=host, public_url="https://records.example.org").issuer == "https://records.example.org"


@pytest.mark.parametrize(
    ("host", "issuer"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://localhost:8000"),
        ("::", "http://localhost:8000"),
        ("::1", "http://[::1]:8000"),
    ],
)
def test_without_a_public_url_it_is_made_of_host_and_port(host: str, issuer: str) -> None:
    assert settings(host=host).issuer == issuer


TIMES = [name for name in Settings.model_fields if name.endswith("_seconds")]


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300", "-1"])
@pytest.mark.parametrize("name", TIMES)
def test_a_time_has_bounds(name: str, value: str) -> None:
    assert refusal(**{name: value}).startswith("Input should be")


@pytest.mark.parametrize("name", sorted({*TIMES} - {"audit_flush_seconds"}))
def test_a_time_is_no_shorter_than_a_millisecond(name: str) -> None:
    assert refusal(**{name: "0.0009"}) == "Input should be greater than or equal to 0.001"
    assert getattr(settings(**{name: "0.001"}), name) == 0.001
