"""Weather as JSON: every value with its unit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ..conditions import words
from ..model import Observation, Place
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
