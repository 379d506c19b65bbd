"""Every environment variable of weather-svc beside the common ones."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from svc_common import ServiceSettings


def _address(value: str) -> str:
    if not value.startswith(("https://", "http://")) or any(mark in value for mark in "?# "):
        raise ValueError("must be an http:// or https:// address without a query")
    return value.rstrip("/")


Address = Annotated[str, AfterValidator(_address)]


class WeatherSettings(ServiceSettings):
    """Where the weather comes from, and how long to wait for it."""

    weather_uri: Address = Field(
        "https://api.open-meteo.com",
        description="Open-Meteo's forecast API, or a server that speaks it (`/v1/forecast` is asked for).",
    )
    weather_geocoding_uri: Address = Field(
        "https://geocoding-api.open-meteo.com",
        description="Open-Meteo's geocoding API, which finds places by name (`/v1/search`, `/v1/get`).",
    )
    weather_timeout: float = Field(
        6.0, gt=0, le=60, description="Seconds within which a request is answered, one way or the other."
    )
    weather_attempt_timeout: float = Field(
        2.5, gt=0, le=60, description="Seconds to wait for one answer of an upstream."
    )
    weather_max_answer_bytes: int = Field(
        2 * 2**20, ge=2**12, description="Largest answer taken from an upstream, unpacked."
    )
