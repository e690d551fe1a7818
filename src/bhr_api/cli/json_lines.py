"""A line of JSON for what a command has to show."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def json_line(value: "DataclassInstance", **more: str) -> str:
    """The fields of `value`, and `more`; what it has none of is left out."""
    shown = {name: field for name, field in asdict(value).items() if field not in (None, (), [], False)}
    return json.dumps(shown | more, default=_instant, ensure_ascii=False)


def _instant(value: datetime) -> str:
    return value.isoformat(timespec="seconds")
