"""wttr.in's JSON, ``?format=j1`` (github.com/chubin/wttr.in): World Weather Online's fields, as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

from pydantic import BaseModel

from ..model import Day, Hour, Observation, Place, Report
from ..summary import offset_name
from ..units import from_kmh
from ..upstream import UpstreamRequest
from .base import BadAnswer, Provider

_STEP = 3  # hours
_QUARTER = timedelta(minutes=15)


class _Current(BaseModel):
    observation_time: str
    localObsDateTime: str = ""
    temp_C: float
    FeelsLikeC: float | None = None
    weatherCode: int | None = None
    humidity: float | None = None
    precipMM: float | None = None
    cloudcover: float | None = None
    pressure: float | None = None
    windspeedKmph: float | None = None
    winddirDegree: float | None = None


class _Hour(BaseModel):
    time: int
    tempC: float
    weatherCode: int | None = None
    precipMM: float | None = None
    chanceofrain: float | None = None
    humidity: float | None = None
    windspeedKmph: float | None = None
    winddirDegree: float | None = None


class _Astronomy(BaseModel):
    sunrise: str = ""
    sunset: str = ""


class _Day(BaseModel):
    date: date
    maxtempC: float
    mintempC: float
    hourly: list[_Hour]
    astronomy: list[_Astronomy] = []


class _Answer(BaseModel):
    current_condition: list[_Current]
    weather: list[_Day]


class Wttr(Provider):
    """Three days in steps of three hours."""

    name = "wttr"
    lifetime = 1800.0
    attribution = "Weather data by wttr.in"

    def __init__(self, address: str) -> None:
        self._address = address

    def requests(self, place: Place) -> Sequence[UpstreamRequest]:
        """One request; the place is a path segment of two numbers."""
        coordinates = f"{place.latitude:.4f},{place.longitude:.4f}"
        return (UpstreamRequest(f"{self._address}/{coordinates}", {"format": "j1"}),)

    def parse(self, answers: Sequence[bytes], place: Place, now: datetime) -> Report:
        """Times are local; how far they are from UTC follows from the observation's two clocks."""
        answer = _Answer.model_validate_json(answers[0])
        if not answer.current_condition:
            raise BadAnswer("no current condition")
        current = answer.current_condition[0]
        observed = _nearest(current.observation_time, now)
        zone = _zone(current.localObsDateTime, observed)
        return Report.of(
            current=Observation(
                time=observed,
                temperature=current.temp_C,
                condition=wmo_code(current.weatherCode),
                apparent_temperature=current.FeelsLikeC,
                humidity=current.humidity,
                precipitation=current.precipMM,
                cloud_cover=current.cloudcover,
                pressure=current.pressure,
                wind_speed=_speed(current.windspeedKmph),
                wind_direction=current.winddirDegree,
            ),
            hours=tuple(_hour(day.date, hour, zone) for day in answer.weather for hour in day.hourly),
            days=tuple(_day(day, zone) for day in answer.weather),
            timezone=place.timezone or offset_name(zone),
        )


def _nearest(clock: str, now: datetime) -> datetime:
    """The moment nearest to now at which it was ``10:02 PM`` in Greenwich."""
    moment = datetime.combine(now.astimezone(UTC).date(), _clock(clock), UTC)
    return min((moment + timedelta(days=days) for days in (-1, 0, 1)), key=lambda at: abs(at - now))


def _zone(local: str, observed: datetime) -> timezone:
    if not local:
        return UTC
    there = datetime.strptime(local, "%Y-%m-%d %I:%M %p").replace(tzinfo=UTC)
    return timezone(round((there - observed) / _QUARTER) * _QUARTER)


def _clock(text: str) -> time:
    return datetime.strptime(text.strip(), "%I:%M %p").time()


def _hour(day: date, hour: _Hour, zone: tzinfo) -> Hour:
    return Hour(
        time=datetime.combine(day, time(hour.time // 100, hour.time % 100), zone),
        hours=_STEP,
        temperature=hour.tempC,
        condition=wmo_code(hour.weatherCode),
        precipitation=hour.precipMM,
        precipitation_probability=hour.chanceofrain,
        humidity=hour.humidity,
        wind_speed=_speed(hour.windspeedKmph),
        wind_direction=hour.winddirDegree,
    )


def _day(day: _Day, zone: tzinfo) -> Day:
    hours = [_hour(day.date, hour, zone) for hour in day.hourly]
    codes = [hour.condition for hour in hours if hour.condition is not None]
    rain = [hour.precipitation for hour in hours if hour.precipitation is not None]
    chances = [hour.precipitation_probability for hour in hours if hour.precipitation_probability is not None]
    winds = [hour.wind_speed for hour in hours if hour.wind_speed is not None]
    sun = day.astronomy[0] if day.astronomy else _Astronomy()
    return Day(
        date=day.date,
        temperature_max=day.maxtempC,
        temperature_min=day.mintempC,
        condition=max(codes, default=None),
        precipitation=round(sum(rain), 2) if rain else None,
        precipitation_probability=max(chances, default=None),
        wind_speed_max=max(winds, default=None),
        sunrise=_sun(day.date, sun.sunrise, zone),
        sunset=_sun(day.date, sun.sunset, zone),
    )


def _sun(day: date, clock: str, zone: tzinfo) -> datetime | None:
    if not clock[:1].isdigit():
        return None  # "No sunrise" in the polar night
    return datetime.combine(day, _clock(clock), zone)


def _speed(kmh: float | None) -> float | None:
    return None if kmh is None else round(from_kmh(kmh), 2)


_CODES = {
    113: 0, 116: 2, 119: 3, 122: 3, 143: 10, 176: 80, 179: 85, 182: 68, 185: 56, 200: 95, 227: 73, 230: 75,
    248: 45, 260: 48, 263: 51, 266: 51, 281: 56, 284: 57, 293: 61, 296: 61, 299: 63, 302: 63, 305: 65,
    308: 65, 311: 66, 314: 67, 317: 68, 320: 69, 323: 71, 326: 71, 329: 73, 332: 73, 335: 75, 338: 75,
    350: 77, 353: 80, 356: 81, 359: 82, 362: 83, 365: 84, 368: 85, 371: 86, 374: 83, 377: 84, 386: 95,
    389: 95, 392: 95, 395: 95,
}  # fmt: skip


def wmo_code(code: int | None) -> int | None:
    """World Weather Online's condition code → WMO's."""
    return None if code is None else _CODES.get(code)
