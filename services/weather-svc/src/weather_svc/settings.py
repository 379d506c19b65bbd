"""Every environment variable of weather-svc beside the common ones."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, model_validator

from svc_common import CommaList, ServiceSettings

PROVIDERS = ("open-meteo", "met-norway", "wttr", "openweathermap", "channel-item")
GEOCODING = "open-meteo-geocoding"
_UPSTREAMS = (*PROVIDERS, GEOCODING)


def _address(value: str) -> str:
    if not value.startswith(("https://", "http://")) or any(mark in value for mark in "?# "):
        raise ValueError("must be an http:// or https:// address without a query")
    return value.rstrip("/")


Address = Annotated[str, AfterValidator(_address)]


class WeatherSettings(ServiceSettings):
    """Where the weather comes from, how long to wait for it, and how long to keep it."""

    weather_providers: CommaList = Field(
        ("open-meteo",),
        description=f"Whom to ask, in this order: {', '.join(f'`{name}`' for name in PROVIDERS)}.",
    )
    weather_uri: Address = Field(
        "https://api.open-meteo.com",
        description="Open-Meteo's forecast API, or a server that speaks it (`/v1/forecast` is asked for).",
    )
    weather_geocoding_uri: Address = Field(
        "https://geocoding-api.open-meteo.com",
        description="Open-Meteo's geocoding API, which finds places by name (`/v1/search`, `/v1/get`).",
    )
    weather_met_norway_uri: Address = Field(
        "https://api.met.no", description="MET Norway's API (Locationforecast 2.0)."
    )
    weather_wttr_uri: Address = Field("https://wttr.in", description="wttr.in, or a server like it.")
    weather_openweathermap_uri: Address = Field(
        "https://api.openweathermap.org", description="OpenWeatherMap's API."
    )
    weather_channel_uri: Annotated[str, AfterValidator(lambda value: value and _address(value))] = Field(
        "", description="Address of a server that answers in the old `query.results.channel.item` format."
    )
    open_meteo_api_key: SecretStr = Field(
        SecretStr(""), description="Key of a commercial plan of Open-Meteo; not needed otherwise."
    )
    openweathermap_api_key: SecretStr = Field(
        SecretStr(""), description="Key for OpenWeatherMap; needed with that provider."
    )
    weather_contact: str = Field(
        "",
        max_length=200,
        pattern=r"^[\x21-\x7e]*$",
        description="E-mail or web address by which upstreams can reach you; needed with `met-norway`.",
    )

    weather_timeout: float = Field(
        6.0, gt=0, le=60, description="Seconds within which a request is answered, one way or the other."
    )
    weather_attempt_timeout: float = Field(
        2.5, gt=0, le=60, description="Seconds to wait for one answer of an upstream."
    )
    weather_attempts: int = Field(
        3, ge=1, le=10, description="Most requests for one answer, where asking again may help."
    )
    weather_max_answer_bytes: int = Field(
        2 * 2**20, ge=2**12, description="Largest answer taken from an upstream, unpacked."
    )
    weather_breaker_failures: int = Field(
        5, ge=1, description="Failures in a row after which an upstream is left alone."
    )
    weather_breaker_seconds: float = Field(
        15.0, gt=0, description="Seconds for which a failing upstream is left alone."
    )

    weather_lifetime: float = Field(
        0.0,
        ge=0,
        description="Seconds a report counts as fresh; 0 for each provider's own lifetime. "
        "MET Norway's `Expires` is waited for in any case.",
    )
    weather_stale_while_revalidate: float = Field(
        3600.0, ge=0, description="Seconds a stale report is still given at once while a new one is fetched."
    )
    weather_max_stale: float = Field(
        21600.0, ge=0, description="Seconds a stale report is given when there is no new one to be had."
    )
    weather_cache_entries: int = Field(
        2000, ge=1, description="Most places kept in the memory of a process, some 25 kB each."
    )

    weather_budget: int = Field(
        60, ge=1, le=100000, description="Most requests a minute to each upstream, of all replicas together."
    )
    weather_budgets: CommaList = Field(
        (), description="Other budgets for single upstreams, `met-norway=20,open-meteo-geocoding=100`."
    )
    weather_replicas: int = Field(
        1, ge=1, description="Replicas that share the budgets; each has a part of them where Redis is down."
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("redis_url"),
        description="Redis in which replicas share what they keep; each is on its own when empty.",
    )

    @property
    def processes(self) -> int:
        """Processes that share the budgets."""
        return self.workers * self.weather_replicas

    def budget_of(self, upstream: str) -> int:
        """The requests a minute to an upstream."""
        for item in self.weather_budgets:
            name, _, limit = item.partition("=")
            if name.strip() == upstream:
                return int(limit)
        return self.weather_budget

    @model_validator(mode="after")
    def _check_providers(self) -> WeatherSettings:
        if not self.weather_providers:
            raise ValueError("WEATHER_PROVIDERS: name at least one")
        for name in self.weather_providers:
            if name not in PROVIDERS:
                raise ValueError(f"WEATHER_PROVIDERS: {name!r} is none of {', '.join(PROVIDERS)}")
            if self.weather_providers.count(name) > 1:
                raise ValueError(f"WEATHER_PROVIDERS: {name!r} is named twice")
        needs = {
            "met-norway": ("WEATHER_CONTACT", self.weather_contact),
            "openweathermap": ("OPENWEATHERMAP_API_KEY", self.openweathermap_api_key.get_secret_value()),
            "channel-item": ("WEATHER_CHANNEL_URI", self.weather_channel_uri),
        }
        for name, (variable, value) in needs.items():
            if name in self.weather_providers and not value:
                raise ValueError(f"{variable}: needed with {name} in WEATHER_PROVIDERS")
        return self

    @model_validator(mode="after")
    def _check_budgets(self) -> WeatherSettings:
        for item in self.weather_budgets:
            name, _, limit = item.partition("=")
            if not (limit.isascii() and limit.isdigit() and int(limit) > 0):
                raise ValueError(f"WEATHER_BUDGETS: {item!r} is not name=number")
            if name.strip() not in _UPSTREAMS:
                raise ValueError(f"WEATHER_BUDGETS: {name!r} is none of {', '.join(_UPSTREAMS)}")
        budgets = {self.weather_budget, *(int(item.partition("=")[2]) for item in self.weather_budgets)}
        if self.processes > 1 and min(budgets) < 2 * self.processes:
            raise ValueError(
                f"WEATHER_BUDGET: {self.processes} processes need a budget of at least {2 * self.processes}"
            )
        return self
