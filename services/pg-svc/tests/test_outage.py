"""PostgreSQL dies under writes and comes back: nothing acknowledged is lost, and nobody restarts anything."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

import httpx

from pg_svc.app import service
from svc_common.testing import TestedService, free_port, serving

from .conftest import until_ready

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnPostgres


async def _status(svc: TestedService) -> int:
    return (await svc.client.get("/rest/todos?limit=1")).status_code


async def _within(seconds: float, svc: TestedService, status: int) -> None:
    async with asyncio.timeout(seconds):
        while await _status(svc) != status:
            await asyncio.sleep(0.01)


async def _grown(acknowledged: set[str], size: int) -> None:
    async with asyncio.timeout(30):
        while len(acknowledged) < size:
            await asyncio.sleep(0.01)


async def test_kill_under_a_stream_of_writes(own_postgres: OwnPostgres) -> None:
    store = own_postgres()
    acknowledged: set[str] = set()
    statuses: set[int] = set()

    async def write(svc: TestedService, worker: int) -> None:
        number = 0
        # A client of its own: httpx lets who shares a connection wait as long as somebody else keeps it busy
        async with httpx.AsyncClient(base_url=svc.url, timeout=30, trust_env=False) as client:
            while True:
                number += 1
                task = f"{worker}-{number}"
                answer = await client.post("/rest/todos", json={"task": task})
                statuses.add(answer.status_code)
                if answer.status_code == 201:
                    acknowledged.add(task)

    async with serving(service, DATABASE_URL=store.url) as svc:
        await until_ready(svc)
        writers = [asyncio.create_task(write(svc, worker)) for worker in range(6)]
        await _grown(acknowledged, 300)

        store.kill()
        await _within(30, svc, 503)
        refused = await svc.client.get("/rest/todos")
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["code"] in ("PGRST000", "PGRST001", "57P02", "57P03")
        assert (await svc.admin.get("/livez")).status_code == 200
        ready = await svc.admin.get("/readyz")
        assert ready.status_code == 503
        assert "postgres" in ready.text

        before = len(acknowledged)
        await asyncio.to_thread(store.start)
        await _within(30, svc, 200)
        await _grown(acknowledged, before + 100)
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        kept = {row["task"] for row in (await svc.client.get("/rest/todos?select=task")).json()}
        assert acknowledged <= kept
        assert statuses == {201, 503}
        await until_ready(svc)


async def test_a_server_that_hangs_is_given_up(own_postgres: OwnPostgres) -> None:
    store = own_postgres()
    async with serving(service, DATABASE_URL=store.url, STORE_TIMEOUT="0.5") as svc:
        await until_ready(svc)
        assert await _status(svc) == 200
        pids = [int(line) for line in store.sql("SELECT pid FROM pg_stat_activity").split()]
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(15):  # long before REQUEST_TIMEOUT would say so, too
                assert await _status(svc) == 503
        finally:
            for pid in pids:
                _signal(pid, signal.SIGCONT)
        await _within(30, svc, 200)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # the session that asked for the list is gone by now
        os.kill(pid, number)


async def test_the_service_starts_without_its_database(own_postgres: OwnPostgres) -> None:
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    async with serving(service, DATABASE_URL=url) as svc:
        answer = await svc.client.get("/rest/todos")
        assert (answer.status_code, answer.json()["code"]) == (503, "PGRST002")
        assert (await svc.admin.get("/livez")).status_code == 200
        assert "postgres" in (await svc.admin.get("/readyz")).text
        store = own_postgres(port=httpx.URL(url).port)
        assert store.url == url
        await _within(30, svc, 200)
