"""A server that hangs, a pool that is exhausted, a query that takes too long."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient

from mongo_svc.app import service
from svc_common.testing import serving

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnMongo


async def test_a_server_that_hangs(own_mongo: OwnMongo) -> None:
    store = own_mongo()
    async with serving(service, MONGODB_URI=store.url, STORE_TIMEOUT="1", QUERY_TIMEOUT="2") as svc:
        assert store.pid is not None
        os.kill(store.pid, signal.SIGSTOP)
        try:
            addresses = ["/v1/things/a", "/v1/things"] * 20
            answers = await asyncio.gather(*(svc.client.get(address) for address in addresses))
            assert {answer.status_code for answer in answers} == {503}
            assert (await svc.admin.get("/livez")).status_code == 200
            assert (await svc.admin.get("/readyz")).status_code == 503
        finally:
            os.kill(store.pid, signal.SIGCONT)
        async with asyncio.timeout(60):
            while (await svc.client.get("/v1/things/a")).status_code != 404:
                await asyncio.sleep(0.05)


async def test_a_pool_that_is_exhausted(own_mongo: OwnMongo) -> None:
    store = own_mongo(test_commands=True)
    limits = {"MONGODB_POOL_SIZE": "2", "STORE_TIMEOUT": "4", "QUERY_TIMEOUT": "60"}
    async with serving(service, MONGODB_URI=store.url, **limits) as svc:
        with MongoClient[dict[str, Any]](store.url) as control:
            block = {"failCommands": ["find"], "blockConnection": True, "blockTimeMS": 20_000}
            control.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 2}, "data": block})
        slow = [asyncio.create_task(svc.client.get("/v1/things")) for _ in range(2)]
        async with asyncio.timeout(60):
            while not svc.context.state.connection.busy:
                await asyncio.sleep(0.01)
        addresses = ["/v1/things/a", "/v1/things"] * 20
        answers = await asyncio.gather(*(svc.client.get(address) for address in addresses))
        assert not any(task.done() for task in slow)  # nobody has waited for the two
        assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
            (503, "Every connection to MongoDB is busy; try again soon.")
        }
        assert all(answer.headers["retry-after"] for answer in answers)
        await asyncio.gather(*slow)
        async with asyncio.timeout(60):
            while (await svc.client.get("/v1/things")).status_code != 200:
                await asyncio.sleep(0.05)


async def test_a_query_has_a_time_limit(mongo_database: str) -> None:
    async with serving(service, MONGODB_URI=mongo_database, QUERY_TIMEOUT="0.001", STORE_TIMEOUT="15") as svc:
        for collection in ("a", "b"):
            items = [{"name": f"n{number}", "content": {"v": number}} for number in range(300)]
            answers = [await svc.client.put(f"/v1/{collection}/{item['name']}", json=item) for item in items]
            assert {answer.status_code for answer in answers} == {204}
        cross = [{"$lookup": {"from": "b", "pipeline": [], "as": "all"}}, {"$unwind": "$all"}]
        answer = await svc.client.post("/v1/a/-/aggregate", json=cross)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
