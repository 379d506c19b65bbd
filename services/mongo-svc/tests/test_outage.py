"""The store goes away and comes back; nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

from mongo_svc.app import service
from svc_common.testing import ServiceProcess, free_port, serving

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnMongo

PATIENCE = 60.0
"""Seconds; far more than it takes, so that a busy machine does not matter."""


async def test_five_kills_under_a_stream_of_writes_lose_nothing(own_mongo: OwnMongo) -> None:
    store = own_mongo()
    with ServiceProcess("mongo_svc", MONGODB_URI=store.url) as svc:
        async with (
            httpx.AsyncClient(base_url=svc.url, timeout=30, trust_env=False) as client,
            httpx.AsyncClient(base_url=svc.admin_url, timeout=30, trust_env=False) as admin,
        ):
            acknowledged: set[int] = set()
            statuses: set[int] = set()
            numbers = iter(range(10**9))
            stop = asyncio.Event()

            async def write() -> None:
                while not stop.is_set():
                    number = next(numbers)
                    answer = await client.put(f"/v1/kept/{number}", json=number)
                    statuses.add(answer.status_code)
                    if answer.status_code == 204:
                        acknowledged.add(number)

            async def until(status: int) -> None:
                async with asyncio.timeout(PATIENCE):
                    while (await client.get("/v1/kept/none")).status_code != status:
                        await asyncio.sleep(0.02)

            async def kept(number: int) -> Any:
                """What is stored, however long a busy machine takes."""
                async with asyncio.timeout(PATIENCE):
                    while (answer := await client.get(f"/v1/kept/{number}")).status_code == 503:
                        pass
                return answer.json()

            writers = [asyncio.create_task(write()) for _ in range(4)]
            for _ in range(5):
                await until(404)
                goal = len(acknowledged) + 50
                async with asyncio.timeout(PATIENCE):
                    while len(acknowledged) < goal:
                        await asyncio.sleep(0.01)
                store.kill()
                await until(503)
                assert (await admin.get("/livez")).status_code == 200
                ready = await admin.get("/readyz")
                assert ready.status_code == 503
                assert "mongodb" in ready.text
                await asyncio.to_thread(store.start)
                await until(404)
                await asyncio.to_thread(svc.wait_for, "/readyz", timeout=PATIENCE)
            stop.set()
            await asyncio.gather(*writers)
            assert statuses == {204, 503}
            for number in acknowledged:
                assert await kept(number) == number
            assert len(acknowledged) >= 250


async def test_every_answer_without_a_store_is_503_in_time(own_mongo: OwnMongo) -> None:
    async with serving(service, MONGODB_URI=f"mongodb://127.0.0.1:{free_port()}", STORE_TIMEOUT="1") as svc:
        async with asyncio.timeout(PATIENCE):  # one after the other they would take 150 seconds
            answers = await asyncio.gather(*(svc.client.get("/v1/things/a") for _ in range(150)))
        assert {answer.status_code for answer in answers} == {503}
        assert answers[0].headers["retry-after"]
        assert answers[0].json()["detail"]
        assert (await svc.admin.get("/livez")).status_code == 200
        assert "mongodb" in (await svc.admin.get("/readyz")).text


async def test_a_service_may_start_before_its_store(own_mongo: OwnMongo) -> None:
    store = own_mongo()
    store.kill()
    with ServiceProcess("mongo_svc", MONGODB_URI=store.url).start(ready=False) as svc:
        async with httpx.AsyncClient(base_url=svc.url, timeout=30, trust_env=False) as client:
            assert (await client.put("/v1/things/a", json=1)).status_code == 503
            await asyncio.to_thread(store.start)
            await asyncio.to_thread(svc.wait_for, "/readyz", timeout=PATIENCE)
            assert (await client.put("/v1/things/a", json=1)).status_code == 204
        assert svc.stop() == 0
