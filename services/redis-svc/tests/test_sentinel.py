"""A real sentinel failover under load."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
from redis.asyncio import Redis

from redis_svc.app import service
from svc_common.testing import TestedService, serving

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnRedis, OwnSentinel
    from devstack.stores.redis import Redis as Server


async def _until_replicated(primary: Server) -> None:
    async with Redis.from_url(primary.url) as raw, asyncio.timeout(30):
        while True:
            info = await raw.info("replication")
            if info["connected_slaves"] == 1 and info["slave0"]["state"] == "online":
                return
            await asyncio.sleep(0.02)


async def test_failover_under_load(own_redis: OwnRedis, own_sentinel: OwnSentinel) -> None:
    primary = own_redis()
    replica = own_redis(options=["--replicaof", f"127.0.0.1 {primary.port}"])
    await _until_replicated(primary)
    sentinel = own_sentinel(
        f"sentinel monitor main 127.0.0.1 {primary.port} 1\n"
        "sentinel down-after-milliseconds main 1500\n"
        "sentinel failover-timeout main 3000\n"
    )
    async with Redis.from_url(f"redis://127.0.0.1:{sentinel.port}") as raw, asyncio.timeout(30):
        while not await raw.sentinel_slaves("main"):
            await asyncio.sleep(0.1)

    url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/main"
    acknowledged: dict[str, bytes] = {}
    statuses: set[int] = set()

    async def write(svc: TestedService, worker: int) -> None:
        number = 0
        # A client of its own: httpx lets who shares a connection wait as long as somebody else keeps it busy
        async with httpx.AsyncClient(base_url=svc.url, timeout=30, trust_env=False) as client:
            while True:
                number += 1
                key = f"w{worker}-{number:06}"
                answer = await client.put(f"/v1/records/{key}", content=key.encode())
                statuses.add(answer.status_code)
                if answer.status_code == 204:
                    acknowledged[key] = key.encode()

    async def grown(size: int) -> None:
        async with asyncio.timeout(60):
            while len(acknowledged) < size:
                await asyncio.sleep(0.01)

    async with serving(service, REDIS_URL=url) as svc:
        writers = [asyncio.create_task(write(svc, worker)) for worker in range(4)]
        await grown(300)
        process = svc.context.state
        primary.kill()
        async with asyncio.timeout(30):
            while (await svc.client.get("/v1/records/a")).status_code != 503:
                await asyncio.sleep(0.01)
        before = len(acknowledged)
        await grown(before + 300)
        assert svc.context.state is process
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        assert statuses == {204, 503}
        assert (await svc.admin.get("/readyz")).status_code == 200

    async with Redis.from_url(replica.url) as raw:
        assert (await raw.role())[0] == b"master"
        kept = await raw.mget(list(acknowledged))
    missing = [key for key, value in zip(acknowledged, kept, strict=True) if value is None]
    # Replication is asynchronous: what the old primary had in its own file but had not passed on yet is
    # what Redis itself loses. Everything else must be there.
    written = b"".join(file.read_bytes() for file in (primary.directory / "appendonlydir").glob("*.aof"))
    assert [key for key in missing if key.encode() not in written] == []


async def test_a_planned_failover_is_followed(own_redis: OwnRedis, own_sentinel: OwnSentinel) -> None:
    primary = own_redis()
    replica = own_redis(options=["--replicaof", f"127.0.0.1 {primary.port}"])
    await _until_replicated(primary)
    sentinel = own_sentinel(f"sentinel monitor main 127.0.0.1 {primary.port} 1")
    url = f"redis+sentinel://127.0.0.1:{sentinel.port}/main"
    async with serving(service, REDIS_URL=url) as svc, asyncio.timeout(60):
        assert (await svc.client.put("/v1/records/a", content=b"1")).status_code == 204
        async with Redis.from_url(primary.url) as old, Redis.from_url(replica.url) as new:
            await new.replicaof("NO", "ONE")
            await old.replicaof("127.0.0.1", str(replica.port))
        # The service is still connected to the old primary, which answers READONLY now
        assert (await svc.client.put("/v1/records/a", content=b"2")).status_code == 503
        async with Redis.from_url(f"redis://127.0.0.1:{sentinel.port}") as raw:
            await raw.sentinel_remove("main")
            await raw.sentinel_monitor("main", "127.0.0.1", replica.port, 1)
        while (await svc.client.put("/v1/records/a", content=b"3")).status_code != 204:
            await asyncio.sleep(0.02)
        async with Redis.from_url(replica.url) as raw:
            assert await raw.get("a") == b"3"


async def test_a_script_cannot_pretend_that_the_primary_is_none(
    own_redis: OwnRedis, own_sentinel: OwnSentinel
) -> None:
    primary = own_redis()
    sentinel = own_sentinel(f"sentinel monitor main 127.0.0.1 {primary.port} 1")
    async with serving(service, REDIS_URL=f"redis+sentinel://127.0.0.1:{sentinel.port}/main") as svc:
        pretence = ["EVAL_RO", "return redis.error_reply('READONLY no')", 0]
        assert (await svc.client.post("/", json=pretence)).status_code == 503
        connects = svc.context.state.topology.connects
        for path in ("/", "/pipeline", "/multi-exec"):
            await svc.client.post(path, json=pretence if path == "/" else [pretence])
            assert (await svc.client.get("/ping")).json() == {"result": "PONG"}
        assert svc.context.state.topology.connects == connects


async def test_a_sentinel_that_is_behind_the_others(own_redis: OwnRedis, own_sentinel: OwnSentinel) -> None:
    primary = own_redis()
    replica = own_redis(options=["--replicaof", f"127.0.0.1 {primary.port}"])
    await _until_replicated(primary)
    behind = own_sentinel(
        f"sentinel monitor main 127.0.0.1 {replica.port} 1\n"
        "sentinel down-after-milliseconds main 600000\n"  # it does not find out by itself in time
    )
    knowing = own_sentinel(f"sentinel monitor main 127.0.0.1 {primary.port} 1")
    url = f"redis+sentinel://127.0.0.1:{behind.port},127.0.0.1:{knowing.port}/main"
    async with serving(service, REDIS_URL=url) as svc, asyncio.timeout(60):
        while (await svc.client.put("/v1/records/a", content=b"1")).status_code != 204:
            await asyncio.sleep(0.02)


async def test_a_service_that_no_sentinel_knows(own_redis: OwnRedis, own_sentinel: OwnSentinel) -> None:
    primary = own_redis()
    sentinel = own_sentinel(f"sentinel monitor main 127.0.0.1 {primary.port} 1")
    async with serving(service, REDIS_URL=f"redis+sentinel://127.0.0.1:{sentinel.port}/other") as svc:
        assert (await svc.client.get("/v1/records/a")).status_code == 503
