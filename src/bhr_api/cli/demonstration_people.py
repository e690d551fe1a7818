"""Who signs in to the demonstration: somebody of each role, and an app to sign in to."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from bhr_api.auth import accounts
from bhr_api.auth.accounts import Administration
from bhr_api.auth.registration import list_clients, register_client
from bhr_api.cli.users import administered
from bhr_api.store import tenants

APP_NAME = "Sample app"
# RFC 8252 §7.3: a loopback address without a port stands for any port.
APP_REDIRECT_URI = "http://127.0.0.1/callback"
APP_SCOPE = (
    "launch launch/patient launch/encounter patient/*.cruds user/*.cruds openid fhirUser profile"
    " offline_access online_access"
)


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """An account of the demonstration; `sees` tells what to expect."""

    username: str
    fhir_user: str
    role: str
    sees: str
    teams: Sequence[str] = ()


PEOPLE = (
    SamplePerson("demo-worker", "Practitioner/sample-team-01-support-worker-1", "worker", "the caseload of a team"),
    SamplePerson(
        "demo-supervisor",
        "Practitioner/sample-team-01-supervisor",
        "supervisor",
        "the clients of the agency",
        ("Organization/sample-agency", "Organization/sample-recovery-program"),
    ),
    SamplePerson("demo-clinician", "Practitioner/sample-team-01-clinician", "clinician", "every client"),
    SamplePerson("demo-client", "Patient/sample-0001", "client", "their own record"),
    SamplePerson("demo-guardian", "RelatedPerson/sample-0001-family", "guardian", "a relative's record"),
)


@dataclass(frozen=True, slots=True)
class SignInHints:
    """What somebody who tries the demonstration needs: the password of all its people, until the next start, and the app."""

    password: str
    client_id: str


async def add_people(dsn: str) -> SignInHints:
    """Add who and what is missing, with a new password for all."""
    password = secrets.token_urlsafe(12)

    async def work(administration: Administration) -> str:
        known = {account.username for account in await accounts.list_accounts(administration)}
        for person in PEOPLE:
            if person.username in known:
                await accounts.change_password(administration, person.username, password)
            else:
                await accounts.add_account(
                    administration,
                    username=person.username,
                    password=password,
                    fhir_user=person.fhir_user,
                    roles=[person.role],
                    teams=person.teams,
                )
        return await _app(administration)

    return SignInHints(password, await administered(dsn, tenants.DEFAULT, work))


async def _app(work: Administration) -> str:
    """The client_id of the app, registered if it is not yet."""
    for client in await list_clients(work.session, tenant_name=work.tenant_name):
        if client.name == APP_NAME and client.disabled_at is None:
            return client.client_id
    added = await register_client(
        work.session,
        tenant_name=work.tenant_name,
        name=APP_NAME,
        scope=APP_SCOPE,
        now=work.now,
        public=True,
        redirect_uris=[APP_REDIRECT_URI],
    )
    return added.client_id


def told(hints: SignInHints, issuer: str) -> str:
    """The people and the app as the greeting tells of them."""
    lines = [f"  {person.username:<16}{person.sees}" for person in PEOPLE]
    return "\n".join(
        [
            f"People who can sign in, at {issuer}/app or when an app asks; the password of all is {hints.password}",
            *lines,
            "",
            f"  Sample app    {hints.client_id}",
            f"                (public, returns to {APP_REDIRECT_URI} at any port)",
        ]
    )
