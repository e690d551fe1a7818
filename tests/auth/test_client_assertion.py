"""private_key_jwt: every rule of RFC 7523 §3 and SMART's client-confidential-asymmetric.html, over HTTP."""

import time
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from tests.fixtures.auth import AuthServer, KeyedClient, jwks_of, sign

FAILED = (400, {"error": "invalid_client", "error_description": "Client authentication failed."})


def answer_to(server: AuthServer, client: KeyedClient, assertion: str) -> tuple[int, Any]:
    response = server.token(client.form(assertion))
    return response.status_code, response.json()


def segment(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


HEADER = '{"alg":"ES384","kid":"k"}'


def jwt_like(header: str, payload: str) -> str:
    return f"{segment(header)}.{segment(payload)}.AAAA"


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"iss": "another"}, id="iss-is-not-the-client"),
        pytest.param({"iss": None}, id="iss-missing"),
        pytest.param({"sub": "another"}, id="sub-is-not-the-client"),
        pytest.param({"sub": None}, id="sub-missing"),
        pytest.param({"sub": ["x"]}, id="sub-is-no-string"),
        pytest.param({"sub": "bhr_client_default_" + "0" * 32}, id="unknown-client"),
        pytest.param({"sub": "bhr_client_nowhere_" + "0" * 32}, id="unknown-tenant"),
        pytest.param({"sub": "\ud800"}, id="sub-is-a-lone-surrogate"),
        pytest.param({"sub": "' OR 1=1 --"}, id="sub-SQL"),
        pytest.param({"aud": None}, id="aud-missing"),
        pytest.param({"aud": "https://elsewhere.example/oauth/token"}, id="aud-elsewhere"),
        pytest.param({"aud": []}, id="aud-empty"),
        pytest.param({"exp": None}, id="exp-missing"),
        pytest.param({"exp": "soon"}, id="exp-is-no-number"),
        pytest.param({"exp": True}, id="exp-is-a-boolean"),
        pytest.param({"exp": float("nan")}, id="exp-is-NaN"),
        pytest.param({"exp": float("inf")}, id="exp-is-infinite"),
        pytest.param({"exp": 10**400}, id="exp-is-beyond-floats"),
        pytest.param({"iat": "now"}, id="iat-is-no-number"),
        pytest.param({"jti": None}, id="jti-missing"),
        pytest.param({"jti": ""}, id="jti-empty"),
        pytest.param({"jti": 7}, id="jti-is-no-string"),
    ],
)
def test_wrong_claims_are_refused(auth_server: AuthServer, backend_client: KeyedClient, claims: dict[str, Any]) -> None:
    assert answer_to(auth_server, backend_client, backend_client.assertion(claims)) == FAILED


@pytest.mark.parametrize("extra", ["https://elsewhere.example", "http://127.0.0.1"])
def test_a_second_audience_is_refused(auth_server: AuthServer, backend_client: KeyedClient, extra: str) -> None:
    assertion = backend_client.assertion({"aud": [auth_server.token_url, extra]})

    assert answer_to(auth_server, backend_client, assertion) == FAILED


def test_a_list_of_the_one_audience_is_accepted(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    assert answer_to(auth_server, backend_client, backend_client.assertion({"aud": [auth_server.token_url]}))[0] == 200


@pytest.mark.parametrize(
    ("claim", "seconds", "status"),
    [
        pytest.param("exp", 325, 200, id="exp-five-minutes-and-skew-ahead"),
        pytest.param("exp", 340, 400, id="exp-over-five-minutes-and-skew-ahead"),
        pytest.param("exp", 3600, 400, id="exp-an-hour-ahead"),
        pytest.param("exp", -20, 200, id="exp-passed-within-the-leeway"),
        pytest.param("exp", -40, 400, id="exp-passed"),
        pytest.param("iat", 20, 200, id="iat-ahead-within-the-leeway"),
        pytest.param("iat", 600, 400, id="iat-ten-minutes-ahead"),
        pytest.param("iat", -3600, 200, id="iat-long-ago"),
        pytest.param("nbf", 20, 200, id="nbf-ahead-within-the-leeway"),
        pytest.param("nbf", 600, 400, id="nbf-ten-minutes-ahead"),
    ],
)
def test_times_have_thirty_seconds_of_leeway(
    auth_server: AuthServer, backend_client: KeyedClient, claim: str, seconds: int, status: int
) -> None:
    assertion = backend_client.assertion({claim: int(time.time()) + seconds})

    assert answer_to(auth_server, backend_client, assertion)[0] == status


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"kid": None}, id="kid-missing"),
        pytest.param({"kid": "another"}, id="kid-unknown"),
        pytest.param({"kid": "../../etc/passwd"}, id="kid-path"),
        pytest.param({"kid": "' OR '1'='1"}, id="kid-SQL"),
        pytest.param({"typ": "at+jwt"}, id="typ-other"),
        pytest.param({"crit": ["exp"], "exp": 1}, id="crit"),
        pytest.param({"jku": "https://attacker.example/jwks.json"}, id="jku-not-registered"),
        pytest.param({"x5u": "https://attacker.example/chain.pem"}, id="x5u"),
        pytest.param({"x5c": ["AAAA"]}, id="x5c"),
    ],
)
def test_wrong_headers_are_refused(
    auth_server: AuthServer, backend_client: KeyedClient, header: dict[str, Any]
) -> None:
    assert answer_to(auth_server, backend_client, backend_client.assertion(header=header)) == FAILED


def test_a_large_header_of_a_plain_jwt_is_accepted(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    assertion = backend_client.assertion(header={"x-note": "a" * 1000})

    assert answer_to(auth_server, backend_client, assertion)[0] == 200


def test_alg_none_is_refused(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    _, payload, _ = backend_client.assertion().split(".")
    for signature in ("", "AAAA"):
        unsigned = segment('{"alg":"none","kid":"ec-1"}') + f".{payload}.{signature}"
        assert answer_to(auth_server, backend_client, unsigned) == FAILED


def test_an_hmac_with_the_public_key_as_secret_is_refused(auth_server: AuthServer, rsa_key: RSAKey) -> None:
    client = auth_server.register_keyed(rsa_key)
    public = OctKey.import_key(rsa_key.as_pem(private=False).hex())
    claims = {"iss": client.client_id, "sub": client.client_id, "aud": client.token_url, "exp": time.time() + 60}

    forged = sign(public, claims | {"jti": "x"}, {"alg": "HS384", "kid": "rsa-1"})

    assert answer_to(auth_server, client, forged) == FAILED


def test_a_key_inside_the_assertion_proves_nothing(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    attacker = KeyedClient(
        backend_client.client_id, ECKey.generate_key("P-384", {"kid": "ec-1"}), backend_client.token_url
    )

    assertion = attacker.assertion(header={"jwk": attacker.key.as_dict(private=False)})

    assert answer_to(auth_server, backend_client, assertion) == FAILED


@pytest.mark.parametrize("alg", ["RS256", "RS512", "PS384"])
def test_a_good_key_under_another_algorithm_is_refused(auth_server: AuthServer, rsa_key: RSAKey, alg: str) -> None:
    client = auth_server.register_keyed(rsa_key)

    assert answer_to(auth_server, client, client.assertion(header={"alg": alg})) == FAILED


def test_the_key_fixes_the_algorithm(auth_server: AuthServer, rsa_key: RSAKey, ec_key: ECKey) -> None:
    # Signed by the elliptic key, but the kid names the RSA one of the same client.
    registered = auth_server.register(jwks=jwks_of(rsa_key, ec_key))
    client = KeyedClient(registered.client_id, ec_key, auth_server.token_url)

    assert answer_to(auth_server, client, client.assertion(header={"kid": "rsa-1"})) == FAILED
    assert answer_to(auth_server, client, client.assertion())[0] == 200


def test_the_answer_is_the_same_for_an_unknown_client_and_a_wrong_key(
    auth_server: AuthServer, backend_client: KeyedClient
) -> None:
    stranger_key = ECKey.generate_key("P-384", {"kid": "ec-1"})
    unknown = KeyedClient("bhr_client_default_" + "0" * 32, stranger_key, backend_client.token_url)
    forger = KeyedClient(backend_client.client_id, stranger_key, backend_client.token_url)

    assert answer_to(auth_server, unknown, unknown.assertion()) == FAILED
    assert answer_to(auth_server, forger, forger.assertion()) == FAILED
    assert auth_server.events(backend_client.client_id) == [
        ("refuse", "invalid_client", "The client assertion's signature does not verify.")
    ]


@pytest.mark.parametrize(
    "assertion",
    [
        pytest.param("x", id="one-part"),
        pytest.param("a.b.c.d", id="four-parts"),
        pytest.param("a.b.c", id="not-base64"),
        pytest.param(jwt_like("[]", "{}"), id="header-is-a-list"),
        pytest.param(jwt_like('"alg"', "{}"), id="header-is-a-string"),
        pytest.param(jwt_like(HEADER, "[1]"), id="claims-are-a-list"),
        pytest.param(jwt_like(HEADER, '{"sub":"a","sub":"b"}'), id="repeated-claim"),
        pytest.param(jwt_like(HEADER, '{"a":' + "[" * 3000 + "]" * 3000 + "}"), id="3000-deep"),
        pytest.param(jwt_like(HEADER, '{"exp":' + "9" * 5000 + "}"), id="5000-digits"),
        pytest.param("A" * 20_000, id="20-kB"),
        pytest.param("bhr_at_default_" + "A" * 43, id="an-access-token"),
    ],
)
def test_what_is_no_jwt_is_refused(auth_server: AuthServer, backend_client: KeyedClient, assertion: str) -> None:
    assert answer_to(auth_server, backend_client, assertion) == FAILED


def test_a_changed_payload_breaks_the_signature(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    header, _, signature = backend_client.assertion().split(".")
    _, payload, _ = backend_client.assertion().split(".")

    assert answer_to(auth_server, backend_client, f"{header}.{payload}.{signature}") == FAILED


def test_an_assertion_is_good_once(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    assertion = backend_client.assertion()

    assert answer_to(auth_server, backend_client, assertion)[0] == 200
    assert answer_to(auth_server, backend_client, assertion) == FAILED


def test_twenty_simultaneous_replays_give_one_token(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    form = backend_client.form()

    with ThreadPoolExecutor(20) as pool:
        statuses = sorted(pool.map(lambda _: auth_server.token(form).status_code, range(20)))

    assert statuses == [200] + [400] * 19
    tokens = "SELECT 1 FROM oauth_access_token WHERE client_id = $1"
    assert len(auth_server.fetch(tokens, backend_client.client_id)) == 1


def test_a_jti_is_used_up_for_its_own_client_only(auth_server: AuthServer, ec_key: ECKey) -> None:
    one, two = auth_server.register_keyed(ec_key), auth_server.register_keyed(ec_key)

    assert answer_to(auth_server, one, one.assertion({"jti": "same"}))[0] == 200
    assert answer_to(auth_server, two, two.assertion({"jti": "same"}))[0] == 200


@pytest.mark.parametrize(
    ("claims", "by_stranger"),
    [
        pytest.param({}, True, id="forged-signature"),
        pytest.param({"aud": "https://elsewhere.example"}, False, id="meant-for-another-server"),
        pytest.param({"exp": 1}, False, id="expired"),
    ],
)
def test_a_refused_assertion_does_not_use_up_its_jti(
    auth_server: AuthServer, backend_client: KeyedClient, claims: dict[str, Any], by_stranger: bool
) -> None:
    key = ECKey.generate_key("P-384", {"kid": "ec-1"}) if by_stranger else backend_client.key
    other = KeyedClient(backend_client.client_id, key, backend_client.token_url)

    assert answer_to(auth_server, backend_client, other.assertion({"jti": "victim"} | claims)) == FAILED
    assert answer_to(auth_server, backend_client, backend_client.assertion({"jti": "victim"}))[0] == 200


def test_a_jti_that_served_a_refused_grant_stays_used(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    assertion = backend_client.assertion()

    assert auth_server.token(backend_client.form(assertion, scope="openid")).json()["error"] == "invalid_scope"
    assert answer_to(auth_server, backend_client, assertion) == FAILED


def test_used_assertions_are_forgotten_once_they_could_not_be_accepted(auth_server: AuthServer, ec_key: ECKey) -> None:
    client = auth_server.register_keyed(ec_key)
    answer_to(auth_server, client, client.assertion())

    auth_server.clock.ahead = timedelta(minutes=20)
    answer_to(auth_server, client, client.assertion({"exp": int(time.time()) + 1320}))

    used = "SELECT 1 FROM oauth_used_assertion WHERE client_id = $1"
    assert len(auth_server.fetch(used, client.client_id)) == 1


def test_tokens_are_forgotten_a_day_after_they_expired(auth_server: AuthServer, ec_key: ECKey) -> None:
    client = auth_server.register_keyed(ec_key)
    for ahead in (timedelta(), timedelta(hours=1), timedelta(hours=24, minutes=10)):
        auth_server.clock.ahead = ahead
        exp = int(auth_server.clock().timestamp()) + 60
        assert answer_to(auth_server, client, client.assertion({"exp": exp}))[0] == 200

    kept = "SELECT 1 FROM oauth_access_token WHERE client_id = $1"
    assert len(auth_server.fetch(kept, client.client_id)) == 2


def test_any_string_is_a_jti(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    for jti in ("\ud800", "\x00", "a" * 5000, "'; --"):
        assert answer_to(auth_server, backend_client, backend_client.assertion({"jti": jti}))[0] == 200


def test_a_client_with_a_secret_cannot_use_an_assertion(auth_server: AuthServer, ec_key: ECKey) -> None:
    registered = auth_server.register(secret=True)
    client = KeyedClient(registered.client_id, ec_key, auth_server.token_url)

    assert answer_to(auth_server, client, client.assertion()) == FAILED
