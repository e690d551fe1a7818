"""The browser origins that clients have registered (oauth_client.origins).

A preflight carries no token, so its tenant is not known: the origins of all tenants are read together. They decide only
which pages a browser lets read an answer; what a token opens is its own tenant's, whatever the origin.
"""

from bhr_api.store.database import Connection

_OF_ENABLED_CLIENTS = """
SELECT DISTINCT unnest(client.origins) AS origin
  FROM tenant JOIN oauth_client AS client ON client.tenant = tenant.tenant
 WHERE client.disabled_at IS NULL AND client.origins <> '{}'
"""


async def of_enabled_clients(connection: Connection) -> list[str]:
    """Every origin that an enabled client has registered, as it was written."""
    return [row["origin"] for row in await connection.fetch(_OF_ENABLED_CLIENTS)]
