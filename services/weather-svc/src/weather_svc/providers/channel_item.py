"""The ``query.results.channel.item`` format of the old Yahoo! Weather service, for servers that speak it.

The service itself is gone (it ended in 2019). The request is its documented YQL query by coordinates; units
are those that the answer names. Everything in an answer is text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from pydantic import AwareDatetime, BaseModel

from ..model import Day, Observation, Place, Report
from ..summary import zone_of
from ..units import celsius, from_inches_of_mercury, from_kmh, from_mph
from ..upstream import UpstreamRequest
from .base import Provider

_QUERY = (
    "select * from weather.forecast where woeid in "
    '(select woeid from geo.places(1) where text="({latitude:.4f},{longitude:.4f})") and u="c"'
)
_LEAST_MILLIBARS = 200.0


class _Condition(BaseModel):
    code: int | None = None
    date: str = ""
    temp: float


class _Forecast(BaseModel):
    code: int | None = None
    date: str
    high: float
    low: float


class _Item(BaseModel):
    condition: _Condition
    forecast: list[_Forecast] = []


class _Units(BaseModel):
    temperature: str = "F"
    speed: str = "mph"


class _Wind(BaseModel):
    direction: float | None = None
    speed: float | None = None


class _Atmosphere(BaseModel):
    humidity: float | None = None
    pressure: float | None = None


class _Channel(BaseModel):
    item: _Item
    units: _Units = _Units()
    wind: _Wind = _Wind()
    atmosphere: _Atmosphere = _Atmosphere()


class _Results(BaseModel):
    channel: _Channel


class _Query(BaseModel):
    created: AwareDatetime | None = None
    results: _Results


class _Answer(BaseModel):
    query: _Query


class ChannelItem(Provider):
    """The present weather and ten days."""

    name = "channel-item"
    lifetime = 1800.0
    attribution = "Weather data by the server at WEATHER_CHANNEL_URI"

    def __init__(self, address: str) -> None:
        self._address = address

    def requests(self, place: Place) -> Sequence[UpstreamRequest]:
        """One request; two numbers are all that goes into the query."""
        query = _QUERY.format(latitude=place.latitude, longitude=place.longitude)
        return (UpstreamRequest(self._address, {"q": query, "format": "json"}),)

    def parse(self, answers: Sequence[bytes], place: Place, now: datetime) -> Report:
        """The condition's time is local; its zone's abbreviation is ambiguous, but the place has a zone."""
        query = _Answer.model_validate_json(answers[0]).query
        channel = query.results.channel
        warm = celsius if channel.units.temperature.upper() == "F" else _same
        condition = channel.item.condition
        return Report.of(
            current=Observation(
                time=_moment(condition.date, place) or query.created or now,
                temperature=round(warm(condition.temp), 1),
                condition=wmo_code(condition.code),
                humidity=channel.atmosphere.humidity,
                pressure=_pressure(channel.atmosphere.pressure),
                wind_speed=_speed(channel.wind.speed, channel.units.speed),
                wind_direction=channel.wind.direction,
            ),
            days=tuple(
                Day(
                    date=_date(day.date),
                    temperature_max=round(warm(day.high), 1),
                    temperature_min=round(warm(day.low), 1),
                    condition=wmo_code(day.code),
                )
                for day in channel.item.forecast
            ),
            timezone=place.timezone,
        )


def _same(value: float) -> float:
    return value


def _moment(text: str, place: Place) -> datetime | None:
    """``Thu, 01 Sep 2016 04:00 PM IDT`` at a place whose zone is known."""
    if not text or not place.timezone:
        return None
    local = datetime.strptime(text.partition(", ")[2].rpartition(" ")[0], "%d %b %Y %I:%M %p")
    return local.replace(tzinfo=zone_of(place.timezone)).astimezone(UTC)


def _date(text: str) -> date:
    return datetime.strptime(text, "%d %b %Y").date()


def _pressure(value: float | None) -> float | None:
    """In hPa. The service was known to name inches while it sent millibars; their sizes tell them apart."""
    if value is None or value > _LEAST_MILLIBARS:
        return value
    return round(from_inches_of_mercury(value), 1)


def _speed(value: float | None, unit: str) -> float | None:
    if value is None:
        return None
    return round(from_mph(value) if unit.lower() == "mph" else from_kmh(value), 2)


_CODES = {
    0: 19, 1: 18, 2: 18, 3: 95, 4: 95, 5: 68, 6: 68, 7: 68, 8: 56, 9: 51, 10: 66, 11: 80, 12: 80, 13: 85,
    14: 85, 15: 73, 16: 73, 17: 96, 18: 68, 19: 6, 20: 45, 21: 5, 22: 4, 23: 18, 26: 3, 27: 3, 28: 3, 29: 2,
    30: 2, 31: 0, 32: 0, 33: 1, 34: 1, 35: 96, 36: 0, 37: 95, 38: 95, 39: 95, 40: 80, 41: 75, 42: 85,
    43: 75, 44: 2, 45: 95, 46: 85, 47: 95,
}  # fmt: skip


def wmo_code(code: int | None) -> int | None:
    """The service's condition code → WMO's; windy, cold and not available have none."""
    return None if code is None else _CODES.get(code)
