"""The same endpoint by FastAPI, httpx and aiocache; it runs in the peers' environment."""

import os
import time
from datetime import UTC, datetime

import httpx
from aiocache import cached
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

FORECAST = os.environ["WEATHER_URI"] + "/v1/forecast"
SEARCH = os.environ["WEATHER_GEOCODING_URI"] + "/v1/search"
MEASURED = {
    "temperature": "temperature_2m",
    "apparent_temperature": "apparent_temperature",
    "humidity": "relative_humidity_2m",
    "precipitation": "precipitation",
    "cloud_cover": "cloud_cover",
    "pressure": "pressure_msl",
    "wind_speed": "wind_speed_10m",
    "wind_gusts": "wind_gusts_10m",
    "wind_direction": "wind_direction_10m",
}
WORDS = {0: "clear sky", 1: "mainly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 61: "slight rain"}


class Place(BaseModel):
    id: int
    name: str
    region: str | None
    country: str | None
    country_code: str
    latitude: float
    longitude: float
    elevation: float | None
    timezone: str
    population: int | None


class Condition(BaseModel):
    code: int
    text: str


class Measured(BaseModel):
    value: float
    unit: str


class Current(BaseModel):
    place: Place
    ambiguous: bool
    alternatives: list[Place]
    observed_at: datetime
    is_day: bool
    condition: Condition
    temperature: Measured
    apparent_temperature: Measured
    humidity: Measured
    precipitation: Measured
    cloud_cover: Measured
    pressure: Measured
    wind_speed: Measured
    wind_gusts: Measured
    wind_direction: Measured
    provider: str
    attribution: str
    fetched_at: datetime
    age: int
    stale: bool
    simulated: bool


app = FastAPI()
client = httpx.AsyncClient(timeout=10)


@cached(ttl=86400)
async def locate(city: str) -> list[Place]:
    """The places of a name."""
    name, _, country = city.partition(",")
    arguments = {"name": name, **({"countryCode": country} if country else {})}
    answer = await client.get(SEARCH, params=arguments)
    answer.raise_for_status()
    same = [name for name in Place.model_fields if name != "region"]
    return [
        Place(region=found.get("admin1"), **{name: found.get(name) for name in same})
        for found in answer.json().get("results", [])
    ]


@cached(ttl=900)
async def observe(latitude: float, longitude: float) -> tuple[dict, dict, float, bool]:
    """The weather at a place, its units, when it was fetched and whether it is made up."""
    arguments = {
        "latitude": latitude,
        "longitude": longitude,
        "current": ",".join([*MEASURED.values(), "weather_code", "is_day"]),
        "wind_speed_unit": "ms",
        "timeformat": "unixtime",
    }
    answer = await client.get(FORECAST, params=arguments)
    answer.raise_for_status()
    document = answer.json()
    simulated = answer.headers.get("X-Simulated") == "true"
    return document["current"], document["current_units"], time.time(), simulated


@app.get("/v1/current")
async def current(city: str = "Berlin,DE") -> Current:
    """The weather now."""
    places = await locate(city)
    if not places:
        raise HTTPException(404, f"There is no place called {city}.")
    values, units, fetched, simulated = await observe(places[0].latitude, places[0].longitude)
    code = values["weather_code"]
    return Current(
        place=places[0],
        ambiguous=len(places) > 1,
        alternatives=places[1:],
        observed_at=datetime.fromtimestamp(values["time"], UTC),
        is_day=values["is_day"] == 1,
        condition=Condition(code=code, text=WORDS.get(code, "unknown weather")),
        provider="open-meteo",
        attribution="Weather data by Open-Meteo.com (CC BY 4.0)",
        fetched_at=datetime.fromtimestamp(fetched, UTC),
        age=int(time.time() - fetched),
        stale=False,
        simulated=simulated,
        **{name: Measured(value=values[key], unit=units[key]) for name, key in MEASURED.items()},
    )
