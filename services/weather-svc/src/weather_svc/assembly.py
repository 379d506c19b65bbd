"""Puts the service together from its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from svc_common import Check

from .answers import RecentAnswers
from .budget import Budget
from .guard import Guard
from .keeping.sharing import Sharing
from .providers import TABLE
from .render.pool import ChartPool
from .settings import GEOCODING, WeatherSettings
from .store import RedisStore
from .upstream import Upstream
from .weather import Source, Staying, Weather

_REDIS_TIMEOUT = 0.25


@dataclass(frozen=True, slots=True)
class State:
    """What the handlers use."""

    weather: Weather
    answers: RecentAnswers
    charts: ChartPool
    store: RedisStore | None


@asynccontextmanager
async def connect(settings: WeatherSettings) -> AsyncIterator[State]:
    """Make everything. Nothing outside is asked before the first request needs it."""
    user_agent = f"storefronts-weather-svc/{version('weather-svc')} {settings.weather_contact}".strip()
    upstream = Upstream(
        timeout=settings.weather_attempt_timeout,
        max_bytes=settings.weather_max_answer_bytes,
        user_agent=user_agent,
    )
    redis_url = settings.redis_url.get_secret_value()
    store = RedisStore(redis_url, min(settings.store_timeout, _REDIS_TIMEOUT)) if redis_url else None
    sharing = Sharing(store)

    def guard(name: str) -> Guard:
        return Guard(
            name,
            upstream,
            Budget(name, settings.budget_of(name), settings.processes, sharing if store else None),
            attempts=settings.weather_attempts,
            failures=settings.weather_breaker_failures,
            rest=settings.weather_breaker_seconds,
        )

    weather = Weather(
        [Source(TABLE[name](settings, user_agent), guard(name)) for name in settings.weather_providers],
        guard(GEOCODING),
        settings.weather_geocoding_uri,
        sharing,
        Staying(
            lifetime=settings.weather_lifetime,
            revalidate=settings.weather_stale_while_revalidate,
            max_stale=settings.weather_max_stale,
            timeout=settings.weather_timeout,
            size=settings.weather_cache_entries,
        ),
    )
    charts = ChartPool()
    try:
        yield State(weather, RecentAnswers(), charts, store)
    finally:
        await weather.close()
        charts.close()
        upstream.close()
        if store is not None:
            await store.close()


def checks(state: State) -> Sequence[Check]:
    """What ``/readyz`` looks at; neither is needed to answer, so neither makes the service unready."""
    found = [Check("upstream", state.weather.any_available, required=False)]
    if state.store is not None:
        found.append(Check("redis", state.store.ping, required=False))
    return found
