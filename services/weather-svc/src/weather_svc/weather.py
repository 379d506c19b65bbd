"""The domain: where a place is and what the weather is there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from svc_common import BadGateway, GatewayTimeout, NotFound

from . import places
from .model import Place, Report
from .places import CityName, Located
from .providers.base import BadAnswer, Provider
from .upstream import Upstream, UpstreamError, UpstreamRequest

GEOCODING = "open-meteo-geocoding"


@dataclass(frozen=True)
class Answer:
    """A report, who gave it and when. ``simulated``: the upstream says that it made the weather up."""

    report: Report
    provider: str
    attribution: str
    fetched: datetime
    simulated: bool


class Weather:
    """Finds places and their weather. What goes wrong upstream comes out as a 502 or 504 problem."""

    def __init__(
        self, upstream: Upstream, provider: Provider, geocoding_address: str, timeout: float
    ) -> None:
        self._upstream = upstream
        self._provider = provider
        self._geocoding_address = geocoding_address
        self._timeout = timeout

    async def locate(self, city: CityName, language: str) -> Located:
        """The place of a name. NotFound when there is none."""
        request = places.search_request(self._geocoding_address, city, language)
        try:
            answer = await self._ask(GEOCODING, request)
            found = places.choose(places.parse_search(answer[0]), city)
        except ValueError:
            raise BadGateway(f"{GEOCODING} sent an answer that cannot be read.") from None
        if found is None:
            raise NotFound(f"There is no place called {city.name}.")
        return found

    async def report(self, place: Place) -> Answer:
        """The weather at a place."""
        provider = self._provider
        bodies, simulated = [], False
        for request in provider.requests(place):
            body, made_up = await self._ask(provider.name, request)
            bodies.append(body)
            simulated = simulated or made_up
        now = datetime.now(UTC)
        try:
            report = provider.parse(bodies, place, now)
        except (BadAnswer, ValueError):
            raise BadGateway(f"{provider.name} sent an answer that cannot be read.") from None
        return Answer(report, provider.name, provider.attribution, now, simulated)

    async def _ask(self, name: str, request: UpstreamRequest) -> tuple[bytes, bool]:
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._upstream.fetch(name, request)
        except TimeoutError:
            raise GatewayTimeout(f"{name} did not answer in time.") from None
        except UpstreamError as error:
            raise (GatewayTimeout if error.timed_out else BadGateway)(error.reason) from error
        return answer.body, answer.simulated
