"""Open-Meteo's documented requests and answers: forecasts, and places by name or id.

Source: the API documentation at open-meteo.com/en/docs and open-meteo.com/en/docs/geocoding-api.
Pure code: query arguments in, the JSON object out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from devstack.weather import places
from devstack.weather.climate import Weather, sun, weather

Json = dict[str, object]

MAX_FORECAST_DAYS = 16
MAX_PAST_DAYS = 92


class BadRequest(ValueError):
    """What the service answers with status 400; the message is its ``reason``."""


@dataclass(frozen=True)
class Variable:
    """A name that can be asked for: its unit and how to get it."""

    unit: str
    value: Callable[[Weather], float]


# Units by quantity; what a request may choose differs from the default by a factor and an offset.
_CHOICES: dict[str, dict[str, tuple[str, float, float]]] = {
    "temperature_unit": {"celsius": ("°C", 1, 0), "fahrenheit": ("°F", 1.8, 32)},
    "wind_speed_unit": {
        "kmh": ("km/h", 1, 0),
        "ms": ("m/s", 1 / 3.6, 0),
        "mph": ("mp/h", 0.621371, 0),
        "kn": ("kn", 0.539957, 0),
    },
    "precipitation_unit": {"mm": ("mm", 1, 0), "inch": ("inch", 1 / 25.4, 0)},
}
_DEFAULT_UNITS = {"°C": "temperature_unit", "km/h": "wind_speed_unit", "mm": "precipitation_unit"}

HOURLY: dict[str, Variable] = {
    "temperature_2m": Variable("°C", lambda w: w.temperature),
    "relative_humidity_2m": Variable("%", lambda w: w.humidity),
    "apparent_temperature": Variable("°C", lambda w: w.apparent_temperature),
    "dew_point_2m": Variable("°C", lambda w: w.dew_point),
    "is_day": Variable("", lambda w: int(w.is_day)),
    "precipitation": Variable("mm", lambda w: w.precipitation),
    "precipitation_probability": Variable("%", lambda w: w.precipitation_probability),
    "rain": Variable("mm", lambda w: 0.0 if w.snowfall else w.precipitation),
    "showers": Variable("mm", lambda w: w.precipitation if w.weather_code == 80 else 0.0),
    "snowfall": Variable("cm", lambda w: w.snowfall),
    "weather_code": Variable("wmo code", lambda w: w.weather_code),
    "cloud_cover": Variable("%", lambda w: w.cloud_cover),
    "pressure_msl": Variable("hPa", lambda w: w.pressure),
    "surface_pressure": Variable("hPa", lambda w: w.pressure),
    "visibility": Variable("m", lambda w: w.visibility),
    "wind_speed_10m": Variable("km/h", lambda w: w.wind_speed),
    "wind_direction_10m": Variable("°", lambda w: w.wind_direction),
    "wind_gusts_10m": Variable("km/h", lambda w: w.wind_gusts),
    "uv_index": Variable("", lambda w: w.uv_index),
}

# A day's value is a summary of its hours.
_DAILY: dict[str, tuple[str, Callable[[Iterable[float]], float]]] = {
    "weather_code": ("weather_code", max),
    "temperature_2m_max": ("temperature_2m", max),
    "temperature_2m_min": ("temperature_2m", min),
    "apparent_temperature_max": ("apparent_temperature", max),
    "apparent_temperature_min": ("apparent_temperature", min),
    "precipitation_sum": ("precipitation", sum),
    "rain_sum": ("rain", sum),
    "showers_sum": ("showers", sum),
    "snowfall_sum": ("snowfall", sum),
    "precipitation_hours": ("precipitation", lambda values: sum(1.0 for value in values if value > 0)),
    "precipitation_probability_max": ("precipitation_probability", max),
    "wind_speed_10m_max": ("wind_speed_10m", max),
    "wind_gusts_10m_max": ("wind_gusts_10m", max),
    "wind_direction_10m_dominant": ("wind_direction_10m", lambda values: sorted(values)[12]),
    "uv_index_max": ("uv_index", max),
}
_SUN_UNITS = {"sunrise": "iso8601", "sunset": "iso8601", "daylight_duration": "s"}


def forecast(arguments: Mapping[str, list[str]], now: datetime) -> Json | list[Json]:
    """Answer ``/v1/forecast``; a list of coordinates gives a list of answers. Raises ``BadRequest``."""
    query = {name: ",".join(values) for name, values in arguments.items()}
    latitudes = _numbers(query, "latitude", 90)
    longitudes = _numbers(query, "longitude", 180)
    if len(latitudes) != len(longitudes):
        raise BadRequest("Parameter 'latitude' and 'longitude' must have the same number of elements")
    answers = [
        _Forecast(query, latitude, longitude, now).answer()
        for latitude, longitude in zip(latitudes, longitudes, strict=True)
    ]
    return answers if len(answers) > 1 else answers[0]


def geocode(arguments: Mapping[str, list[str]]) -> Json:
    """Answer ``/v1/search``; without a match there is no ``results``. Raises ``BadRequest``."""
    if "name" not in arguments:
        raise BadRequest("Parameter 'name' is required.")
    count = _integer({name: values[-1] for name, values in arguments.items()}, "count", 10)
    if not 1 <= count <= 100:
        raise BadRequest("Parameter count must be between 1 and 100.")
    found = places.search(arguments["name"][-1], count, arguments.get("countryCode", [None])[-1])
    results = [_result(place) for place in found]
    answer: Json = {"generationtime_ms": 0.5}
    return {"results": results, **answer} if results else answer


def get_place(arguments: Mapping[str, list[str]]) -> Json | None:
    """Answer ``/v1/get``, a place by its id; None where there is none. Raises ``BadRequest``."""
    if "id" not in arguments:
        raise BadRequest("Parameter 'id' is required.")
    number = _integer({"id": arguments["id"][-1]}, "id", 0)
    return next((_result(place) for place in places.PLACES if place.id == number), None)


def _result(place: places.Place) -> Json:
    return {
        "id": place.id,
        "name": place.name,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "elevation": place.elevation,
        "feature_code": place.feature_code,
        "country_code": place.country_code,
        "timezone": place.timezone,
        "population": place.population,
        "country": place.country,
        "admin1": place.admin1,
    }


class _Forecast:
    """One place of one request."""

    def __init__(self, query: Mapping[str, str], latitude: float, longitude: float, now: datetime) -> None:
        self.query = query
        self.latitude, self.longitude = latitude, longitude
        near = places.nearest(latitude, longitude)
        self.elevation = (
            near.elevation if math.dist((near.latitude, near.longitude), (latitude, longitude)) < 1 else 0.0
        )
        self.zone_name, self.zone = _zone(query.get("timezone", "GMT"), near.timezone)
        self.now = now.astimezone(self.zone)
        self.unix = _choice(query, "timeformat", ("iso8601", "unixtime")) == "unixtime"
        self.units = {
            name: choices[_choice(query, name, tuple(choices))] for name, choices in _CHOICES.items()
        }

    def answer(self) -> Json:
        offset = self.now.utcoffset() or timedelta()
        answer: Json = {
            "latitude": self.latitude,
            "longitude": self.longitude,
            "generationtime_ms": 0.1,
            "utc_offset_seconds": int(offset.total_seconds()),
            "timezone": self.zone_name,
            "timezone_abbreviation": self.now.tzname() or "GMT",
            "elevation": self.elevation,
        }
        if names := self._names("current", HOURLY):
            answer |= self._current(names)
        if names := self._names("hourly", HOURLY):
            answer |= self._hourly(names)
        if names := self._names("daily", {**_DAILY, **_SUN_UNITS}):
            if "timezone" not in self.query:
                raise BadRequest("Timezone is required")
            answer |= self._daily(names)
        return answer

    def _names(self, section: str, known: Mapping[str, object]) -> list[str]:
        names = [name for name in self.query.get(section, "").split(",") if name]
        for name in names:
            if name not in known:
                raise BadRequest(
                    f"Data corrupted at path ''. Cannot initialize {section.capitalize()}Variable"
                    f" from invalid String value {name}."
                )
        return names

    def _current(self, names: list[str]) -> Json:
        quarter = self.now.replace(minute=self.now.minute // 15 * 15, second=0, microsecond=0)
        values = self._at(quarter)
        return {
            "current_units": {
                "time": self._time_unit(),
                "interval": "seconds",
                **{name: self._unit(name) for name in names},
            },
            "current": {
                "time": self._time(quarter),
                "interval": 900,
                **{name: self._value(name, values) for name in names},
            },
        }

    def _hourly(self, names: list[str]) -> Json:
        hours = [hour for day in self._days() for hour in self._hours(day)]
        values = [self._at(hour) for hour in hours]
        return {
            "hourly_units": {"time": self._time_unit(), **{name: self._unit(name) for name in names}},
            "hourly": {
                "time": [self._time(hour) for hour in hours],
                **{name: [self._value(name, value) for value in values] for name in names},
            },
        }

    def _daily(self, names: list[str]) -> Json:
        days = self._days()
        values = [[self._at(hour) for hour in self._hours(day)] for day in days]
        columns: dict[str, list[object]] = {name: [] for name in names}
        units = {}
        for name in names:
            if name in _SUN_UNITS:
                units[name] = self._time_unit() if _SUN_UNITS[name] == "iso8601" else _SUN_UNITS[name]
                columns[name] = [self._sun(name, day) for day in days]
            else:
                source, summary = _DAILY[name]
                units[name] = self._unit(source) if name != "precipitation_hours" else "h"
                columns[name] = [
                    round(summary([self._value(source, hour) for hour in day]), 2) for day in values
                ]
        dates = [int(self._midnight(day).timestamp()) if self.unix else day.isoformat() for day in days]
        return {
            "daily_units": {"time": self._time_unit(), **units},
            "daily": {"time": dates, **columns},
        }

    def _sun(self, name: str, day: date) -> object:
        light = sun(self.latitude, self.longitude, datetime.combine(day, time(12), self.zone))
        if name == "daylight_duration":
            return light.daylight
        moment = light.rise if name == "sunrise" else light.set
        return self._time(moment or self._midnight(day))

    def _days(self) -> list[date]:
        today = self.now.date()
        if "start_date" in self.query or "end_date" in self.query:
            first, last = _date(self.query, "start_date"), _date(self.query, "end_date")
            if last < first:
                raise BadRequest("End-date must be larger or equals than start-date")
        else:
            ahead = _integer(self.query, "forecast_days", 7)
            if not 0 <= ahead <= MAX_FORECAST_DAYS:
                raise BadRequest(
                    f"Forecast days is invalid. Allowed range 0 to {MAX_FORECAST_DAYS}. Given {ahead}."
                )
            past = _integer(self.query, "past_days", 0)
            if not 0 <= past <= MAX_PAST_DAYS:
                raise BadRequest(f"Past days is invalid. Allowed range 0 to {MAX_PAST_DAYS}. Given {past}.")
            first, last = today - timedelta(past), today + timedelta(ahead - 1)
        earliest, latest = today - timedelta(MAX_PAST_DAYS), today + timedelta(MAX_FORECAST_DAYS - 1)
        for name, day in (("start_date", first), ("end_date", last)):
            if first <= last and not earliest <= day <= latest:
                raise BadRequest(f"Parameter '{name}' is out of allowed range from {earliest} to {latest}")
        return [first + timedelta(number) for number in range((last - first).days + 1)]

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)

    def _hours(self, day: date) -> list[datetime]:
        # Every day has 24 entries, also where the clocks change.
        return [datetime.combine(day, time(hour), self.zone) for hour in range(24)]

    def _at(self, moment: datetime) -> Weather:
        return weather(self.latitude, self.longitude, self.elevation, moment)

    def _unit(self, name: str) -> str:
        unit = HOURLY[name].unit
        return self.units[_DEFAULT_UNITS[unit]][0] if unit in _DEFAULT_UNITS else unit

    def _value(self, name: str, values: Weather) -> float:
        value = HOURLY[name].value(values)
        unit = HOURLY[name].unit
        if unit not in _DEFAULT_UNITS:
            return value
        _, factor, offset = self.units[_DEFAULT_UNITS[unit]]
        return (
            value if (factor, offset) == (1, 0) else round(value * factor + offset, 3 if unit == "mm" else 1)
        )

    def _time_unit(self) -> str:
        return "unixtime" if self.unix else "iso8601"

    def _time(self, moment: datetime) -> str | int:
        if self.unix:
            return int(moment.timestamp())
        return moment.astimezone(self.zone).strftime("%Y-%m-%dT%H:%M")


def _zone(asked: str, local: str) -> tuple[str, tzinfo]:
    if asked.upper() in ("GMT", "UTC"):
        return "GMT", UTC
    name = local if asked == "auto" else asked
    try:
        return name, ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadRequest("Invalid timezone") from None


def _choice(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = query.get(name) or choices[0]
    if value not in choices:
        raise BadRequest(
            f"Data corrupted at path ''. Cannot initialize {name} from invalid String value {value}."
        )
    return value


def _numbers(query: Mapping[str, str], name: str, limit: int) -> list[float]:
    if name not in query:
        raise BadRequest(f"Value of type 'String' required for key '{name}'.")
    try:
        values = [float(value) for value in query[name].split(",")]
    except ValueError:
        raise BadRequest(f"Parameter '{name}' is not a number.") from None
    for value in values:
        if not -limit <= value <= limit:  # not a number neither
            raise BadRequest(f"{name.capitalize()} must be in range of -{limit} to {limit}°. Given: {value}.")
    return values


def _integer(query: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(query[name]) if query.get(name) else default
    except ValueError:
        raise BadRequest(f"Parameter '{name}' is not an integer.") from None


def _date(query: Mapping[str, str], name: str) -> date:
    if name not in query:
        raise BadRequest("Both 'start_date' and 'end_date' must be set")
    try:
        return date.fromisoformat(query[name])
    except ValueError:
        raise BadRequest(f"Invalid date format. Make sure to use 'YYYY-MM-DD' for '{name}'") from None
