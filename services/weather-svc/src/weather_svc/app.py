"""weather-svc: current weather and forecasts over public weather APIs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from svc_common import READ, Route, Service

from .handlers.current import CurrentHandler
from .providers.open_meteo import OpenMeteo
from .settings import WeatherSettings
from .upstream import Upstream
from .weather import Weather


@asynccontextmanager
async def connect(settings: WeatherSettings) -> AsyncIterator[Weather]:
    """Open the HTTP client. Nothing outside is asked before the first request needs it."""
    upstream = Upstream(
        timeout=settings.weather_attempt_timeout,
        max_bytes=settings.weather_max_answer_bytes,
        user_agent=f"storefronts-weather-svc/{service.version}",
    )
    try:
        yield Weather(
            upstream,
            OpenMeteo(settings.weather_uri),
            settings.weather_geocoding_uri,
            settings.weather_timeout,
        )
    finally:
        upstream.close()


routes = [
    Route("/v1/current", CurrentHandler, READ),
]

service = Service(
    "weather-svc",
    WeatherSettings,
    routes=routes,
    lifespan=connect,
    package="weather_svc",
    description="Current weather and forecasts over public weather APIs.",
)
