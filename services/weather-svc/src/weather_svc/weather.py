"""The domain: where a place is and what the weather is there, kept and guarded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, TypeAdapter

from svc_common import NotFound

from . import places
from .failures import as_problem
from .guard import Guard
from .keeping.entry import Entry
from .keeping.keeper import Keeper
from .keeping.sharing import Sharing
from .model import Place, Report
from .places import CityName, Located
from .providers.base import BadAnswer, Provider
from .settings import GEOCODING
from .upstream import UpstreamAnswer, UpstreamError

GEOCODING_ATTRIBUTION = "Places by GeoNames through Open-Meteo.com (CC BY 4.0)"

_PLACES_LIFETIME = 86400.0
_LEAST_LIFETIME = 60.0
_MOST_LIFETIME = 6 * 3600.0

Places = tuple[Place, ...]


def _readable(entry: Entry[Report]) -> Entry[Report]:
    entry.value.hours  # noqa: B018  # raises ValueError where they cannot be unpacked
    return entry


REPORTS: TypeAdapter[Entry[Report]] = TypeAdapter(Annotated[Entry[Report], AfterValidator(_readable)])
PLACES: TypeAdapter[Entry[Places]] = TypeAdapter(Entry[Places])


@dataclass(frozen=True, slots=True)
class Source:
    """A provider behind its guard."""

    provider: Provider
    guard: Guard


@dataclass(frozen=True, slots=True)
class Staying:
    """How long things are kept, in seconds.

    ``lifetime`` replaces the providers' own where it is above 0, but never shortens an ``Expires`` that the
    provider wants to be kept to.
    """

    lifetime: float
    revalidate: float
    max_stale: float
    timeout: float
    size: int


class Weather:
    """Finds places and their weather. What goes wrong upstream comes out as a 502, 503 or 504 problem."""

    def __init__(
        self,
        sources: Sequence[Source],
        geocoding: Guard,
        geocoding_address: str,
        sharing: Sharing,
        staying: Staying,
    ) -> None:
        self.sources = tuple(sources)
        self.geocoding = geocoding
        self._geocoding_address = geocoding_address
        self._staying = staying
        self._reports = Keeper(
            "report",
            REPORTS,
            sharing,
            size=staying.size,
            revalidate=staying.revalidate,
            max_stale=staying.max_stale,
            timeout=staying.timeout,
        )
        # Towns do not move: names that were found once are good as long as nothing better is to be had.
        self._places = Keeper(
            "places",
            PLACES,
            sharing,
            size=staying.size,
            revalidate=30 * _PLACES_LIFETIME,
            max_stale=30 * _PLACES_LIFETIME,
            timeout=staying.timeout,
        )

    async def close(self) -> None:
        """Cancel what is being fetched."""
        await self._reports.close()
        await self._places.close()

    async def any_available(self) -> None:
        """Return when at least one provider is not known to fail; else raise its problem."""
        failures: list[tuple[str, Exception]] = []
        for source in self.sources:
            try:
                return await source.guard.available()
            except UpstreamError as error:
                failures.append((source.provider.name, error))
        raise as_problem(failures)

    async def report(self, place: Place, *, patient: bool = False) -> Entry[Report]:
        """The weather at a place; ``patient`` waits for a fresh one rather than taking a stale one."""
        # A provider that is not told the zone makes its days in UTC: not for those who ask by name
        key = f"{place.latitude:.2f},{place.longitude:.2f}{place.timezone and ','}{place.timezone}"
        return await self._reports.get(key, lambda known: self._ask_providers(place, known), patient=patient)

    async def search(self, city: CityName, language: str) -> Places:
        """The places that a name may mean, best match first."""
        key = f"{language}:{city.country_code}:{city.name.casefold()}"

        async def load(_: Entry[Places] | None) -> Entry[Places]:
            request = places.search_request(self._geocoding_address, city, language)
            try:
                answer = await self.geocoding.fetch(request)
                return self._places_entry(places.parse_search(answer.body), answer)
            except (UpstreamError, ValueError) as error:
                raise as_problem([(GEOCODING, error)]) from error

        return (await self._places.get(key, load)).value

    async def locate(self, city: CityName, language: str) -> Located:
        """The largest place of a name. NotFound when there is none."""
        found = places.choose(await self.search(city, language), city)
        if found is None:
            within = ", ".join(part for part in (*city.qualifiers, city.country_code) if part)
            raise NotFound(f"There is no place called {city.name}{within and f' in {within}'}.")
        return found

    async def place(self, number: int, language: str) -> Located:
        """The place of an id. NotFound when there is none."""

        async def load(_: Entry[Places] | None) -> Entry[Places]:
            request = places.get_request(self._geocoding_address, number, language)
            try:
                answer = await self.geocoding.fetch(request)
                return self._places_entry((places.parse_get(answer.body),), answer)
            except UpstreamError as error:
                if error.status in (400, 404):
                    raise NotFound(f"There is no place with the id {number}.") from None
                raise as_problem([(GEOCODING, error)]) from error
            except ValueError as error:
                raise as_problem([(GEOCODING, error)]) from error

        entry = await self._places.get(f"{language}:id:{number}", load)
        return Located(entry.value[0])

    def _places_entry(self, found: Places, answer: UpstreamAnswer) -> Entry[Places]:
        now = time.time()
        return Entry[Places](
            value=found,
            source=GEOCODING,
            fetched=now,
            fresh_until=now + _PLACES_LIFETIME,
            simulated=answer.simulated,
            attribution=GEOCODING_ATTRIBUTION,
        )

    async def _ask_providers(self, place: Place, known: Entry[Report] | None) -> Entry[Report]:
        """The first provider that gives an answer; the problem of all of them where none does."""
        failures: list[tuple[str, Exception]] = []
        for source in self.sources:
            try:
                return await self._ask(source, place, known)
            except (UpstreamError, BadAnswer, ValueError, OverflowError) as error:
                failures.append((source.provider.name, error))
        raise as_problem(failures) from failures[-1][1]

    async def _ask(self, source: Source, place: Place, known: Entry[Report] | None) -> Entry[Report]:
        provider, requests = source.provider, source.provider.requests(place)
        if known is not None and known.source != provider.name:
            known = None
        modified_since = known.last_modified if known is not None else ""
        answers = [await source.guard.fetch(request, modified_since=modified_since) for request in requests]
        now = time.time()
        last = answers[-1]
        if last.not_modified and known is not None:
            report = provider.renew(known.value, datetime.fromtimestamp(now, UTC))
            simulated = known.simulated
        else:
            bodies = [answer.body for answer in answers]
            report = provider.parse(bodies, place, datetime.fromtimestamp(now, UTC))
            simulated = any(answer.simulated for answer in answers)
        return Entry[Report](
            value=report,
            source=provider.name,
            fetched=now,
            fresh_until=now + self._lifetime(provider, last, now),
            simulated=simulated,
            attribution=provider.attribution,
            last_modified=(last.last_modified or modified_since) if provider.keeps_expires else "",
        )

    def _lifetime(self, provider: Provider, answer: UpstreamAnswer, now: float) -> float:
        wanted = self._staying.lifetime
        if provider.keeps_expires and answer.expires is not None:
            left = min(max(answer.expires.timestamp() - now, _LEAST_LIFETIME), _MOST_LIFETIME)
            return max(left, wanted)
        return wanted or provider.lifetime
