"""Finding a place by what people type. Pure: the question to the geocoding API, and the choice among answers.

Source: the documentation of Open-Meteo's geocoding API (open-meteo.com/en/docs/geocoding-api), whose ids are
GeoNames numbers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from .model import Place
from .upstream import UpstreamRequest

MAX_NAME = 100
CANDIDATES = 50
MAX_ALTERNATIVES = 9


class BadPlace(ValueError):
    """What was typed cannot be a place; the text says why."""


@dataclass(frozen=True, slots=True)
class CityName:
    """``Springfield, Illinois, US``: a name, the country's code, and what else must fit."""

    name: str
    country_code: str = ""
    qualifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Located:
    """The place that was meant, and others that could have been."""

    place: Place
    alternatives: tuple[Place, ...] = ()


def parse_city(text: str) -> CityName:
    """``Berlin``, ``Berlin,DE``, ``Berlin, Germany`` or ``Springfield, Illinois, US``. Raises BadPlace."""
    if len(text) > MAX_NAME:
        raise BadPlace(f"A place's name has at most {MAX_NAME} characters.")
    if not all(letter.isprintable() for letter in text):
        raise BadPlace("A place's name holds no control characters.")
    name, *rest = (part.strip() for part in text.split(","))
    rest = [part for part in rest if part]
    if not name:
        raise BadPlace("The place's name is empty.")
    country = ""
    if rest and len(rest[-1]) == 2 and rest[-1].isascii() and rest[-1].isalpha():
        country = rest.pop().upper()
    return CityName(name, country, tuple(rest))


def search_request(address: str, city: CityName, language: str, count: int = CANDIDATES) -> UpstreamRequest:
    """The geocoding request for a name."""
    arguments = {"name": city.name, "count": str(count), "language": language, "format": "json"}
    if city.country_code:
        arguments["countryCode"] = city.country_code
    return UpstreamRequest(f"{address}/v1/search", arguments)


def get_request(address: str, number: int, language: str) -> UpstreamRequest:
    """The geocoding request for a place's id."""
    return UpstreamRequest(f"{address}/v1/get", {"id": str(number), "language": language, "format": "json"})


class _Result(BaseModel):
    id: int
    name: str
    latitude: float
    longitude: float
    elevation: float | None = None
    country_code: str | None = None
    country: str | None = None
    admin1: str | None = None
    timezone: str | None = None
    population: int | None = None

    def place(self) -> Place:
        return Place(
            id=self.id,
            name=_printable(self.name),
            latitude=self.latitude,
            longitude=self.longitude,
            elevation=self.elevation,
            country_code=self.country_code or "",
            country=_printable(self.country or ""),
            region=_printable(self.admin1 or ""),
            timezone=self.timezone or "",
            population=self.population,
        )


class _Results(BaseModel):
    results: list[_Result] = []


def parse_search(body: bytes) -> tuple[Place, ...]:
    """The places of a search's answer, best match first. Raises ValueError for anything else."""
    return tuple(result.place() for result in _Results.model_validate_json(body).results)


def parse_get(body: bytes) -> Place:
    """The place of an answer to a request by id. Raises ValueError for anything else."""
    return _Result.model_validate_json(body).place()


def choose(candidates: Sequence[Place], city: CityName) -> Located | None:
    """The largest of the places that fit, with the others as alternatives; None when none fits."""
    fitting = matching(candidates, city)
    wanted = plain(city.name)
    # A search by "Munchen" also finds places that only begin so; those called exactly so go before.
    same = [place for place in fitting if plain(place.name) == wanted]
    ranked = sorted(same or fitting, key=lambda place: -(place.population or 0))
    if not ranked:
        return None
    return Located(ranked[0], tuple(ranked[1 : MAX_ALTERNATIVES + 1]) if same else ())


def matching(candidates: Sequence[Place], city: CityName) -> list[Place]:
    """The candidates in the country and region that were named, in the order in which they came."""
    return [place for place in candidates if _fits(place, city)]


def plain(text: str) -> str:
    """Letters only as they compare: no accents, no case."""
    decomposed = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _printable(text: str) -> str:
    """Names go into sentences and pictures, where a line end or an escape would do harm."""
    return "".join(letter for letter in text if letter.isprintable())


def _fits(place: Place, city: CityName) -> bool:
    if city.country_code and place.country_code != city.country_code:
        return False
    known = {plain(place.region), plain(place.country)}
    return all(plain(qualifier) in known for qualifier in city.qualifiers)
