"""What the handlers of places and weather share: reading the query."""

from __future__ import annotations

import math

from svc_common import BadRequest, ServiceHandler

from ..conditions import LANGUAGES
from ..model import Place
from ..places import BadPlace, Located, parse_city
from ..units import SYSTEMS, System
from ..weather import Weather

DEFAULT_CITY = "Berlin,DE"
TEXT = "text/plain"
JSON = "application/json"


class WeatherHandler(ServiceHandler[Weather]):
    """Knows how a place, units and a language are asked for."""

    cancel_on_disconnect = True

    def units(self) -> System:
        """``units``: metric or imperial."""
        wanted = self.query("units", "metric")
        for system in SYSTEMS:
            if wanted == system:
                return system
        raise BadRequest(f"units is {' or '.join(SYSTEMS)}.")

    def language(self) -> str:
        """``lang``: one of the languages that the service speaks."""
        language = (self.query("lang", "en") or "en").lower()
        if language not in LANGUAGES:
            raise BadRequest(f"lang is one of {', '.join(LANGUAGES)}.")
        return language

    async def located(self) -> Located:
        """The place that the query names: by city, or by latitude and longitude; Berlin by default."""
        city = self.query("city")
        latitude, longitude = self.query("latitude"), self.query("longitude")
        if latitude is not None or longitude is not None:
            if city is not None:
                raise BadRequest("Give either city or latitude and longitude.")
            place = Place(
                latitude=_degrees("latitude", latitude, 90), longitude=_degrees("longitude", longitude, 180)
            )
            return Located(place)
        try:
            name = parse_city(DEFAULT_CITY if city is None else city)
        except BadPlace as error:
            raise BadRequest(str(error)) from None
        return await self.state.locate(name, self.language())


def _degrees(name: str, text: str | None, limit: int) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not -limit <= value <= limit:  # not a number neither
        raise BadRequest(f"{name} must be a number from -{limit} to {limit}; give both coordinates.")
    return round(value, 2)  # about a kilometre: finer than any forecast, and places near each other share one
