"""The fixtures of the tests of pages."""

from tests.fixtures.identity_provider import browser, browsers, place, provider, ways
from tests.fixtures.pages import app, app_site, clinic, visitor, visitors

__all__ = ["app", "app_site", "browser", "browsers", "clinic", "place", "provider", "visitor", "visitors", "ways"]
