"""Weather as JSON: every value with its unit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ..conditions import words
from ..keeping.entry import Entry
from ..model import Day, Hour, Observation, Place, Report
from ..places import Located
from ..units import Quantity, System, unit

Json = dict[str, Any]

_OBSERVED: tuple[tuple[str, Quantity], ...] = (
    ("temperature", "temperature"),
    ("apparent_temperature", "temperature"),
    ("humidity", "share"),
    ("precipitation", "precipitation"),
    ("cloud_cover", "share"),
    ("pressure", "pressure"),
    ("wind_speed", "speed"),
    ("wind_gusts", "speed"),
    ("wind_direction", "direction"),
)

_HOURLY: tuple[tuple[str, Quantity], ...] = (
    ("temperature", "temperature"),
    ("precipitation", "precipitation"),
    ("precipitation_probability", "share"),
    ("humidity", "share"),
    ("wind_speed", "speed"),
    ("wind_direction", "direction"),
)
_DAILY: tuple[tuple[str, Quantity], ...] = (
    ("temperature_max", "temperature"),
    ("temperature_min", "temperature"),
    ("precipitation", "precipitation"),
    ("precipitation_probability", "share"),
    ("wind_speed_max", "speed"),
)


def current_document(
    entry: Entry[Report], located: Located, system: System, language: str, now: float
) -> Json:
    """Everything about the weather now."""
    return {
        **_located(located),
        **observation_document(entry.value.current, system, language),
        **_origin(entry, now),
    }


def forecast_document(
    entry: Entry[Report],
    located: Located,
    hours: Sequence[Hour],
    days: Sequence[Day],
    system: System,
    language: str,
    now: float,
) -> Json:
    """The days to come, and their hours."""
    return {
        **_located(located),
        "timezone": entry.value.timezone or located.place.timezone or "UTC",
        "days": [_day(day, system, language) for day in days],
        "hours": [_hour(hour, system, language) for hour in hours],
        **_origin(entry, now),
    }


def _located(located: Located) -> Json:
    return {
        "place": place_document(located.place),
        "ambiguous": bool(located.alternatives),
        "alternatives": places_document(located.alternatives),
    }


def _origin(entry: Entry[Report], now: float) -> Json:
    return {
        "provider": entry.source,
        "attribution": entry.attribution,
        "fetched_at": timestamp(datetime.fromtimestamp(entry.fetched, UTC)),
        "age": int(entry.age(now)),
        "stale": not entry.fresh(now),
        "simulated": entry.simulated,
    }


def _hour(hour: Hour, system: System, language: str) -> Json:
    document: Json = {
        "time": timestamp(hour.time),
        "hours": hour.hours,
        "condition": condition(hour.condition, language),
    }
    for name, quantity in _HOURLY:
        document[name] = measured(getattr(hour, name), quantity, system)
    return document


def _day(day: Day, system: System, language: str) -> Json:
    document: Json = {"date": day.date.isoformat(), "condition": condition(day.condition, language)}
    for name, quantity in _DAILY:
        document[name] = measured(getattr(day, name), quantity, system)
    document["sunrise"] = timestamp(day.sunrise) if day.sunrise else None
    document["sunset"] = timestamp(day.sunset) if day.sunset else None
    return document


def place_document(place: Place) -> Json:
    """A place; what is not known of it is null."""
    return {
        "id": place.id,
        "name": place.name or None,
        "region": place.region or None,
        "country": place.country or None,
        "country_code": place.country_code or None,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "elevation": place.elevation,
        "timezone": place.timezone or None,
        "population": place.population,
    }


def places_document(places: Sequence[Place]) -> list[Json]:
    """Several places."""
    return [place_document(place) for place in places]


def observation_document(observation: Observation, system: System, language: str) -> Json:
    """An observation: values with units, the condition as code and words."""
    document: Json = {
        "observed_at": timestamp(observation.time),
        "is_day": observation.is_day,
        "condition": condition(observation.condition, language),
    }
    for name, quantity in _OBSERVED:
        document[name] = measured(getattr(observation, name), quantity, system)
    return document


def condition(code: int | None, language: str) -> Json:
    """A WMO code and its words."""
    return {"code": code, "text": words(code, language)}


def measured(value: float | None, quantity: Quantity, system: System) -> Json | None:
    """A value in the system's unit; None where there is none."""
    if value is None:
        return None
    shown = unit(system, quantity)
    return {"value": shown.show(value), "unit": shown.symbol}


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC: ``2026-06-21T10:15:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
