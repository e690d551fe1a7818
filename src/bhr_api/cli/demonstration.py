"""What `bhr-api demo` adds to a server: sample clients, a token, and something to paste."""

import asyncio
import time
from datetime import timedelta

from bhr_api.cli.databases import opened, tenant_called
from bhr_api.cli.demonstration_people import add_people, told
from bhr_api.cli.operator import operator_context
from bhr_api.cli.progress import progress_bar
from bhr_api.cli.tokens import minted
from bhr_api.errors import GoneError, NotFoundError
from bhr_api.fhir import json_text
from bhr_api.interactions.batch import batch_or_transaction
from bhr_api.interactions.context import Context
from bhr_api.interactions.read import read
from bhr_api.interactions.server_context import EVERYTHING
from bhr_api.samples import generate
from bhr_api.settings import Settings
from bhr_api.store import tenants

TOKEN_LIFETIME = timedelta(hours=12)
# PHQ-9 total scores of the first client, newest first, each with the questionnaire that it was counted from.
QUERY = (
    "Observation?patient=sample-0001&code=http://loinc.org|44261-6&_sort=-date"
    "&_include=Observation:derived-from&_pretty=true"
)


def demonstrate(settings: Settings, dsn: str, patients: int, seed: int) -> str:
    """Load what is missing of the sample clients, and give what to print once the server answers."""
    loaded = asyncio.run(_load(settings, dsn, patients, seed))
    token = asyncio.run(minted(dsn, tenants.DEFAULT, EVERYTHING, TOKEN_LIFETIME))
    people = told(asyncio.run(add_people(dsn)), settings.issuer)
    return _greeting(settings, token, loaded, people)


async def _load(settings: Settings, dsn: str, patients: int, seed: int) -> str:
    async with opened(dsn) as database:
        async with database.acquire() as connection:
            tenant = await tenant_called(connection, tenants.DEFAULT)
        context = await operator_context(database, tenant.tenant, settings.base_url)
        try:
            missing = {n for n in range(1, patients + 1) if not await _is_there(context, f"sample-{n:04d}")}
            if not missing:
                return f"{patients} sample clients, as they were left"
            return await _load_missing(context, patients, seed, missing)
        finally:
            await context.audit.flush()


async def _is_there(context: Context, id: str) -> bool:
    """Whether the sample client was ever loaded; one that somebody deleted stays away."""
    try:
        await read(context, "Patient", id)
    except NotFoundError:
        return False
    except GoneError:
        return True
    return True


async def _load_missing(context: Context, patients: int, seed: int, missing: set[int]) -> str:
    started = time.monotonic()
    resources = 0
    with progress_bar("Loading sample clients", len(missing) + 1) as report:
        bundles = [
            bundle
            for number, bundle in enumerate(generate(patients, seed=seed))
            # The first one holds what all clients share.
            if number == 0 or number in missing
        ]
        for done, bundle in enumerate(bundles):
            report(done, f"{resources} resources")
            await batch_or_transaction(context, json_text.dumps(bundle))
            resources += len(bundle["entry"])
    return f"{len(missing)} sample clients, {resources:,} resources, loaded in {time.monotonic() - started:.1f} s"


def _greeting(settings: Settings, token: str, loaded: str, people: str) -> str:
    return f"""
bhr_api serves {loaded}.

  FHIR base     {settings.base_url}
  Documents     {settings.issuer}/docs
  Capabilities  {settings.base_url}/metadata
  Token         {token}
                (everything in the tenant {tenants.DEFAULT}, for 12 hours)

{people}

The PHQ-9 scores of a client, newest first, each with its questionnaire response; paste this:

curl -s -H 'Authorization: Bearer {token}' '{settings.base_url}/{QUERY}'

Ctrl-C stops the server and its database; the data stay."""
