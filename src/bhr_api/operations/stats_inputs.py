"""What $stats was asked for (FHIR R4, observation-operation-stats.html)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from bhr_api.errors import InvalidParameterError, MalformedRequestError
from bhr_api.fhir.dates import instant_text
from bhr_api.interactions.requests import Parameters
from bhr_api.operations.inputs import Inputs
from bhr_api.operations.measurements import Coding
from bhr_api.operations.search_values import escaped, token_of
from bhr_api.operations.statistics import STATISTICS

KNOWN = ("subject", "code", "system", "coding", "duration", "period", "statistic", "include", "limit")
MAXIMUM_SOURCES = 1000
_LONGEST_HOURS = 10_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Statistics over the measurements of `codings` of `subject` in `period`, with up to `limit` of their sources."""

    subject: str
    codings: tuple[Coding, ...]
    statistics: tuple[str, ...]
    period: dict[str, str]
    limit: int

    @property
    def about_subject(self) -> Parameters:
        """R4: "Observations with a status of 'entered-in-error' will be excluded from the calculations"."""
        return [("subject", escaped(self.subject)), ("status:not", "entered-in-error")]

    @property
    def criteria(self) -> Parameters:
        """The search for the observations."""
        codes = ",".join(token_of(coding.system, coding.code) for coding in self.codings)
        dates = [("date", f"{prefix}{self.period[name]}") for prefix, name in _ENDS if name in self.period]
        return [*self.about_subject, ("combo-code", codes), *dates]

    @property
    def applied(self) -> str:
        """The parameters as the audit keeps them."""
        return urlencode([*self.criteria, *(("statistic", statistic) for statistic in self.statistics)])


_ENDS = (("ge", "start"), ("le", "end"))


def asked_of(inputs: Inputs, now: datetime) -> Asked:
    """Raises InvalidParameterError and MalformedRequestError, which name what is missing or wrong."""
    subject = inputs.text("subject")
    if not subject:
        raise MalformedRequestError("$stats needs a subject, such as Patient/[id].", code="required")
    return Asked(subject, _codings(inputs), _statistics(inputs), _period(inputs, now), _limit(inputs))


def _codings(inputs: Inputs) -> tuple[Coding, ...]:
    codes, system = inputs.all("code"), inputs.text("system")
    if codes and system is None:
        raise MalformedRequestError("A code comes with its system, or as a coding.", code="required")
    found = [Coding(system or "", str(code)) for code in codes]
    for coding in inputs.all("coding"):
        if not isinstance(coding, dict) or "code" not in coding:
            raise InvalidParameterError("coding", "", "it is a Coding with a code, in the body")
        found.append(Coding(coding.get("system", ""), coding["code"]))
    if not found:
        raise MalformedRequestError("$stats needs a code and its system, or a coding.", code="required")
    return tuple(dict.fromkeys(found))


def _statistics(inputs: Inputs) -> tuple[str, ...]:
    found = dict.fromkeys(code for given in inputs.all("statistic") for code in str(given).split(","))
    if not found:
        raise MalformedRequestError(f"$stats needs a statistic: one of {', '.join(STATISTICS)}.", code="required")
    for code in found:
        if code not in STATISTICS:
            raise InvalidParameterError("statistic", code, f"it is one of {', '.join(STATISTICS)}")
    return tuple(found)


def _period(inputs: Inputs, now: datetime) -> dict[str, str]:
    duration, period = inputs.one("duration"), inputs.one("period")
    if duration is not None:
        if period is not None:
            raise MalformedRequestError("$stats takes a duration or a period, not both.")
        start = now - timedelta(hours=float(_hours(duration)))
        return {"start": instant_text(start), "end": instant_text(now)}
    if period is None:
        return {}
    if not isinstance(period, dict) or not {"start", "end"} & period.keys():
        raise InvalidParameterError("period", "", "it is a Period with a start or an end, in the body")
    return {name: period[name] for name in ("start", "end") if name in period}


def _hours(given: Any) -> Decimal:
    try:
        hours = Decimal(str(given))
    except InvalidOperation as error:
        raise InvalidParameterError("duration", str(given), "it is a number of hours") from error
    if not (hours.is_finite() and 0 < hours <= _LONGEST_HOURS):
        raise InvalidParameterError("duration", str(given), f"it is a number of hours up to {_LONGEST_HOURS}")
    return hours


def _limit(inputs: Inputs) -> int:
    """R4: without include, "the limit parameter SHALL be ignored by the server"."""
    limit = inputs.one("limit")
    if not inputs.flag("include"):
        return 0
    if limit is None:
        return MAXIMUM_SOURCES
    text = str(limit)
    if not (text.isascii() and text.isdecimal()) or int(text[:9]) == 0:
        raise InvalidParameterError("limit", text, "it is a whole number from 1")
    return min(int(text[:9]), MAXIMUM_SOURCES)
