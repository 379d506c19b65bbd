"""Answers that are kept: fresh, stale, and while everything upstream is dead."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

import httpx
import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from devstack.weather.upstream import WeatherUpstream
from svc_common import Unavailable
from weather_svc.assembly import State
from weather_svc.budget import WINDOW
from weather_svc.handlers import forecast
from weather_svc.model import Place

if TYPE_CHECKING:
    from conftest import Serve

JSON = {"Accept": "application/json"}


async def test_a_fresh_answer_is_used_again(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    async with serve() as weather:
        for path in ("/v1/current", "/v1/forecast", "/v1/current"):
            assert (await weather.client.get(path)).status_code == 200
    assert [request.path for request in weather_upstream.requests] == ["/v1/search", "/v1/forecast"]


async def test_conditional_requests(serve: Serve) -> None:
    async with serve() as weather:
        first = await weather.client.get("/v1/current", headers=JSON)
        assert first.headers["Cache-Control"] == "public, max-age=900"
        assert first.headers["Age"] == "0"
        assert "Accept" in first.headers["Vary"]
        tag = first.headers["ETag"]
        assert tag.startswith('W/"')
        again = await weather.client.get("/v1/current", headers={**JSON, "If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert again.headers["Cache-Control"] == "public, max-age=900"
        text = await weather.client.get("/v1/current", headers={"If-None-Match": tag})
        assert text.status_code == 200
        imperial = await weather.client.get(
            "/v1/current", params={"units": "imperial"}, headers={**JSON, "If-None-Match": tag}
        )
        assert imperial.status_code == 200


async def test_after_midnight_a_forecast_is_another_one(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Tomorrow:
            return super().now(tz) + timedelta(days=1)

    async with serve() as weather:
        for form in ("text/plain", "application/json", "image/svg+xml"):
            headers = {"Accept": form}
            first = await weather.client.get("/v1/forecast", params={"days": "2"}, headers=headers)
            # Not the very same address, whose answer is kept for a second
            query = {"days": "2", "units": "metric"}
            headers["If-None-Match"] = first.headers["ETag"]
            with monkeypatch.context() as patch:
                patch.setattr(forecast, "datetime", Tomorrow)
                second = await weather.client.get("/v1/forecast", params=query, headers=headers)
            assert second.status_code == 200
            assert second.content != first.content


async def test_with_tokens_answers_are_private(serve: Serve) -> None:
    async with serve(AUTH_MODE="token", AUTH_TOKENS="viewer:read:s3cret") as weather:
        assert (await weather.client.get("/v1/current")).status_code == 401
        answer = await weather.client.get("/v1/current", headers={"Authorization": "Bearer s3cret"})
        assert answer.headers["Cache-Control"] == "private, max-age=900"


async def test_a_stale_answer_is_given_at_once_and_renewed_behind_it(
    serve: Serve, weather_upstream: WeatherUpstream
) -> None:
    async with serve(WEATHER_LIFETIME="0.2") as weather:
        first = (await weather.client.get("/v1/current", headers=JSON)).json()
        assert first["stale"] is False
        await _until_stale(weather.client)
        # Stale answers were given while the renewal was under way; a fresh one follows
        async with asyncio.timeout(30):
            while (await weather.client.get("/v1/current", headers=JSON)).json()["stale"]:
                await asyncio.sleep(0.01)
    assert [request.path for request in weather_upstream.requests][:2] == ["/v1/search", "/v1/forecast"]
    assert len(weather_upstream.requests) >= 3


async def test_with_every_upstream_dead_what_was_seen_is_still_answered(
    serve: Serve, weather_upstream: WeatherUpstream
) -> None:
    for trouble in ("hang", "reset", "status"):
        weather_upstream.reset()
        async with serve(
            WEATHER_LIFETIME="0.2", WEATHER_TIMEOUT="10", WEATHER_ATTEMPT_TIMEOUT="5"
        ) as weather:
            assert (await weather.client.get("/v1/current")).status_code == 200
            weather_upstream.misbehave(trouble)
            await _until_stale(weather.client)
            for _ in range(50):
                answer = await weather.client.get("/v1/current", headers=JSON)
                assert (answer.status_code, answer.json()["stale"]) == (200, True)
            text = (await weather.client.get("/v1/current")).text.splitlines()
            assert text[0].startswith("Currently ")
            assert text[2] == "(0 minutes old; nothing newer is known yet)"
            async with asyncio.timeout(30):  # WEATHER_TIMEOUT and a wide margin
                unseen = await weather.client.get("/v1/current", params={"latitude": "1", "longitude": "1"})
            assert unseen.status_code in (502, 504)


async def test_what_is_too_stale_is_not_given(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    async with serve(WEATHER_LIFETIME="0.1", WEATHER_MAX_STALE="0.3") as weather:
        assert (await weather.client.get("/v1/current")).status_code == 200
        weather_upstream.misbehave("status", path="/v1/forecast")
        async with asyncio.timeout(30):
            while (await weather.client.get("/v1/current")).status_code == 200:
                await asyncio.sleep(0.02)
        assert (await weather.client.get("/v1/current")).status_code == 502


async def test_beyond_the_window_an_answer_is_waited_for(
    serve: Serve, weather_upstream: WeatherUpstream
) -> None:
    settings = {"WEATHER_LIFETIME": "0.1", "WEATHER_STALE_WHILE_REVALIDATE": "0", "WEATHER_MAX_STALE": "600"}
    async with serve(**settings) as weather:
        state: State = weather.context.state
        place = Place(latitude=1, longitude=1)
        first = await state.weather.report(place)
        while first.fresh(time.time()):
            await asyncio.sleep(0.01)
        second = await state.weather.report(place)
        assert second.fetched > first.fetched
        weather_upstream.misbehave("status")
        while second.fresh(time.time()):
            await asyncio.sleep(0.01)
        assert (await state.weather.report(place)) == second  # failing, so the stale one is good enough
        asked = len(weather_upstream.requests)
        assert (await state.weather.report(place)) == second
        assert len(weather_upstream.requests) == asked  # and not asked for again at once


async def test_a_thousand_at_once_make_one_request(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    async with serve() as weather:
        client: AsyncHTTPClient = SimpleAsyncHTTPClient(force_instance=True, max_clients=1000)
        try:
            answers = await asyncio.gather(
                *(client.fetch(f"{weather.url}/v1/current", request_timeout=60) for _ in range(1000))
            )
        finally:
            client.close()
        assert {answer.code for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 1
    assert [request.path for request in weather_upstream.requests] == ["/v1/search", "/v1/forecast"]


async def test_a_hundred_thousand_requests_stay_inside_the_budget(
    serve: Serve, weather_upstream: WeatherUpstream
) -> None:
    places = [Place(latitude=number / 10, longitude=number / 10) for number in range(200)]
    answered = refused = 0
    async with serve(WEATHER_LIFETIME="0.05", WEATHER_BUDGET="60") as weather:
        state: State = weather.context.state
        begun = time.monotonic()
        for number in range(100_000 // 200):

            async def ask(place: Place) -> bool:
                try:
                    await state.weather.report(place)
                except Unavailable:
                    return False
                return True

            outcomes = await asyncio.gather(*(ask(place) for place in places))
            answered += sum(outcomes)
            refused += len(outcomes) - sum(outcomes)
            if number == 0:
                assert sum(outcomes) == 60
        windows = 1 + (time.monotonic() - begun) // WINDOW  # one, but on a very busy machine
        assert 60 <= len(weather_upstream.requests) <= 60 * windows
    assert answered + refused == 100_000
    assert answered >= 60 * 500
    assert windows > 1 or answered == 60 * 500


async def test_one_who_leaves_does_not_end_the_request_of_others(
    serve: Serve, weather_upstream: WeatherUpstream
) -> None:
    async with serve() as weather:
        state: State = weather.context.state
        place = Place(latitude=1, longitude=1)
        first = asyncio.create_task(state.weather.report(place))
        second = asyncio.create_task(state.weather.report(place))
        async with asyncio.timeout(30):
            while not weather_upstream.requests:
                await asyncio.sleep(0.001)
        first.cancel()
        assert (await second).source == "open-meteo"
        assert first.cancelled()
    assert len(weather_upstream.requests) == 1


async def _until_stale(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while not (await client.get("/v1/current", headers=JSON)).json()["stale"]:
            await asyncio.sleep(0.005)
