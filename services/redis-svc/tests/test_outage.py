"""Redis dies under writes and comes back: nothing acknowledged is lost, and nobody restarts anything."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
from redis.asyncio import Redis

from redis_svc.app import service
from svc_common.testing import ServiceProcess, TestedService, free_port, serving

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnRedis
    from devstack.stores.redis import Redis as Server


async def _status(svc: TestedService) -> int:
    return (await svc.client.get("/v1/records/a")).status_code


async def _until(svc: TestedService, status: int) -> None:
    async with asyncio.timeout(30):
        while await _status(svc) != status:
            await asyncio.sleep(0.01)


@contextmanager
def _hanging(store: Server) -> Iterator[None]:
    """The store keeps its connections and answers nothing."""
    assert store.pid is not None
    os.kill(store.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(store.pid, signal.SIGCONT)


async def _grown(acknowledged: dict[str, bytes], size: int) -> None:
    async with asyncio.timeout(30):
        while len(acknowledged) < size:
            await asyncio.sleep(0.01)


async def test_kill_under_a_stream_of_writes(own_redis: OwnRedis) -> None:
    store = own_redis()
    acknowledged: dict[str, bytes] = {}
    statuses: set[int] = set()

    async def write(svc: TestedService, worker: int) -> None:
        number = 0
        # A client of its own: httpx lets who shares a connection wait as long as somebody else keeps it busy
        async with httpx.AsyncClient(base_url=svc.url, timeout=30, trust_env=False) as client:
            while True:
                number += 1
                key, value = f"{worker}-{number}", str(number).encode()
                answer = await client.put(f"/v1/records/{key}", content=value)
                statuses.add(answer.status_code)
                if answer.status_code == 204:
                    acknowledged[key] = value

    async with serving(service, REDIS_URL=store.url) as svc:
        await svc.client.put("/v1/records/a", content=b"1")
        writers = [asyncio.create_task(write(svc, worker)) for worker in range(8)]
        await _grown(acknowledged, 500)

        store.kill()
        await _until(svc, 503)
        refused = await svc.client.get("/v1/records/a")
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert (await svc.admin.get("/livez")).status_code == 200
        ready = await svc.admin.get("/readyz?verbose")
        assert ready.status_code == 503
        assert "redis" in ready.text

        before = len(acknowledged)
        await asyncio.to_thread(store.start)
        await _until(svc, 200)
        assert (await svc.admin.get("/readyz")).status_code == 200
        await _grown(acknowledged, before + 200)
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)

        async with Redis.from_url(store.url) as raw:
            kept = dict(zip(acknowledged, await raw.mget(list(acknowledged)), strict=True))
        assert kept == acknowledged
        assert statuses == {204, 503}


async def test_a_store_that_hangs_is_given_up_within_the_time_out(own_redis: OwnRedis) -> None:
    store = own_redis()
    async with serving(service, REDIS_URL=store.url, STORE_TIMEOUT="0.5") as svc:
        assert await _status(svc) == 404
        with _hanging(store):
            assert await _status(svc) == 503
        await _until(svc, 404)


async def test_a_wait_at_a_store_that_hangs_is_not_answered_as_if_there_were_nothing(
    own_redis: OwnRedis,
) -> None:
    store = own_redis()
    async with (
        serving(service, REDIS_URL=store.url, STORE_TIMEOUT="0.5", REDIS_BLOCK_SECONDS="4") as svc,
        Redis.from_url(store.url) as raw,
        asyncio.timeout(60),
    ):
        assert (await svc.client.get("/blpop/queue/0.01")).json() == {"result": None}
        waiting = asyncio.create_task(svc.client.get("/blpop/queue/0"))
        while not (await raw.info("clients"))["blocked_clients"]:
            await asyncio.sleep(0.01)
        with _hanging(store):
            assert (await waiting).status_code == 503


async def test_the_service_starts_without_its_store() -> None:
    async with serving(service, REDIS_URL=f"redis://127.0.0.1:{free_port()}") as svc:
        assert await _status(svc) == 503
        assert (await svc.admin.get("/readyz")).status_code == 503
        assert (await svc.admin.get("/livez")).status_code == 200


async def test_a_password_that_is_wrong_is_a_store_that_is_not_there(own_redis: OwnRedis) -> None:
    store = own_redis(options=["--requirepass", "right"])
    address = f"127.0.0.1:{store.port}"
    async with serving(service, REDIS_URL=f"redis://:right@{address}") as svc:
        assert await _status(svc) == 404
    for login in ("", ":wrong@"):
        async with serving(service, REDIS_URL=f"redis://{login}{address}") as svc:
            answer = await svc.client.get("/v1/records/a")
            assert answer.status_code == 503
            assert "wrong" not in answer.text.replace("WRONGPASS", "")


async def test_a_unix_socket(own_redis: OwnRedis) -> None:
    probe = own_redis()
    path = probe.directory / "redis.sock"
    own_redis(options=["--unixsocket", str(path)])
    async with serving(service, REDIS_URL=f"unix://{path}?db=3") as svc:
        assert (await svc.client.put("/v1/records/a", content=b"1")).status_code == 204
        assert (await svc.client.get("/v1/records/a")).content == b"1"


async def test_host_and_port_are_enough(own_redis: OwnRedis) -> None:
    store = own_redis()
    async with serving(service, REDIS_HOST="127.0.0.1", REDIS_PORT=str(store.port)) as svc:
        assert await _status(svc) == 404


def test_the_program_runs_and_ends_as_it_should(redis_url: str) -> None:
    with ServiceProcess("redis_svc", REDIS_URL=redis_url) as process:
        assert httpx.put(f"{process.url}/v1/records/a", content=b"1", trust_env=False).status_code == 204
        assert process.stop() == 0
