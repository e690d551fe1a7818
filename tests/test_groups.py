"""Tests of a group go to one worker: what they share is made once, and what they measure has the machine for itself."""

import pytest

pytestmark = pytest.mark.xdist_group("grouped")


def test_a_group_is_where_the_scheduler_looks_for_it(request: pytest.FixtureRequest) -> None:
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("one worker does all")
    assert request.node.nodeid.endswith("@grouped")
