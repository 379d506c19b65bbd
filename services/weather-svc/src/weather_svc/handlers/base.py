"""What the handlers of places and weather share: reading the query, and the answer's cache headers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from svc_common import BadRequest, GatewayTimeout, ServiceHandler
from svc_common.conditional import if_none_match

from ..answers import Answer
from ..assembly import State
from ..conditions import LANGUAGES
from ..keeping.entry import Entry
from ..model import Place, Report
from ..places import BadPlace, Located, parse_city
from ..settings import WeatherSettings
from ..units import SYSTEMS, System

DEFAULT_CITY = "Berlin,DE"
TEXT = "text/plain"
JSON = "application/json"

PLAIN = f"{TEXT}; charset=utf-8"

_NUMBER = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{1,20})?")
_MOST_ID = 2**53


class WeatherHandler(ServiceHandler[State]):
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
        language = (self.query("lang", "en") or "").lower()
        if language not in LANGUAGES:
            raise BadRequest(f"lang is one of {', '.join(LANGUAGES)}.")
        return language

    async def located(self) -> Located:
        """The place that the query names: by city, coordinates or id; Berlin by default."""
        city, number = self.query("city"), self.query("place")
        latitude, longitude = self.query("latitude"), self.query("longitude")
        coordinates = latitude is not None or longitude is not None
        if (city is not None) + (number is not None) + coordinates > 1:
            raise BadRequest("Give one of city, place, or latitude and longitude.")
        weather, language = self.state.weather, self.language()
        if coordinates:
            north, east = _degrees("latitude", latitude, 90), _degrees("longitude", longitude, 180)
            return Located(Place(latitude=north, longitude=east))
        if number is not None:
            return await weather.place(self.query_int("place", 0, least=1, most=_MOST_ID), language)
        try:
            name = parse_city(DEFAULT_CITY if city is None else city)
        except BadPlace as error:
            raise BadRequest(str(error)) from None
        return await weather.locate(name, language)

    async def located_report(self) -> tuple[Located, Entry[Report]]:
        """The place of the query and its weather, within ``WEATHER_TIMEOUT``."""
        async with self.deadline():
            located = await self.located()
            return located, await self.state.weather.report(located.place)

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """Raise GatewayTimeout when the block takes longer than ``WEATHER_TIMEOUT``."""
        settings = cast(WeatherSettings, self.context.settings)
        try:
            async with asyncio.timeout(settings.weather_timeout):
                yield
        except TimeoutError:
            raise GatewayTimeout("The weather services did not answer in time.") from None

    def recent(self, form: str) -> Answer | None:
        """The answer in this form to the very same request, if it was asked within the last second."""
        return self.state.answers.get(self.request.uri or "", form)

    def keep(self, form: str, answer: Answer) -> None:
        """Keep an answer for those who ask the very same within a second."""
        self.state.answers.keep(self.request.uri or "", form, answer)

    def send(self, answer: Answer) -> None:
        """Answer, or say that the client has it already (304).

        The tag is weak: answers with the same one say the same of the weather, but their ages differ.
        """
        shared = "public" if self.context.settings.auth_mode == "none" else "private"
        self.set_header("Cache-Control", f"{shared}, max-age={answer.lifetime}")
        self.set_header("Age", str(answer.age))
        self.set_header("ETag", f'W/"{answer.tag}"')
        if not if_none_match(self.request.headers.get("If-None-Match"), answer.tag):
            self.set_status(304)
            return
        self.set_header("Content-Type", answer.content_type)
        self.write(answer.body)


def _degrees(name: str, text: str | None, limit: int) -> float:
    if text is None or not _NUMBER.fullmatch(text) or abs(float(text)) > limit:
        raise BadRequest(f"{name} must be a number from -{limit} to {limit}; give both coordinates.")
    # About a kilometre: finer than any forecast, and people near each other share an answer. No minus zero.
    return round(float(text), 2) + 0.0
