"""OpenWeatherMap: ``/data/2.5/weather`` and ``/data/2.5/forecast`` (openweathermap.org/forecast5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

from pydantic import BaseModel, Field

from ..model import Hour, Observation, Place, Report
from ..summary import offset_name, summarize
from ..upstream import UpstreamRequest
from .base import Provider

_STEP = 3  # hours


class _Main(BaseModel):
    temp: float
    feels_like: float | None = None
    pressure: float | None = None
    humidity: float | None = None


class _Weather(BaseModel):
    id: int
    icon: str = ""


class _Wind(BaseModel):
    speed: float | None = None
    deg: float | None = None
    gust: float | None = None


class _Clouds(BaseModel):
    all: float | None = None


class _Fall(BaseModel):
    one: float | None = Field(None, alias="1h")
    three: float | None = Field(None, alias="3h")


class _Current(BaseModel):
    dt: int
    timezone: int = 0
    main: _Main
    weather: list[_Weather]
    wind: _Wind = _Wind()
    clouds: _Clouds = _Clouds()
    rain: _Fall | None = None
    snow: _Fall | None = None


class _Step(BaseModel):
    dt: int
    main: _Main
    weather: list[_Weather]
    wind: _Wind = _Wind()
    pop: float | None = None
    rain: _Fall | None = None
    snow: _Fall | None = None


class _Forecast(BaseModel):
    steps: list[_Step] = Field(alias="list")


class OpenWeatherMap(Provider):
    """The present weather, and five days in steps of three hours. Needs a key; two requests for a place."""

    name = "openweathermap"
    lifetime = 600.0  # its data are renewed every 10 minutes
    attribution = "Weather data provided by OpenWeather (openweathermap.org)"

    def __init__(self, address: str, api_key: str) -> None:
        self._address = address
        self._api_key = api_key

    def requests(self, place: Place) -> Sequence[UpstreamRequest]:
        """The present and the forecast."""
        arguments = {
            "lat": f"{place.latitude:.4f}",
            "lon": f"{place.longitude:.4f}",
            "units": "metric",
            "appid": self._api_key,
        }
        return (
            UpstreamRequest(f"{self._address}/data/2.5/weather", arguments),
            UpstreamRequest(f"{self._address}/data/2.5/forecast", arguments),
        )

    def parse(self, answers: Sequence[bytes], place: Place, now: datetime) -> Report:
        """Days are made of the steps, by the place's own distance from UTC."""
        current = _Current.model_validate_json(answers[0])
        forecast = _Forecast.model_validate_json(answers[1])
        zone = timezone(timedelta(seconds=current.timezone))
        hours = tuple(_hour(step) for step in forecast.steps)
        return Report.of(
            current=_observation(current),
            hours=hours,
            days=summarize(hours, zone),
            timezone=place.timezone or offset_name(zone),
        )


def _observation(current: _Current) -> Observation:
    weather = current.weather[0] if current.weather else None
    return Observation(
        time=datetime.fromtimestamp(current.dt, UTC),
        temperature=current.main.temp,
        condition=wmo_code(weather.id) if weather else None,
        is_day={"d": True, "n": False}.get(weather.icon[-1:]) if weather else None,
        apparent_temperature=current.main.feels_like,
        humidity=current.main.humidity,
        precipitation=_fallen(current.rain, current.snow, "one"),
        cloud_cover=current.clouds.all,
        pressure=current.main.pressure,
        wind_speed=current.wind.speed,
        wind_gusts=current.wind.gust,
        wind_direction=current.wind.deg,
    )


def _hour(step: _Step) -> Hour:
    return Hour(
        time=datetime.fromtimestamp(step.dt, UTC),
        hours=_STEP,
        temperature=step.main.temp,
        condition=wmo_code(step.weather[0].id) if step.weather else None,
        precipitation=_fallen(step.rain, step.snow, "three"),
        precipitation_probability=None if step.pop is None else round(step.pop * 100),
        humidity=step.main.humidity,
        wind_speed=step.wind.speed,
        wind_direction=step.wind.deg,
    )


def _fallen(rain: _Fall | None, snow: _Fall | None, period: str) -> float:
    """Rain and snow in mm; what is not there has not fallen."""
    return sum(getattr(fall, period) or 0.0 for fall in (rain, snow) if fall is not None)


_CODES = {
    300: 51, 301: 53, 302: 55, 310: 51, 311: 53, 312: 55, 313: 53, 314: 55, 321: 53,
    500: 61, 501: 63, 502: 65, 503: 65, 504: 65, 511: 66, 520: 80, 521: 81, 522: 82, 531: 82,
    600: 71, 601: 73, 602: 75, 611: 68, 612: 83, 613: 84, 615: 68, 616: 69, 620: 85, 621: 85, 622: 86,
    701: 10, 711: 4, 721: 5, 731: 6, 741: 45, 751: 6, 761: 6, 762: 4, 771: 18, 781: 19,
    800: 0, 801: 1, 802: 2, 803: 3, 804: 3,
}  # fmt: skip


def wmo_code(code: int) -> int | None:
    """OpenWeatherMap's condition id → WMO's code."""
    return 95 if 200 <= code < 300 else _CODES.get(code)
