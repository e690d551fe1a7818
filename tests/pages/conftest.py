"""The fixtures of the tests of pages."""

from tests.fixtures.pages import app, clinic, visitor, visitors

__all__ = ["app", "clinic", "visitor", "visitors"]
