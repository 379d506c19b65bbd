"""A server that hangs, a pool that is exhausted, a query that takes too long."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

from mongo_svc.app import service
from svc_common.testing import serving

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnMongo


async def test_a_server_that_hangs_and_a_pool_that_is_exhausted(own_mongo: OwnMongo) -> None:
    store = own_mongo()
    limits = {"MONGODB_POOL_SIZE": "2", "STORE_TIMEOUT": "1", "QUERY_TIMEOUT": "3"}
    async with serving(service, MONGODB_URI=store.url, **limits) as svc:
        assert (await svc.client.put("/v1/things/a", json=1)).status_code == 204
        assert store.pid is not None
        os.kill(store.pid, signal.SIGSTOP)
        try:
            start = time.monotonic()
            slow = [asyncio.create_task(svc.client.get("/v1/things")) for _ in range(2)]
            await asyncio.sleep(0)  # the two take the pool's only places first
            answers = await asyncio.gather(*(svc.client.get("/v1/things/a") for _ in range(40)))
            assert {answer.status_code for answer in answers} == {503}
            assert any("busy" in answer.json()["detail"] for answer in answers)
            assert time.monotonic() - start < 4  # none of them has waited for the two
            assert (await svc.admin.get("/livez")).status_code == 200
            assert (await svc.admin.get("/readyz")).status_code == 503
            assert {answer.status_code for answer in await asyncio.gather(*slow)} == {503}
        finally:
            os.kill(store.pid, signal.SIGCONT)
        async with asyncio.timeout(20):
            while (await svc.client.get("/v1/things/a")).status_code != 200:
                await asyncio.sleep(0.05)
        assert (await svc.client.get("/v1/things")).status_code == 200


async def test_a_query_has_a_time_limit(mongo_database: str) -> None:
    async with serving(service, MONGODB_URI=mongo_database, QUERY_TIMEOUT="0.001") as svc:
        for collection in ("a", "b"):
            items = [{"name": f"n{number}", "content": {"v": number}} for number in range(300)]
            answers = [await svc.client.put(f"/v1/{collection}/{item['name']}", json=item) for item in items]
            assert {answer.status_code for answer in answers} == {204}
        cross = [{"$lookup": {"from": "b", "pipeline": [], "as": "all"}}, {"$unwind": "$all"}]
        answer = await svc.client.post("/v1/a/-/aggregate", json=cross)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
