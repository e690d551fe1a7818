"""R4 invariants that are wrong as printed, with the corrections that HL7 made in R4B and R5 where it made them.

An invariant holds when it evaluates to true (R4 conformance-rules.html#constraints). Read by FHIRPath N1, these come
out empty for data that R4's own text and examples allow.
"""

from collections.abc import Mapping
from types import MappingProxyType

_NAME = "matches('^[A-Z]([A-Za-z0-9_]){0,254}$')"

_CORRECTIONS: Mapping[str, str] = MappingProxyType(
    {
        # inv-0, que-0, lib-0 and so on: the name is optional, and R5 anchors the pattern that N1 would find anywhere.
        "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')": f"name.exists() implies name.{_NAME}",
        # ref-1: a reference may have only an identifier or a display.
        "reference.startsWith('#').not() or (reference.substring(1).trace('url') in"
        " %rootResource.contained.id.trace('ids'))": "reference.exists() implies (reference.startsWith('#').not() or"
        " reference = '#' or reference.substring(1) in %rootResource.contained.id)",
        # per-1: 2012-02-03T10:00 to 2012-02-03 is a period (datatypes.html#Period), though N1 cannot order the two.
        # R5 compares the boundaries of both; here a period is wrong when its end is surely before its start.
        "start.hasValue().not() or end.hasValue().not() or (start <= end)": "start.hasValue().not() or"
        " end.hasValue().not() or iif(start > end, false, true)",
        # mdd-1 and Task's inv-1: the same.
        "whenHandedOver.empty() or whenPrepared.empty() or whenHandedOver >= whenPrepared": "whenHandedOver.empty() or"
        " whenPrepared.empty() or iif(whenHandedOver < whenPrepared, false, true)",
        "lastModified.exists().not() or authoredOn.exists().not() or lastModified >= authoredOn": "lastModified.empty()"
        " or authoredOn.empty() or iif(lastModified < authoredOn, false, true)",
        # ras-2: the probability is optional, and N1 gives nothing for `{} is decimal`.
        "probability is decimal implies (probability as decimal) <= 100": "probability.ofType(decimal).empty() or"
        " probability.ofType(decimal) <= 100",
    }
)


def corrected(expression: str) -> str:
    """The expression as it should read; itself when nothing is wrong with it."""
    return _CORRECTIONS.get(expression, expression)
