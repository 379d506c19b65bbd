"""Replicas that share a Redis: entries, who fetches, and budgets; and what happens while it is down."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import zlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from devstack.weather.upstream import WeatherUpstream
from svc_common import StoreUnavailable
from svc_common.testing import TestedService, free_port
from weather_svc import store
from weather_svc.assembly import State
from weather_svc.budget import WINDOW
from weather_svc.model import Place
from weather_svc.store import RedisStore

if TYPE_CHECKING:
    from conftest import Serve

    from devstack.pytest_plugin import OwnRedis

JSON = {"Accept": "application/json"}


async def replicas(stack: AsyncExitStack, serve: Serve, count: int, **settings: str) -> list[TestedService]:
    """Several services with the same settings."""
    return [await stack.enter_async_context(serve(**settings)) for _ in range(count)]


async def since_long(redis_url: str) -> None:
    """Make the server look as if it had been counting for long."""
    async with Redis.from_url(redis_url) as redis:
        await redis.set("weather:counting", int((time.time() - 2 * WINDOW) * 1000))


async def test_what_one_replica_fetched_the_other_has(
    serve: Serve, weather_upstream: WeatherUpstream, redis_url: str
) -> None:
    async with AsyncExitStack() as stack:
        first, second = await replicas(stack, serve, 2, REDIS_URL=redis_url)
        answers = [
            (await svc.client.get("/v1/forecast", headers=JSON)).json() for svc in (first, second, second)
        ]
        assert answers[0]["hours"] == answers[1]["hours"]
        assert answers[0]["fetched_at"] == answers[1]["fetched_at"]
        tags = {(await svc.client.get("/v1/current")).headers["ETag"] for svc in (first, second)}
        assert len(tags) == 1
    assert [request.path for request in weather_upstream.requests] == ["/v1/search", "/v1/forecast"]


async def test_one_request_however_many_replicas_ask(
    serve: Serve, weather_upstream: WeatherUpstream, redis_url: str
) -> None:
    async with AsyncExitStack() as stack:
        services = await replicas(stack, serve, 4, REDIS_URL=redis_url)
        answers = await asyncio.gather(
            *(svc.client.get("/v1/current") for svc in services for _ in range(25))
        )
        assert {answer.status_code for answer in answers} == {200}
    assert [request.path for request in weather_upstream.requests] == ["/v1/search", "/v1/forecast"]


async def test_a_failure_is_shared_too(
    serve: Serve, weather_upstream: WeatherUpstream, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_FAILURE_SECONDS", 60.0)  # a second may pass before the last one asks
    weather_upstream.misbehave("status", status=404)
    place = {"latitude": "1", "longitude": "1"}
    async with AsyncExitStack() as stack:
        services = await replicas(stack, serve, 3, REDIS_URL=redis_url)
        answers = await asyncio.gather(*(svc.client.get("/v1/current", params=place) for svc in services))
        assert [answer.status_code for answer in answers] == [502] * 3
        assert {answer.json()["detail"] for answer in answers} == {"open-meteo answered with status 404."}
    assert len(weather_upstream.requests) == 1


async def test_a_stale_entry_of_another_replica_tides_over(
    serve: Serve, weather_upstream: WeatherUpstream, redis_url: str
) -> None:
    async with AsyncExitStack() as stack:
        first, second = await replicas(stack, serve, 2, REDIS_URL=redis_url, WEATHER_LIFETIME="0.1")
        assert (await first.client.get("/v1/current")).status_code == 200
        weather_upstream.misbehave("reset")
        await asyncio.sleep(0.1)  # the lifetime
        answer = await second.client.get("/v1/current", headers=JSON)
        assert (answer.status_code, answer.json()["stale"]) == (200, True)


async def test_the_budget_holds_across_replicas(
    serve: Serve, weather_upstream: WeatherUpstream, redis_url: str
) -> None:
    await since_long(redis_url)
    async with AsyncExitStack() as stack:
        services = await replicas(
            stack,
            serve,
            3,
            REDIS_URL=redis_url,
            WEATHER_BUDGET="20",
            WEATHER_REPLICAS="3",
        )
        places = [{"latitude": str(number), "longitude": "1"} for number in range(40)]
        answers = await asyncio.gather(
            *(
                services[number % 3].client.get("/v1/current", params=place)
                for number, place in enumerate(places)
            )
        )
        statuses = [answer.status_code for answer in answers]
        # Three calls are set aside, one for each replica, for the time without Redis
        assert (statuses.count(200), statuses.count(503)) == (17, 23)
    assert len(weather_upstream.requests) == 17


async def test_the_budget_holds_while_redis_goes_away(
    serve: Serve, weather_upstream: WeatherUpstream, own_redis: OwnRedis
) -> None:
    redis = own_redis()
    await since_long(redis.url)
    async with AsyncExitStack() as stack:
        services = await replicas(
            stack, serve, 2, REDIS_URL=redis.url, WEATHER_BUDGET="20", WEATHER_REPLICAS="2"
        )
        statuses = []
        for number in range(80):
            if number == 10:
                redis.stop()
            if number == 50:
                redis.start()
            place = {"latitude": str(number), "longitude": "1"}
            answer = await services[number % 2].client.get("/v1/current", params=place)
            statuses.append(answer.status_code)
        assert statuses[:14] == [200] * 14  # ten counted together, two of each one's own
        assert set(statuses[14:50]) == {503}
    assert len(weather_upstream.requests) == statuses.count(200) <= 20


async def test_a_redis_that_comes_up_empty_does_not_count_at_once(redis_url: str) -> None:
    redis = RedisStore(redis_url, 30.0)
    try:
        assert await redis.take("x", 5, 0.2) is None
        async with asyncio.timeout(30):
            while (granted := await redis.take("x", 5, 0.2)) is None:
                await asyncio.sleep(0.01)
        assert granted == 0.0
        assert await redis.take("x", 2, 3600.0) is None  # a longer window than it has been counting
    finally:
        await redis.close()


async def test_a_redis_that_is_down_costs_nothing_but_the_sharing(
    serve: Serve, weather_upstream: WeatherUpstream
) -> None:
    async with serve(REDIS_URL=f"redis://127.0.0.1:{free_port()}") as weather:
        for _ in range(3):
            assert (await weather.client.get("/v1/current")).status_code == 200
        assert (await weather.admin.get("/readyz")).status_code == 200
        checks = (await weather.admin.get("/readyz?verbose")).json()["checks"]
        assert checks["upstream"] == {**checks["upstream"], "ok": True, "required": False}
        assert checks["redis"] == {**checks["redis"], "ok": False, "required": False}
    assert [request.path for request in weather_upstream.requests] == ["/v1/search", "/v1/forecast"]


async def test_a_redis_that_hangs_costs_little(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with serve(REDIS_URL=f"redis://127.0.0.1:{port}", STORE_TIMEOUT="0.25") as weather:
        assert (await weather.client.get("/v1/current")).status_code == 200
    server.close()
    await server.wait_closed()
    assert [request.path for request in weather_upstream.requests] == ["/v1/search", "/v1/forecast"]


async def test_redis_comes_and_goes(
    serve: Serve, weather_upstream: WeatherUpstream, own_redis: OwnRedis
) -> None:
    redis = own_redis()
    async with AsyncExitStack() as stack:
        (first,) = await replicas(stack, serve, 1, REDIS_URL=redis.url, WEATHER_BUDGET="10000")
        state: State = first.context.state
        assert (await first.admin.get("/readyz?verbose")).json()["checks"]["redis"]["ok"] is True
        redis.stop()
        await state.weather.report(Place(latitude=1, longitude=1))
        assert (await first.admin.get("/readyz?verbose")).json()["checks"]["redis"]["ok"] is False
        redis.start()
        async with asyncio.timeout(30), Redis.from_url(redis.url) as client:
            number = 2
            while not await client.keys("weather:entry:report:*"):
                await state.weather.report(Place(latitude=number, longitude=1))
                number += 1
                await asyncio.sleep(0.1)


async def test_the_store_says_when_it_is_down() -> None:
    redis = RedisStore(f"redis://127.0.0.1:{free_port()}", 0.5)
    for call in (
        redis.ping,
        lambda: redis.get("x"),
        lambda: redis.lead("x", 1),
        lambda: redis.take("x", 1, 1),
    ):
        with pytest.raises(StoreUnavailable):
            await call()
    await redis.close()


def with_other(**members: object) -> Callable[[dict[str, Any]], object]:
    """The entry with other members."""
    return lambda entry: {**entry, **members}


def with_other_hours(packed: bytes) -> Callable[[dict[str, Any]], object]:
    """The entry with other packed hours."""
    return lambda entry: {
        **entry,
        "value": {**entry["value"], "packed_hours": base64.b64encode(packed).decode()},
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: {"value": 3},
        lambda entry: [],
        with_other(fetched=1e300, fresh_until=1e300),
        with_other(fresh_until=-5),
        with_other_hours(b"not packed"),
        with_other_hours(zlib.compress(b"not hours")),
        with_other_hours(zlib.compress(b" " * 100_000_000)),
    ],
)
async def test_an_entry_that_cannot_be_used_is_fetched_anew(
    serve: Serve,
    weather_upstream: WeatherUpstream,
    redis_url: str,
    change: Callable[[dict[str, Any]], object],
) -> None:
    name, place = "weather:entry:report:1.00,1.00", {"latitude": "1", "longitude": "1"}
    async with Redis.from_url(redis_url) as redis:
        async with serve(REDIS_URL=redis_url) as weather:
            assert (await weather.client.get("/v1/current", params=place)).status_code == 200
        stored = await redis.get(name)
        assert stored is not None
        entry = json.loads(stored)
        await redis.set(name, json.dumps(change(entry)))
    async with serve(REDIS_URL=redis_url) as weather:
        for path in ("/v1/forecast", "/v1/current"):
            assert (await weather.client.get(path, params=place)).status_code == 200
    assert len(weather_upstream.requests) == 2


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (b"\xff\xfe", 502),
        (b"200 fine", 502),
        (b"\xc2\xb2 x", 502),
        (b"404 gone", 404),
        (b"504 late", 504),
    ],
)
async def test_a_failure_that_somebody_else_wrote_is_a_problem(
    serve: Serve, weather_upstream: WeatherUpstream, redis_url: str, failure: bytes, status: int
) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.set("weather:failure:report:1.00,1.00", failure)
    async with serve(REDIS_URL=redis_url) as weather:
        answer = await weather.client.get("/v1/current", params={"latitude": "1", "longitude": "1"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert weather_upstream.requests == []


async def test_values_of_another_type_cost_nothing_but_the_sharing(
    serve: Serve, weather_upstream: WeatherUpstream, redis_url: str
) -> None:
    async with Redis.from_url(redis_url) as redis:
        for name in ("entry:report:1.00,1.00", "lead:report:1.00,1.00", "budget:open-meteo"):
            await redis.rpush(f"weather:{name}", "x")
        await redis.set("weather:counting", "x")
    async with serve(REDIS_URL=redis_url) as weather:
        answer = await weather.client.get("/v1/current", params={"latitude": "1", "longitude": "1"})
        assert answer.status_code == 200
    assert len(weather_upstream.requests) == 1
