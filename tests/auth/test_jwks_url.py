"""Key sets by URL: rotation, caching and bounds (SMART client-confidential-asymmetric.html)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from joserfc.jwk import ECKey

from bhr_api.auth.jwks import InvalidKeySetError
from bhr_api.auth.jwks_url import check_key_set_url
from tests.fixtures.auth import AuthServer, JwksSite, KeyedClient, jwks_of


@pytest.fixture
def published_client(auth_server: AuthServer, jwks_site: JwksSite, ec_key: ECKey) -> KeyedClient:
    jwks_site.body = jwks_of(ec_key).encode()
    registered = auth_server.register(jwks_url=jwks_site.url)
    return KeyedClient(registered.client_id, ec_key, auth_server.token_url)


def status(server: AuthServer, client: KeyedClient) -> int:
    exp = int(server.clock().timestamp()) + 60
    return server.token(client.form(client.assertion({"exp": exp}))).status_code


def test_keys_are_fetched_once_and_kept(
    auth_server: AuthServer, jwks_site: JwksSite, published_client: KeyedClient
) -> None:
    assert [status(auth_server, published_client) for _ in range(3)] == [200, 200, 200]
    assert jwks_site.hits == 1


def test_a_registered_jku_is_accepted(
    auth_server: AuthServer, jwks_site: JwksSite, published_client: KeyedClient
) -> None:
    assertion = published_client.assertion(header={"jku": jwks_site.url})

    assert auth_server.token(published_client.form(assertion)).status_code == 200


def test_a_rotated_key_is_found_by_one_more_fetch(
    auth_server: AuthServer, jwks_site: JwksSite, published_client: KeyedClient
) -> None:
    assert status(auth_server, published_client) == 200
    new_key = ECKey.generate_key("P-384", {"kid": "ec-2"})
    rotated = KeyedClient(published_client.client_id, new_key, published_client.token_url)
    jwks_site.body = jwks_of(new_key).encode()

    auth_server.clock.ahead = timedelta(seconds=31)

    assert status(auth_server, rotated) == 200
    assert status(auth_server, published_client) == 400
    assert jwks_site.hits == 2


def test_unknown_kids_cause_one_fetch_in_thirty_seconds(
    auth_server: AuthServer, jwks_site: JwksSite, published_client: KeyedClient
) -> None:
    stranger = KeyedClient(
        published_client.client_id, ECKey.generate_key("P-384", {"kid": "?"}), published_client.token_url
    )

    assert [status(auth_server, stranger) for _ in range(5)] == [400] * 5
    assert jwks_site.hits == 1


def test_simultaneous_requests_share_one_fetch(
    auth_server: AuthServer, jwks_site: JwksSite, published_client: KeyedClient
) -> None:
    jwks_site.delay_seconds = 0.3

    with ThreadPoolExecutor(15) as pool:
        statuses = list(pool.map(lambda _: status(auth_server, published_client), range(15)))

    assert statuses == [200] * 15
    assert jwks_site.hits == 1


@pytest.mark.parametrize(
    ("cache_control", "fresh_seconds", "stale_seconds"),
    [
        pytest.param("max-age=600", 590, 610, id="max-age"),
        pytest.param("public, max-age=1", 55, 65, id="at-least-a-minute"),
        pytest.param("no-store", 55, 65, id="no-store-is-a-minute"),
        pytest.param("max-age=99999999", 86_300, 86_500, id="at-most-a-day"),
        pytest.param("s-maxage=1000", 290, 310, id="five-minutes-unless-told"),
    ],
)
def test_cache_control_is_honoured_within_bounds(
    auth_server: AuthServer,
    jwks_site: JwksSite,
    published_client: KeyedClient,
    cache_control: str,
    fresh_seconds: int,
    stale_seconds: int,
) -> None:
    jwks_site.headers = {"Cache-Control": cache_control}
    hits = []
    for seconds in (0, fresh_seconds, stale_seconds):
        auth_server.clock.ahead = timedelta(seconds=seconds)
        assert status(auth_server, published_client) == 200
        hits.append(jwks_site.hits)

    assert hits == [1, 1, 2]


def test_the_last_keys_serve_while_the_site_is_down_for_a_day_at_most(
    auth_server: AuthServer, jwks_site: JwksSite, published_client: KeyedClient
) -> None:
    assert status(auth_server, published_client) == 200
    jwks_site.status = 500

    auth_server.clock.ahead = timedelta(hours=23)
    assert status(auth_server, published_client) == 200
    auth_server.clock.ahead = timedelta(hours=25)
    assert status(auth_server, published_client) == 400


@pytest.mark.parametrize(
    ("code", "headers", "body"),
    [
        pytest.param(302, {"Location": "http://127.0.0.1:1/"}, None, id="redirect-is-not-followed"),
        pytest.param(404, {}, None, id="not-found"),
        pytest.param(200, {}, b"<html>", id="no-JSON"),
        pytest.param(200, {}, b'{"keys":[' + b" " * 300_000 + b"]}", id="over-256-kB"),
        pytest.param(200, {"Content-Encoding": "gzip"}, None, id="compressed"),
        pytest.param(200, {}, b"\xff\xfe", id="no-UTF-8"),
    ],
)
def test_what_is_no_key_set_authenticates_nobody(
    auth_server: AuthServer,
    jwks_site: JwksSite,
    published_client: KeyedClient,
    code: int,
    headers: dict[str, str],
    body: bytes | None,
) -> None:
    jwks_site.status, jwks_site.headers = code, headers
    jwks_site.body = jwks_site.body if body is None else body

    assert status(auth_server, published_client) == 400
    assert jwks_site.hits == 1


def test_a_host_that_cannot_be_resolved_authenticates_nobody(auth_server: AuthServer, ec_key: ECKey) -> None:
    registered = auth_server.register(jwks_url="https://a..b/jwks.json")

    assert status(auth_server, KeyedClient(registered.client_id, ec_key, auth_server.token_url)) == 400


def test_a_site_that_does_not_answer_is_given_up(
    auth_server: AuthServer, jwks_site: JwksSite, published_client: KeyedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bhr_api.auth.jwks_url.ANSWER_SECONDS", 0.1)
    jwks_site.delay_seconds = 0.5

    assert status(auth_server, published_client) == 400


def test_a_slow_site_holds_no_database_connection(
    auth_server: AuthServer, jwks_site: JwksSite, published_client: KeyedClient, backend_client: KeyedClient
) -> None:
    jwks_site.delay_seconds = 1.0
    with ThreadPoolExecutor(30) as pool:
        slow = [pool.submit(status, auth_server, published_client) for _ in range(25)]
        quick = auth_server.token(backend_client.form())
        still_waiting = sum(not future.done() for future in slow)

    assert quick.status_code == 200
    assert quick.elapsed < timedelta(seconds=0.9)
    assert still_waiting > 0
    assert {future.result() for future in slow} == {200}


@pytest.mark.parametrize(
    "url",
    [
        "https://keys.example/jwks.json",
        "http://127.0.0.1:9000/jwks.json",
        "http://localhost/jwks",
    ],
)
def test_a_url_over_https_or_on_this_machine_can_be_registered(url: str) -> None:
    assert check_key_set_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.example/jwks.json",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://keys.example/jwks.json",
        "https://user:secret@keys.example/jwks.json",
        "https:///jwks.json",
        "//keys.example/jwks.json",
        "https://keys.example/#x",
        "https://keys.example/a b",
        "https://keys.example:99999999/",
        "https://keys.example/\n",
        "",
    ],
)
def test_another_url_cannot_be_registered(url: str) -> None:
    with pytest.raises(InvalidKeySetError):
        check_key_set_url(url)
