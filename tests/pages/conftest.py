"""The fixtures of the tests of pages."""

from tests.fixtures.pages import app, app_site, clinic, visitor, visitors

__all__ = ["app", "app_site", "clinic", "visitor", "visitors"]
