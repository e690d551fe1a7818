"""Lists the fixtures; they live by subject in tests/fixtures/."""

pytest_plugins = ["tests.fixtures.database", "tests.fixtures.server", "tests.fixtures.integrity"]
