"""Event streams: the present state first, then one event for each change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import orjson

from devstack.weather.upstream import WeatherUpstream
from weather_svc.assembly import State

if TYPE_CHECKING:
    from conftest import FormatServer, Serve

EVENTS = {"Accept": "text/event-stream"}
HERE = {"latitude": "59.91", "longitude": "10.75"}
MET = "/weatherapi/locationforecast/2.0/compact"


async def events(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """The events of a stream as dictionaries of their fields; comments are left out."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields
            fields = {}


def document(degrees: float) -> dict[str, Any]:
    """MET Norway's format with one temperature."""
    period = {"summary": {"symbol_code": "cloudy"}, "details": {"precipitation_amount": 0.0}}
    data = {"instant": {"details": {"air_temperature": degrees}}, "next_1_hours": period}
    return {"properties": {"timeseries": [{"time": "2026-06-21T10:00:00Z", "data": data}]}}


async def test_an_event_when_the_observation_changes(serve: Serve, format_server: FormatServer) -> None:
    format_server.documents = {MET: document(7.0)}
    async with (
        serve(
            WEATHER_PROVIDERS="met-norway",
            WEATHER_MET_NORWAY_URI=format_server.url,
            WEATHER_LIFETIME="0.1",
            WEATHER_BUDGET="100000",
        ) as weather,
        asyncio.timeout(30),
        weather.client.stream("GET", "/v1/current", params=HERE, headers=EVENTS) as answer,
    ):
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        stream = events(answer)
        first = await anext(stream)
        assert first["event"] == "weather"
        assert orjson.loads(first["data"])["temperature"] == {"value": 7.0, "unit": "°C"}
        asked = len(format_server.requests)
        while len(format_server.requests) < asked + 3:  # the same observation, fetched several times
            await asyncio.sleep(0.02)
        format_server.documents = {MET: document(8.5)}
        second = await anext(stream)
        assert orjson.loads(second["data"])["temperature"]["value"] == 8.5
        assert second["id"] != first["id"]


async def test_what_the_client_has_seen_is_not_sent_again(serve: Serve, format_server: FormatServer) -> None:
    format_server.documents = {MET: document(7.0)}
    async with (
        serve(
            WEATHER_PROVIDERS="met-norway", WEATHER_MET_NORWAY_URI=format_server.url, WEATHER_LIFETIME="0.1"
        ) as weather,
        asyncio.timeout(30),
    ):
        async with weather.client.stream("GET", "/v1/current", params=HERE, headers=EVENTS) as answer:
            seen = (await anext(events(answer)))["id"]
        resume = {**EVENTS, "Last-Event-ID": seen}
        async with weather.client.stream("GET", "/v1/current", params=HERE, headers=resume) as answer:
            format_server.documents = {MET: document(9.0)}
            event = await anext(events(answer))
            assert orjson.loads(event["data"])["temperature"]["value"] == 9.0


async def test_a_stream_outlives_the_upstream(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    async with (
        serve(WEATHER_LIFETIME="0.1", WEATHER_MAX_STALE="0.1") as weather,
        asyncio.timeout(30),
        weather.client.stream("GET", "/v1/forecast", params={"days": "1"}, headers=EVENTS) as answer,
    ):
        stream = events(answer)
        document = orjson.loads((await anext(stream))["data"])
        assert len(document["days"]) == 1
        assert document["simulated"] is True
        weather_upstream.misbehave("reset")
        asked = len(weather_upstream.requests)
        while len(weather_upstream.requests) == asked:
            await asyncio.sleep(0.02)
        assert weather.context.streams == 1


async def test_all_who_watch_a_place_share_its_requests(
    serve: Serve, weather_upstream: WeatherUpstream
) -> None:
    async with serve() as weather, asyncio.timeout(30):

        async def watch() -> str:
            async with weather.client.stream("GET", "/v1/current", params=HERE, headers=EVENTS) as answer:
                return (await anext(events(answer)))["id"]

        assert len(set(await asyncio.gather(*(watch() for _ in range(20))))) == 1
    assert len(weather_upstream.requests) == 1


async def test_a_stream_says_goodbye_at_shutdown(serve: Serve) -> None:
    async with asyncio.timeout(30):
        async with serve() as weather:
            client = httpx.AsyncClient(base_url=weather.url, trust_env=False)
            request = client.build_request("GET", "/v1/current", params=HERE, headers=EVENTS)
            answer = await client.send(request, stream=True)
            stream = events(answer)
            assert (await anext(stream))["event"] == "weather"
            state: State = weather.context.state
            assert state.weather.sources[0].provider.name == "open-meteo"
        assert (await anext(stream))["event"] == "goodbye"
        await answer.aclose()
        await client.aclose()


async def test_what_fails_at_the_start_is_a_problem(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    weather_upstream.misbehave("status", status=404)
    async with serve() as weather:
        answer = await weather.client.get("/v1/current", params=HERE, headers=EVENTS)
        assert (answer.status_code, answer.headers["Content-Type"]) == (502, "application/problem+json")
