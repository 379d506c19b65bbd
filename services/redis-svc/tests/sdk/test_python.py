"""upstash-redis and upstash-ratelimit, unchanged: the blocking and the asyncio client do the same."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest
from upstash_ratelimit import FixedWindow, Ratelimit, SlidingWindow, TokenBucket
from upstash_ratelimit.asyncio import Ratelimit as AsyncRatelimit
from upstash_redis import Redis
from upstash_redis.asyncio import Redis as AsyncRedis
from upstash_redis.errors import UpstashError

TOKEN = "s3cret"


class Client:
    """Either client, with one way to call it."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis

    async def __call__(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return await _outcome(getattr(self.redis, name)(*args, **kwargs))


async def _outcome(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


@pytest.fixture(params=["sync", "asyncio"])
async def run(request: pytest.FixtureRequest, service_url: str) -> AsyncIterator[Client]:
    """The client under test."""
    options: dict[str, Any] = {
        "url": service_url,
        "token": TOKEN,
        "rest_retries": 0,
        "allow_telemetry": False,
    }
    redis: Any = Redis(**options) if request.param == "sync" else AsyncRedis(**options)
    yield Client(redis)
    await _outcome(redis.close())


async def test_strings(run: Client) -> None:
    assert await run("set", "a", "hello", ex=100) is True
    assert await run("get", "a") == "hello"
    assert await run("set", "a", "again", nx=True) is False
    assert 0 < await run("ttl", "a") <= 100
    assert await run("append", "a", "!") == 6
    assert await run("incrby", "n", 9_007_199_254_740_993) == 9_007_199_254_740_993
    assert await run("incrbyfloat", "f", 1.5) == 1.5
    assert await run("mget", "a", "none") == ["hello!", None]
    assert await run("set", "d", {"a": [1]}) is True
    assert await run("get", "d") == '{"a": [1]}'
    assert await run("set", "käse 🧀", "OK") is True
    assert await run("get", "käse 🧀") == "OK"
    assert await run("delete", "a", "n", "none") == 2


async def test_hashes(run: Client) -> None:
    assert await run("hset", "user", values={"name": "Ada", "age": 36}) == 2
    assert await run("hgetall", "user") == {"name": "Ada", "age": "36"}
    assert await run("hincrby", "user", "age", 1) == 37
    assert await run("hmget", "user", "name", "none") == ["Ada", None]


async def test_lists_and_sets(run: Client) -> None:
    assert await run("rpush", "list", "1", "2", "3") == 3
    assert await run("lrange", "list", 0, -1) == ["1", "2", "3"]
    assert await run("lpop", "list") == "1"
    assert await run("sadd", "set", "a", "b") == 2
    await run("sadd", "other", "b", "c")
    assert await run("sinter", "set", "other") == ["b"]
    assert await run("sismember", "set", "a") is True


async def test_sorted_sets(run: Client) -> None:
    assert await run("zadd", "board", {"a": 1, "b": 2.5, "c": 3}) == 3
    assert await run("zrange", "board", 2, 3, sortby="BYSCORE", withscores=True) == [("b", 2.5), ("c", 3.0)]
    assert await run("zrange", "board", 0, 0, rev=True) == ["c"]
    assert await run("zscore", "board", "b") == 2.5


async def test_geo_bitmaps_and_hyperloglogs(run: Client) -> None:
    await run("geoadd", "places", (13.361389, 38.115556, "Palermo"), (15.087269, 37.502669, "Catania"))
    assert await run("geosearch", "places", unit="KM", longitude=15, latitude=37, radius=100) == ["Catania"]
    assert 166 < await run("geodist", "places", "Palermo", "Catania", unit="KM") < 167
    assert await run("setbit", "bits", 7, 1) == 0
    assert await run("bitcount", "bits") == 1
    assert await _outcome(run.redis.bitfield("f").set("u8", 0, 200).incrby("u8", 0, 50).execute()) == [0, 250]
    assert await run("pfadd", "seen", "a", "b", "c") is True
    assert await run("pfcount", "seen") == 3


async def test_streams(run: Client) -> None:
    first = await run("xadd", "log", "*", {"n": 1})
    await run("xadd", "log", "*", {"n": 2})
    assert [fields for _, fields in await run("xrange", "log")] == [["n", "1"], ["n", "2"]]
    ((name, entries),) = await run("xread", {"log": first})
    assert (name, len(entries)) == ("log", 1)
    await run("xgroup_create", "log", "workers", "0")
    ((_, jobs),) = await run("xreadgroup", "workers", "me", {"log": ">"}, count=1)
    assert await run("xack", "log", "workers", jobs[0][0]) == 1


async def test_scripts(run: Client) -> None:
    assert await run("eval", "return {KEYS[1], ARGV[1], 7}", keys=["k"], args=["v"]) == ["k", "v", 7]
    digest = await run("script_load", "return 'loaded'")
    assert await run("evalsha", digest) == "loaded"
    assert await run("script_exists", digest) == [True]


async def test_pipelines_and_transactions(run: Client) -> None:
    pipeline = run.redis.pipeline()
    pipeline.set("a", 1)
    pipeline.incr("a")
    assert await _outcome(pipeline.exec()) == [True, 2]
    transaction = run.redis.multi()
    transaction.set("b", 1)
    transaction.incr("b")
    assert await _outcome(transaction.exec()) == [True, 2]


async def test_introducing_itself(run: Client) -> None:
    assert await run("client_setinfo", "LIB-NAME", "upstash-redis") == "OK"
    with pytest.raises(UpstashError, match=r"^ERR Unrecognized option"):
        await run("client_setinfo", "LIB-COLOUR", "blue")


async def test_publishing(run: Client) -> None:
    assert await run("publish", "news", "hello") == 0


async def test_errors_keep_their_code(run: Client) -> None:
    await run("lpush", "list", "1")
    with pytest.raises(UpstashError, match=r"^WRONGTYPE"):
        await run("get", "list")
    with pytest.raises(UpstashError, match=r"^NOSCRIPT"):
        await run("evalsha", "f" * 40)
    with pytest.raises(UpstashError, match=r"^ERR wrong number"):
        await _outcome(run.redis.execute(["SET"]))


@pytest.mark.parametrize(
    "limiter", [FixedWindow(3, 86400), SlidingWindow(3, 86400), TokenBucket(3, 86400, 3)]
)
async def test_rate_limits(run: Client, limiter: Any) -> None:
    kind: Any = Ratelimit if isinstance(run.redis, Redis) else AsyncRatelimit
    ratelimit = kind(redis=run.redis, limiter=limiter)
    outcomes = [(await _outcome(ratelimit.limit("somebody"))).allowed for _ in range(5)]
    assert outcomes == [True, True, True, False, False]
    assert (await _outcome(ratelimit.limit("somebody else"))).allowed
    assert await _outcome(ratelimit.get_remaining("somebody")) == 0
