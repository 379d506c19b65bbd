"""Open-Meteo's forecast API: ``/v1/forecast`` (open-meteo.com/en/docs). No key for non-commercial use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from ..model import Day, Hour, Observation, Place, Report
from ..upstream import UpstreamRequest
from .base import Provider

_CURRENT = (
    "temperature_2m,relative_humidity_2m,apparent_temperature,is_day,precipitation,weather_code,"
    "cloud_cover,pressure_msl,wind_speed_10m,wind_direction_10m,wind_gusts_10m"
)
_HOURLY = (
    "temperature_2m,relative_humidity_2m,precipitation_probability,precipitation,weather_code,"
    "wind_speed_10m,wind_direction_10m"
)
_DAILY = (
    "weather_code,temperature_2m_max,temperature_2m_min,sunrise,sunset,precipitation_sum,"
    "precipitation_probability_max,wind_speed_10m_max"
)
_DAYS = 16

Column = list[float | None]


class _Current(BaseModel):
    time: int
    temperature_2m: float
    relative_humidity_2m: float | None = None
    apparent_temperature: float | None = None
    is_day: int | None = None
    precipitation: float | None = None
    weather_code: int | None = None
    cloud_cover: float | None = None
    pressure_msl: float | None = None
    wind_speed_10m: float | None = None
    wind_direction_10m: float | None = None
    wind_gusts_10m: float | None = None


class _Hourly(BaseModel):
    time: list[int]
    temperature_2m: Column
    relative_humidity_2m: Column
    precipitation_probability: Column
    precipitation: Column
    weather_code: list[int | None]
    wind_speed_10m: Column
    wind_direction_10m: Column


class _Daily(BaseModel):
    time: list[int]
    weather_code: list[int | None]
    temperature_2m_max: Column
    temperature_2m_min: Column
    sunrise: list[int | None]
    sunset: list[int | None]
    precipitation_sum: Column
    precipitation_probability_max: Column
    wind_speed_10m_max: Column


class _Answer(BaseModel):
    timezone: str
    utc_offset_seconds: int
    current: _Current
    hourly: _Hourly
    daily: _Daily


class OpenMeteo(Provider):
    """Current weather and 16 days, hour by hour."""

    name = "open-meteo"
    lifetime = 900.0  # its present weather is made every 15 minutes
    attribution = "Weather data by Open-Meteo.com (CC BY 4.0)"

    def __init__(self, address: str, api_key: str = "") -> None:
        self._address = address
        self._api_key = api_key

    def requests(self, place: Place) -> Sequence[UpstreamRequest]:
        """One request tells everything."""
        arguments = {
            "latitude": f"{place.latitude:.4f}",
            "longitude": f"{place.longitude:.4f}",
            "current": _CURRENT,
            "hourly": _HOURLY,
            "daily": _DAILY,
            "timezone": "auto",
            "timeformat": "unixtime",
            "wind_speed_unit": "ms",
            "forecast_days": str(_DAYS),
        }
        if self._api_key:
            arguments["apikey"] = self._api_key
        return (UpstreamRequest(f"{self._address}/v1/forecast", arguments),)

    def parse(self, answers: Sequence[bytes], place: Place, now: datetime) -> Report:
        """Columns of equal length become hours and days; those without a temperature yet are left out."""
        answer = _Answer.model_validate_json(answers[0])
        return Report.of(
            current=_current(answer.current),
            hours=_hours(answer.hourly),
            days=_days(answer.daily, answer.utc_offset_seconds),
            timezone=answer.timezone,
        )


def _current(current: _Current) -> Observation:
    return Observation(
        time=_moment(current.time),
        temperature=current.temperature_2m,
        condition=current.weather_code,
        is_day=None if current.is_day is None else current.is_day == 1,
        apparent_temperature=current.apparent_temperature,
        humidity=current.relative_humidity_2m,
        precipitation=current.precipitation,
        cloud_cover=current.cloud_cover,
        pressure=current.pressure_msl,
        wind_speed=current.wind_speed_10m,
        wind_gusts=current.wind_gusts_10m,
        wind_direction=current.wind_direction_10m,
    )


def _hours(hourly: _Hourly) -> tuple[Hour, ...]:
    # What falls is told of the hour that ends at a time, here of the one that begins
    rows = zip(
        hourly.time,
        hourly.temperature_2m,
        hourly.weather_code,
        _following(hourly.precipitation),
        _following(hourly.precipitation_probability),
        hourly.relative_humidity_2m,
        hourly.wind_speed_10m,
        hourly.wind_direction_10m,
        strict=True,
    )
    return tuple(
        Hour(
            time=_moment(time),
            temperature=temperature,
            condition=code,
            precipitation=rain,
            precipitation_probability=chance,
            humidity=humidity,
            wind_speed=wind,
            wind_direction=direction,
        )
        for time, temperature, code, rain, chance, humidity, wind, direction in rows
        if temperature is not None
    )


def _following(column: Column) -> Column:
    return [*column[1:], None] if column else []


def _days(daily: _Daily, utc_offset: int) -> tuple[Day, ...]:
    rows = zip(
        daily.time,
        daily.temperature_2m_max,
        daily.temperature_2m_min,
        daily.weather_code,
        daily.precipitation_sum,
        daily.precipitation_probability_max,
        daily.wind_speed_10m_max,
        daily.sunrise,
        daily.sunset,
        strict=True,
    )
    # A day's time is its local midnight. Noon is on the same date even where the clocks change on the way.
    noon = timedelta(seconds=utc_offset, hours=12)
    return tuple(
        Day(
            date=(_moment(time) + noon).date(),
            temperature_max=highest,
            temperature_min=lowest,
            condition=code,
            precipitation=rain,
            precipitation_probability=chance,
            wind_speed_max=wind,
            sunrise=None if rise is None else _moment(rise),
            sunset=None if fall is None else _moment(fall),
        )
        for time, highest, lowest, code, rain, chance, wind, rise, fall in rows
        if highest is not None and lowest is not None
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
