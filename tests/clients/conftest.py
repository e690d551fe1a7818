"""The fixtures of the tests with other people's clients."""

from tests.fixtures.pages import clinic, visitor, visitors

__all__ = ["clinic", "visitor", "visitors"]
