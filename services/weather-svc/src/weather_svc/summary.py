"""Days out of hours, for providers that only tell the latter. Pure code."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import TypeVar
from zoneinfo import ZoneInfo

from .model import Day, Hour

_ENOUGH_HOURS = 12
_OFFSET = re.compile(r"[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]")

Number = TypeVar("Number", int, float)


def summarize(hours: Sequence[Hour], zone: tzinfo) -> tuple[Day, ...]:
    """The days of a zone that the hours cover: the first as far as it goes, later ones by half or more."""
    by_day: dict[date, list[Hour]] = defaultdict(list)
    for hour in hours:
        by_day[hour.time.astimezone(zone).date()].append(hour)
    days = sorted(by_day)
    return tuple(
        _day(day, by_day[day])
        for day in days
        if day == days[0] or sum(hour.hours for hour in by_day[day]) >= _ENOUGH_HOURS
    )


def offset_name(zone: timezone) -> str:
    """``+05:45``: a zone of which no more is known than how far it is from UTC."""
    minutes = round(zone.utcoffset(None) / timedelta(minutes=1))
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def zone_of(name: str) -> tzinfo:
    """The zone of an IANA name or of an offset; UTC where the name is empty or unknown."""
    if _OFFSET.fullmatch(name):
        return datetime.strptime(name, "%z").tzinfo or UTC
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):
        return UTC


def _day(day: date, hours: Sequence[Hour]) -> Day:
    temperatures = [hour.temperature for hour in hours]
    return Day(
        date=day,
        temperature_max=max(temperatures),
        temperature_min=min(temperatures),
        condition=_most(hour.condition for hour in hours),  # the higher the code, the fouler the weather
        precipitation=_sum(hour.precipitation for hour in hours),
        precipitation_probability=_most(hour.precipitation_probability for hour in hours),
        wind_speed_max=_most(hour.wind_speed for hour in hours),
    )


def _most(values: Iterable[Number | None]) -> Number | None:
    return max((value for value in values if value is not None), default=None)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 2) if known else None
