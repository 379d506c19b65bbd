"""Rate limits that several processes of redis-svc share, and the keys that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from redis_svc.app import service
from svc_common.process import StartError
from svc_common.testing import serving
from svc_common.testing.quota import SHARED_QUOTA, check_shared_quota

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnRedis


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


async def test_a_quota_counts_for_all_processes(redis_url: str) -> None:
    async with (
        serving(service, REDIS_URL=redis_url, **SHARED_QUOTA) as one,
        serving(service, REDIS_URL=redis_url, **SHARED_QUOTA) as two,
    ):
        await check_shared_quota(one, two, "/v1/records/none")


async def test_the_counters_may_have_a_redis_of_their_own(redis_url: str, own_redis: OwnRedis) -> None:
    counters = own_redis().url
    settings = {"REDIS_URL": redis_url, "RATE_LIMIT_REDIS_URL": counters, **SHARED_QUOTA}
    async with serving(service, **settings) as one, serving(service, **settings) as two:
        await check_shared_quota(one, two, "/v1/records/none")
    async with Redis.from_url(redis_url) as served, Redis.from_url(counters) as counting:
        assert await served.dbsize() == 0
        assert await counting.dbsize() == 2


async def test_nobody_changes_the_counters_through_the_api(redis_url: str) -> None:
    async with (
        serving(
            service,
            REDIS_URL=redis_url,
            RATE_LIMIT="1000/hour",
            AUTH_MODE="token",
            AUTH_TOKENS="a:write:secret-a",
        ) as svc,
        Redis.from_url(redis_url) as raw,
    ):
        svc.client.headers["Authorization"] = "Bearer secret-a"
        await svc.client.put("/v1/records/mine", content=b"storefronts:rate:is-a-value-here")
        (counter,) = map(_text, await raw.keys("storefronts:rate:redis-svc:*"))
        for command in (
            ["DEL", counter],
            ["GET", counter],
            ["SET", counter, "0"],
            ["MSET", "a", "1", counter, "0"],
            ["RENAME", counter, "elsewhere"],
            ["RENAME", "mine", counter],
            ["EVAL", "return redis.call('del', KEYS[1])", "1", counter],
            ["EVAL", "return redis.call('del', ARGV[1])", "0", counter],
            ["SORT", "mine", "STORE", counter],
        ):
            for path, body in (("/", command), ("/pipeline", [command]), ("/multi-exec", [command])):
                answer = await svc.client.post(path, json=body)
                assert "NOPERM" in answer.text, (path, command, answer.text)
        assert (await svc.client.get(f"/del/{counter}")).status_code == 400
        for method, path, content in (
            ("GET", f"/v1/records/{counter}", b""),
            ("PUT", f"/v1/records/{counter}", b"0"),
            ("DELETE", f"/v1/records/{counter}", b""),
            ("GET", f"/v1/streams/{counter}", b""),
            ("POST", f"/v1/streams/{counter}", b'{"a": 1}'),
        ):
            assert (await svc.client.request(method, path, content=content)).status_code == 400, method
        assert (await svc.client.get("/v1/records")).json()["keys"] == ["mine"]
        set_as_value = await svc.client.post("/", json=["SET", "other", counter])
        assert set_as_value.json() == {"result": "OK"}
        assert int(await raw.get(counter) or 0) > 0


async def test_an_address_that_cannot_be_read() -> None:
    with pytest.raises(StartError, match="RATE_LIMIT_REDIS_URL"):
        async with serving(service, RATE_LIMIT_REDIS_URL="http://nowhere", RATE_LIMIT="1/hour"):
            pass
