"""What one resource leaves in the index."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from bhr_api.search.tokens import TokenHasher


@dataclass(slots=True)
class IndexEntry:
    """The index values of one version, as the types of search parameter collect them.

    `strings` are (parameter, value); `numbers` (parameter, unit, low, high, element tokens or None); `dates` (parameter,
    start, end). `main_date` is None for a type or resource without one. `ordered` are the tokens that get postings.
    `version` is the business version of a definition.
    """

    resource_type: str
    hasher: TokenHasher
    base_url: str
    self_token: int
    version: str | None = None
    patients: tuple[int, ...] = ()
    main_date: tuple[datetime, datetime] | None = None
    tokens: set[int] = field(default_factory=set)
    ordered: set[int] = field(default_factory=set)
    strings: list[tuple[int, str]] = field(default_factory=list)
    numbers: list[tuple[int, int, Decimal, Decimal, list[int] | None]] = field(default_factory=list)
    dates: list[tuple[int, datetime, datetime]] = field(default_factory=list)

    @property
    def patient(self) -> int | None:
        """The one patient whose record the resource is in; None when there is none, or several."""
        return self.patients[0] if len(self.patients) == 1 else None
