"""weather-svc: current weather and forecasts that stay up when the upstream does not."""

from __future__ import annotations

from svc_common import READ, Route, Service

from .assembly import checks, connect
from .handlers.current import CurrentHandler
from .handlers.forecast import ForecastHandler, ForecastPngHandler, ForecastSvgHandler
from .handlers.places import PlacesHandler
from .settings import WeatherSettings
from .store import open_rates

routes = [
    Route("/v1/current", CurrentHandler, READ),
    Route("/v1/forecast", ForecastHandler, READ),
    Route("/v1/forecast.svg", ForecastSvgHandler, READ),
    Route("/v1/forecast.png", ForecastPngHandler, READ),
    Route("/v1/places", PlacesHandler, READ),
]

service = Service(
    "weather-svc",
    WeatherSettings,
    routes=routes,
    lifespan=connect,
    checks=checks,
    rates=open_rates,
    package="weather_svc",
    description="Current weather and forecasts over public weather APIs.",
)
