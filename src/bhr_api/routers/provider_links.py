"""Links from a sign-in page to the identity providers that people of the tenant may use instead.

Links and not forms: browsers hold every redirect of a form against the page's form-action, and where a provider's
redirects lead is its own affair. Following one changes nothing here, so that nothing needs a token.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from bhr_api.auth.identity_providers import IdentityProvider

WAY = "/oauth/sign-in/{key}"


@dataclass(frozen=True, slots=True)
class ProviderLink:
    """A provider as a sign-in page shows it."""

    name: str
    address: str


def provider_links(providers: Iterable[IdentityProvider], request_id: str = "") -> list[ProviderLink]:
    """The links, which lead back to the pending request, or without one to the person's own pages."""
    query = f"?{urlencode({'request': request_id})}" if request_id else ""
    return [ProviderLink(one.name, WAY.format(key=one.key) + query) for one in providers]
