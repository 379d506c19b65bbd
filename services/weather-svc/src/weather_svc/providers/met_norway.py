"""MET Norway's Locationforecast 2.0 (api.met.no/weatherapi/locationforecast/2.0/documentation).

Its terms (api.met.no/doc/TermsOfService) ask for a User-Agent that names the user, four decimals at most,
no request before ``Expires``, and ``If-Modified-Since`` with the very ``Last-Modified`` that was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import AwareDatetime, BaseModel

from ..model import Hour, Observation, Place, Report
from ..summary import summarize, zone_of
from ..upstream import UpstreamRequest
from .base import BadAnswer, Provider


class _Details(BaseModel):
    air_temperature: float
    air_pressure_at_sea_level: float | None = None
    cloud_area_fraction: float | None = None
    relative_humidity: float | None = None
    wind_from_direction: float | None = None
    wind_speed: float | None = None
    wind_speed_of_gust: float | None = None


class _Instant(BaseModel):
    details: _Details


class _Summary(BaseModel):
    symbol_code: str = ""


class _Amounts(BaseModel):
    precipitation_amount: float | None = None
    probability_of_precipitation: float | None = None


class _Period(BaseModel):
    summary: _Summary = _Summary()
    details: _Amounts = _Amounts()


class _Data(BaseModel):
    instant: _Instant
    next_1_hours: _Period | None = None
    next_6_hours: _Period | None = None
    next_12_hours: _Period | None = None


class _Step(BaseModel):
    time: AwareDatetime
    data: _Data


class _Properties(BaseModel):
    timeseries: list[_Step]


class _Answer(BaseModel):
    properties: _Properties


class MetNorway(Provider):
    """About nine days: hourly at first, then in steps of six hours."""

    name = "met-norway"
    lifetime = 1800.0  # where an answer has no Expires
    keeps_expires = True
    attribution = "Weather data by MET Norway (CC BY 4.0)"

    def __init__(self, address: str, user_agent: str) -> None:
        self._address = address
        self._headers = {"User-Agent": user_agent}

    def requests(self, place: Place) -> Sequence[UpstreamRequest]:
        """One request; the height of the place corrects the temperature where it is known."""
        arguments = {"lat": f"{place.latitude:.4f}", "lon": f"{place.longitude:.4f}"}
        if place.elevation is not None:
            arguments["altitude"] = f"{max(-500, min(9000, round(place.elevation)))}"
        url = f"{self._address}/weatherapi/locationforecast/2.0/compact"
        return (UpstreamRequest(url, arguments, self._headers),)

    def parse(self, answers: Sequence[bytes], place: Place, now: datetime) -> Report:
        """The step that is under way is the present weather; days are made of the steps."""
        steps = _Answer.model_validate_json(answers[0]).properties.timeseries
        if not steps:
            raise BadAnswer("no time steps")
        under_way = max((step for step in steps if step.time <= now), key=_time, default=steps[0])
        hours = tuple(hour for step in steps if (hour := _hour(step)) is not None)
        return Report.of(
            current=_observation(under_way),
            hours=hours,
            days=summarize(hours, zone_of(place.timezone)),
            timezone=place.timezone,
        )

    def renew(self, report: Report, now: datetime) -> Report:
        """The forecast stands; the present weather is that of the hour which has come meanwhile."""
        begun = [hour for hour in report.hours if report.current.time < hour.time <= now]
        if not begun:
            return report
        hour = begun[-1]
        current = Observation(
            time=hour.time,
            temperature=hour.temperature,
            condition=hour.condition,
            humidity=hour.humidity,
            precipitation=hour.precipitation if hour.hours == 1 else None,
            wind_speed=hour.wind_speed,
            wind_direction=hour.wind_direction,
        )
        return report.model_copy(update={"current": current})


def _time(step: _Step) -> datetime:
    return step.time


def _observation(step: _Step) -> Observation:
    details = step.data.instant.details
    period = step.data.next_1_hours or step.data.next_6_hours or step.data.next_12_hours
    symbol = period.summary.symbol_code if period else ""
    return Observation(
        time=step.time,
        temperature=details.air_temperature,
        condition=wmo_code(symbol),
        is_day=is_day(symbol),
        humidity=details.relative_humidity,
        precipitation=step.data.next_1_hours.details.precipitation_amount if step.data.next_1_hours else None,
        cloud_cover=details.cloud_area_fraction,
        pressure=details.air_pressure_at_sea_level,
        wind_speed=details.wind_speed,
        wind_gusts=details.wind_speed_of_gust,
        wind_direction=details.wind_from_direction,
    )


def _hour(step: _Step) -> Hour | None:
    data = step.data
    if data.next_1_hours is not None:
        period, length = data.next_1_hours, 1
    elif data.next_6_hours is not None:
        period, length = data.next_6_hours, 6
    else:
        return None  # the very last step, which says nothing of what follows
    return Hour(
        time=step.time,
        hours=length,
        temperature=data.instant.details.air_temperature,
        condition=wmo_code(period.summary.symbol_code),
        precipitation=period.details.precipitation_amount,
        precipitation_probability=period.details.probability_of_precipitation,
        humidity=data.instant.details.relative_humidity,
        wind_speed=data.instant.details.wind_speed,
        wind_direction=data.instant.details.wind_from_direction,
    )


_SKIES = {"clearsky": 0, "fair": 1, "partlycloudy": 2, "cloudy": 3, "fog": 45}
_KINDS = {  # light, plain, heavy
    "rain": (61, 63, 65),
    "rainshowers": (80, 81, 82),
    "sleet": (68, 68, 69),
    "sleetshowers": (83, 83, 84),
    "snow": (71, 73, 75),
    "snowshowers": (85, 85, 86),
}


def wmo_code(symbol: str) -> int | None:
    """``lightrainshowers_day`` → 80. The symbols are built of intensity, kind and ``andthunder``."""
    base = symbol.partition("_")[0]
    if base in _SKIES:
        return _SKIES[base]
    if base.endswith("andthunder"):
        return 95
    strength = 1
    for prefix, value in (("light", 0), ("heavy", 2)):
        if base.startswith(prefix):
            base, strength = base.removeprefix(prefix), value
    return _KINDS[base][strength] if base in _KINDS else None


def is_day(symbol: str) -> bool | None:
    """What the symbol's ending tells; symbols that look the same all day have none."""
    return {"day": True, "night": False}.get(symbol.partition("_")[2])
