"""What single resource types add to the generic engine, as pure hooks (see `hooks.py`)."""

from collections.abc import Mapping

from bhr_api.resources import provenance
from bhr_api.resources.hooks import Hooks

HOOKS: Mapping[str, Hooks] = {"Provenance": provenance.HOOKS}
