"""Apps and people who get access, and whoever comes from elsewhere, for those who watch the statements that it takes."""

from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
from joserfc.jwk import ECKey
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.pool import NullPool

from bhr_api.auth.audit import RequestSource
from bhr_api.auth.bearer import TokenReader
from bhr_api.auth.browser_sessions import BrowserSessions
from bhr_api.auth.federated_sign_in import FederatedSignIn, UnlinkedIdentity
from bhr_api.auth.identity_providers import IdentityProvider, IdentityProviders
from bhr_api.auth.provider_id_token import ProvenIdentity
from bhr_api.auth.registration import RegisteredClient
from bhr_api.auth.trusted_issuers import ForeignToken, TrustedIssuer, TrustedIssuers
from bhr_api.authorization_audit import audit_into_table
from bhr_api.store.database import Database, engine_for
from bhr_api.store.row_ids import RowIds
from tests.fixtures.app_launch import AT_BROWSER, decide, in_process, parameters_of, register_app, sign_in
from tests.fixtures.auth import AuthServer, KeyedClient, MovableClock, jwks_of
from tests.fixtures.pages import Clinic, Visitor, forms_of
from tests.fixtures.server import RunningServer


def responsible(server: RunningServer, tenant: str) -> str:
    """The token of a person who may do everything, with the record of one client."""
    practitioner = "Practitioner/worker"
    team = {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "subject": {"reference": "Patient/sample-0001"},
        "participant": [{"member": {"reference": practitioner}}],
    }
    with server.client(server.token(tenant)) as operator:
        assert operator.put("CareTeam/team", json=team).status_code == 201
    server.set_role(tenant, "everything", "user/*.cruds", "caseload")
    return server.token(tenant, "user/*.cruds", username=server.account(tenant, practitioner, "everything"))


def authorize(server: RunningServer, tenant: str) -> None:
    """A client gets a token, has it looked at, uses it in another way than it may, and revokes it; a wrong one is refused."""
    key = ECKey.generate_key("P-384", {"kid": "k1"})
    client = KeyedClient(server.register(tenant, jwks_of(key)).client_id, key, f"{server.url}/oauth/token")
    token = httpx.post(client.token_url, data=client.form()).json()["access_token"]
    for endpoint in ("introspect", "revoke"):
        form = client.form(grant_type=None, scope=None) | {"token": token}
        assert httpx.post(f"{server.url}/oauth/{endpoint}", data=form).status_code == 200
    assert httpx.post(client.token_url, data=client.form(client.assertion({"aud": "x"}))).status_code in (400, 401)
    with server.client(token) as revoked:
        assert revoked.get("Goal").status_code == 401


def let_app_in(server: RunningServer, tenant: str) -> None:
    """A person signs in, fails to, chooses a client, lets an app in, takes that back and leaves."""
    clinic = Clinic(server, tenant)
    clinic.add_user("doe", "Practitioner/1", "clinician")
    app = clinic.add_app()
    with httpx.Client(base_url=server.url) as http:
        visitor = Visitor(server, http)
        visitor.open(app.address())
        assert visitor.sign_in("doe", "wrong wrong wrong").status_code == 401
        visitor.sign_in("doe")
        visitor.submit(choose=("patient=sample-0001",))
        assert visitor.submit("decision=allow").status_code == 303
        visitor.open("/app/apps")
        grant = next(
            value
            for form in forms_of(visitor.open("/app/apps").text)
            for name, value in form.buttons
            if name == "revoke"
        )
        assert visitor.submit(f"revoke={grant}").status_code == 200
        assert visitor.submit("leave=yes").status_code == 200


def let_in(server: RunningServer, tenant: str) -> None:
    """A person lets apps in, by themselves and from an EHR; tokens are refreshed, looked at, stolen and revoked."""
    clock = MovableClock()
    with httpx.Client(base_url=server.url) as http:
        auth = AuthServer(server.url, server.dsn, clock, http, audit_into_table(RowIds(), clock))
        known, user = register_app(auth, tenant_name=tenant, secret=True), sign_in(auth, tenant_name=tenant)
        host = auth.register(tenant, "launch", secret=True)
        in_process(
            auth, lambda auth_server: auth_server.refuse(known.begin(), "login_required", "No page.", AT_BROWSER)
        )
        waiting = in_process(auth, lambda auth_server: auth_server.pending(known.begin(prompt="login"), AT_BROWSER))
        in_process(
            auth, lambda auth_server: auth_server.is_remembered(waiting, user, AT_BROWSER, waiting.request.scope)
        )
        tokens = known.tokens(user)
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert http.get("/oauth/userinfo", headers=bearer).status_code == 200
        assert auth.introspect({"token": tokens["refresh_token"], **known.credentials()}).json()["active"]
        assert known.refresh(tokens["refresh_token"]).status_code == 200
        assert known.refresh(tokens["refresh_token"]).status_code == 400
        launch = http.post("/oauth/launch", json={"client_id": known.client_id}, headers=bearer_of(auth, host))
        request_id = known.begin(launch=launch.json()["launch"], scope="launch user/Observation.rs")
        code = parameters_of(decide(auth, request_id, user, remember=True))["code"]
        assert known.exchange(code).status_code == 200
        assert known.exchange(code).status_code == 400


def bearer_of(server: AuthServer, client: RegisteredClient) -> dict[str, str]:
    """The header with a token that a client gets for itself."""
    assert client.client_secret is not None
    form = {"grant_type": "client_credentials", "scope": client.scope}
    answer = server.token(form, auth=(client.client_id, client.client_secret))
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


class Believed(TrustedIssuers):
    """Believes one token, whatever it is."""

    def __init__(self, token: ForeignToken) -> None:
        self._token = token

    def __bool__(self) -> bool:
        return True

    async def read(self, text: str) -> ForeignToken:
        assert text
        return self._token


async def believe_another_issuer(dsn: str, tenant: str) -> None:
    """Somebody comes with a token of another issuer."""
    issuer = TrustedIssuer(
        issuer="https://login.example",
        audience="a",
        jwks_uri="https://login.example/jwks",
        tenant=tenant,
        scope="user/*.rs",
    )
    token = ForeignToken(issuer, "subject", "client", "user/*.rs", None, None, datetime.now(UTC) + timedelta(minutes=1))
    database = await Database.open(dsn)
    caller = await TokenReader(database.acquire, issuers=Believed(token)).caller("Bearer a.b.c")
    await database.close()
    assert caller.scopes == ()


async def sign_in_elsewhere(dsn: str, tenant: str) -> None:
    """An identity provider vouches for somebody."""
    endpoint = "https://login.example/"
    provider = IdentityProvider(
        name="x",
        issuer=endpoint,
        authorization_endpoint=endpoint,
        token_endpoint=endpoint,
        jwks_uri=endpoint,
        client_id="c",
        tenant=tenant,
    )
    engine = engine_for(dsn, poolclass=NullPool)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    clock = partial(datetime.now, UTC)
    audit = audit_into_table(RowIds(), clock)
    browsers = BrowserSessions(sessions, audit, clock)
    federated = FederatedSignIn(IdentityProviders([provider]), "https://here.example", sessions, browsers, audit, clock)
    source = RequestSource("192.0.2.1", "elsewhere")
    identity = ProvenIdentity(endpoint, "nobody", None)
    assert isinstance(await federated.let_in(provider, identity, clock(), source), UnlinkedIdentity)
    await engine.dispose()
