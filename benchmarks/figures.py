"""What a run measures, and which bar of DESIGN 12 each figure is held against."""

from collections.abc import Mapping
from dataclasses import dataclass, field

GROWTH_BAR = 1.5
BYTES_BAR = 3_000
MEMORY_BAR = 200
START_BAR = 3
LOAD_BAR = 5_000
EXPORT_BAR = 15_000
AUTHORIZATION_BAR = 85


@dataclass(slots=True)
class HttpRow:
    """One kind of request: answers (or resources) a second, latencies in milliseconds.

    `raw` is what PostgreSQL alone did of the same just before and after, `ratio` the share of it. `other` is the other server's
    row where one was compared.
    """

    name: str
    connections: int
    per_second: float
    p50: float
    p95: float
    p99: float
    refused: int
    raw: float | None = None
    bar: float | None = None
    least_per_second: float | None = None
    other: "HttpRow | None" = None

    @property
    def ratio(self) -> float | None:
        """The share of raw PostgreSQL."""
        return None if not self.raw else self.per_second / self.raw

    @property
    def verdict(self) -> str:
        """Whether it reaches its bars; empty where it has none."""
        if self.ratio is None or self.bar is None:
            return ""
        return _verdict(self.ratio >= self.bar and self.per_second >= (self.least_per_second or 0))


@dataclass(slots=True)
class SqlRow:
    """The statement of one search: latencies on one connection in milliseconds, `bar` that of the 95th percentile.

    `planning` is the median of planning; `pages` are buffers read by the worst of the tenants; `remarks` name what no search
    should do: scan a table, sort or pass over many rows.
    """

    name: str
    p50: float
    p95: float
    bar: float | None
    planning: float = 0.0
    pages: int = 0
    remarks: str = ""

    @property
    def verdict(self) -> str:
        """Whether it keeps under its bar; empty where it has none."""
        return "" if self.bar is None else _verdict(self.p95 < self.bar)


@dataclass(slots=True)
class Fact:
    """A figure that is neither a row over HTTP nor a statement; `at_least` says which side of the bar is good."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """Whether it reaches its bar; empty where it has none."""
        if self.bar is None:
            return ""
        return _verdict(self.value >= self.bar if self.at_least else self.value <= self.bar)


@dataclass(slots=True)
class Figures:
    """All that a run measured. `sizes` are bytes of a resource by table or index."""

    cores: int
    resources: int = 0
    http: list[HttpRow] = field(default_factory=list)
    sql: list[SqlRow] = field(default_factory=list)
    small_sql: list[SqlRow] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    sizes: Mapping[str, float] = field(default_factory=dict)


def _verdict(reached: bool) -> str:
    return "ok" if reached else "MISSED"
