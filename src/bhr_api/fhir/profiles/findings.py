"""What a profile finds at a resource: broken rules, warnings, remarks (FHIR R4, operationoutcome.html)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bhr_api.errors import Issue
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.profiles.walk import Walk

Level = Literal["error", "warning", "information"]


@dataclass(slots=True)
class Finding:
    """One remark; `path` grows from the element outwards while the walk returns, as in `problems.Problem`."""

    severity: Level
    code: str
    sentence: str
    path: str = ""

    def within(self, segment: str) -> "Finding":
        """The same finding, seen from the parent that holds it as `segment`."""
        self.path = f"{segment}.{self.path}" if self.path else segment
        return self


Findings = Sequence[Finding]
NOTHING: Findings = ()

Item = tuple[str, Any, Any, str]
"""One element: its segment of the path, its JSON value, the `_name` beside a primitive, its type (a resource's own)."""

ItemCheck = Callable[[Any, Any, Walk], Findings]
"""(value, companion, walk) -> findings, whose paths start at the value."""

MemberCheck = Callable[[Any, Walk], Findings]
"""(object that holds the element, walk) -> findings, whose paths start at the holder."""


def has_error(findings: Iterable[Finding]) -> bool:
    """Whether any of them says that a rule is broken."""
    return any(finding.severity == "error" for finding in findings)


MAX_ISSUES = 1000


def issues(findings: Iterable[Finding], resource: Resource) -> list[Issue]:
    """The findings as issues of `resource`, each once and no more than `MAX_ISSUES`."""
    root = str(resource["resourceType"])
    told: dict[tuple[str, str, str, str], Issue] = {}
    for finding in findings:
        place = f"{root}.{finding.path}" if finding.path else root
        key = (finding.severity, finding.code, finding.sentence, place)
        told.setdefault(key, Issue(finding.severity, finding.code, finding.sentence, place))
        if len(told) == MAX_ISSUES:
            break
    return list(told.values())
