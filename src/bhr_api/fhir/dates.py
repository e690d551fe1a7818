"""FHIR dates as intervals of time: a date of any precision covers the whole span that it names.

FHIR R4, datatypes.html#date, #dateTime, #instant and search.html#date. Intervals are half-open and in UTC.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

# Open ends of periods, and the bounds of what can be told apart. A microsecond after the first instant of year 1, because that
# instant itself is how the database driver writes -infinity, which means "no date at all".
BEGINNING = datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
FOREVER = datetime.max.replace(tzinfo=UTC)

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)

Interval = tuple[datetime, datetime]


@lru_cache(maxsize=65536)
def interval_of(text: str) -> Interval:
    """[start, end) of a date, dateTime or instant, in UTC; a time without offset is read as UTC.

    R4 search.html#date: "2013-01" covers the month. Minutes without seconds are taken, as searches may send them.
    Raises ValueError with a sentence that says what is wrong.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("a date is YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss[.fff]] with an offset or Z")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    if month is not None and not 1 <= int(month) <= 12:
        raise ValueError("month must be 01 to 12")
    if int(year) == 0:
        raise ValueError("year must be 0001 to 9999")
    if day is None:
        return _months(int(year), int(month) if month else None)
    zone = _zone(offset)
    # A leap second is the end of its minute.
    leap = second == "60"
    try:
        start = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            59 if leap else int(second or 0),
            int((fraction or "")[:6].ljust(6, "0")),
            zone,
        )
    except ValueError as error:
        raise ValueError(f"there is no such day or time ({error})") from error
    return _clamped(start, _span(hour, second, fraction))


def _months(year: int, month: int | None) -> Interval:
    start = max(BEGINNING, datetime(year, month or 1, 1, tzinfo=UTC))
    if month is None:
        return start, FOREVER if year == 9999 else datetime(year + 1, 1, 1, tzinfo=UTC)
    if (year, month) == (9999, 12):
        return start, FOREVER
    return start, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)


def _zone(offset: str | None) -> timezone:
    if offset in (None, "Z"):
        return UTC
    assert offset is not None
    minutes = int(offset[1:3]) * 60 + int(offset[4:6])
    if minutes > 14 * 60 or int(offset[4:6]) > 59:
        raise ValueError("an offset is at most 14:00")
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def _span(hour: str | None, second: str | None, fraction: str | None) -> timedelta:
    """How long the last digit given lasts; below a microsecond, a microsecond."""
    if hour is None:
        return timedelta(days=1)
    if second is None:
        return timedelta(minutes=1)
    if fraction is None:
        return timedelta(seconds=1)
    return timedelta(microseconds=10 ** max(0, 6 - len(fraction)))


def _clamped(start: datetime, span: timedelta) -> Interval:
    try:
        begin = max(BEGINNING, start.astimezone(UTC))
    except OverflowError:
        begin = BEGINNING if start.year == 1 else FOREVER
    try:
        return begin, begin + span
    except OverflowError:
        return begin, FOREVER


def period_interval(start: str | None, end: str | None) -> Interval:
    """[start, end) of a Period: from the start of its start to the end of its end; an absent side is open."""
    return (
        interval_of(start)[0] if start else BEGINNING,
        interval_of(end)[1] if end else FOREVER,
    )


def instant_text(instant: datetime) -> str:
    """`instant` as a FHIR instant in UTC with milliseconds, as meta.lastUpdated is written."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
