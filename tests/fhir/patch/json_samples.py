"""Random JSON of the kind that resources are made of, and the refusal of a call."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from bhr_api.errors import RefusalError
from bhr_api.fhir.json_text import parse

names = st.sampled_from(["a", "b", "c", "~", "/", "0", "-", ""]) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3
)
numbers = st.from_regex(r"(0|[1-9][0-9]?)(\.[0-9]{1,2})?(e[12])?", fullmatch=True).map(
    lambda text: parse(text.encode())
)
leaves = st.none() | st.booleans() | numbers | names
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=16,
)
members = st.dictionaries(names.filter(lambda name: name not in ("resourceType", "id", "meta")), values, max_size=5)
resources = members.map(lambda some: {"resourceType": "Basic", "id": "b1", **some})


def refusal(call: Callable[[], Any]) -> RefusalError:
    """What a call is refused with."""
    with pytest.raises(RefusalError) as caught:
        call()
    return caught.value


def status_of(call: Callable[[], Any]) -> int:
    """200 if the call returns, else the status of its refusal."""
    try:
        call()
    except RefusalError as error:
        return error.status
    return 200
