"""Weather services: one module with one class for each, and the table that names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..settings import WeatherSettings
from .base import Provider
from .channel_item import ChannelItem
from .met_norway import MetNorway
from .open_meteo import OpenMeteo
from .openweathermap import OpenWeatherMap
from .wttr import Wttr

TABLE: Mapping[str, Callable[[WeatherSettings, str], Provider]] = {
    OpenMeteo.name: lambda settings, _: OpenMeteo(
        settings.weather_uri, settings.open_meteo_api_key.get_secret_value()
    ),
    MetNorway.name: lambda settings, user_agent: MetNorway(settings.weather_met_norway_uri, user_agent),
    Wttr.name: lambda settings, _: Wttr(settings.weather_wttr_uri),
    OpenWeatherMap.name: lambda settings, _: OpenWeatherMap(
        settings.weather_openweathermap_uri, settings.openweathermap_api_key.get_secret_value()
    ),
    ChannelItem.name: lambda settings, _: ChannelItem(settings.weather_channel_uri),
}
"""How each provider is made, from the settings and the User-Agent."""
