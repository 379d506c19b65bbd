"""Collections and documents as streams of events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from mongo_svc.app import service
from svc_common.testing import TestedService, serving

EVENTS = {"Accept": "text/event-stream"}


@dataclass
class Seen:
    kind: str = "message"
    data: Any = None
    id: str | None = None


@dataclass
class Listener:
    answer: httpx.Response
    lines: AsyncIterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.answer.aiter_lines()

    async def next(self) -> Seen:
        seen, text = Seen(), ""
        async with asyncio.timeout(60):
            async for line in self.lines:
                name, _, value = line.partition(": ")
                if name == "event":
                    seen.kind = value
                elif name == "id":
                    seen.id = value
                elif name == "data":
                    text += value
                elif not line and text:
                    seen.data = json.loads(text)
                    return seen
        raise AssertionError("the stream ended")

    async def take(self, count: int) -> list[tuple[str, Any, Any]]:
        found = [await self.next() for _ in range(count)]
        return [(seen.kind, seen.data.get("name"), seen.data.get("content")) for seen in found]


@asynccontextmanager
async def listening(svc: TestedService, address: str, last: str | None = None) -> AsyncIterator[Listener]:
    headers = EVENTS if last is None else {**EVENTS, "Last-Event-ID": last}
    async with svc.client.stream("GET", address, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Listener(answer)


async def test_a_collection(svc: TestedService) -> None:
    await svc.client.put("/v1/things/a", json=1)
    async with listening(svc, "/v1/things") as listener:
        first = await listener.next()
        assert (first.kind, first.data["name"], first.data["content"]) == ("document", "a", 1)
        ready = await listener.next()
        assert (ready.kind, ready.data) == ("ready", {"documents": 1, "truncated": False})
        await svc.client.put("/v1/things/b", json={"x": [2]})
        await svc.client.put("/v1/others/a", json="elsewhere")
        await svc.client.put("/v1/things/a", json=3)
        assert await listener.take(2) == [("changed", "b", {"x": [2]}), ("changed", "a", 3)]
        await svc.client.delete("/v1/things/a")
        removed = await listener.next()
        assert (removed.kind, removed.data) == ("removed", {"id": first.data["id"]})


async def test_a_stream_goes_on_where_it_broke_off(svc: TestedService) -> None:
    async with listening(svc, "/v1/things") as listener:
        assert (await listener.next()).kind == "ready"
        await svc.client.put("/v1/things/a", json=1)
        await svc.client.put("/v1/things/b", json=2)
        last = (await listener.next()).id
    await svc.client.put("/v1/things/c", json=3)
    async with listening(svc, "/v1/things", last) as listener:
        assert await listener.take(2) == [("changed", "b", 2), ("changed", "c", 3)]


async def test_a_token_that_cannot_be_used_gets_a_fresh_snapshot(svc: TestedService) -> None:
    await svc.client.put("/v1/things/a", json=1)
    for last in ("8264000000", "no token!", "x" * 5000):
        async with listening(svc, "/v1/things", last) as listener:
            assert await listener.take(3) == [
                ("expired", None, None),
                ("document", "a", 1),
                ("ready", None, None),
            ]


async def test_a_filter_applies(svc: TestedService) -> None:
    await svc.client.put("/v1/things/cheap", json={"price": 1})
    await svc.client.put("/v1/things/dear", json={"price": 100})
    async with listening(svc, '/v1/things?filter={"price":{"$lt":10}}') as listener:
        assert await listener.take(2) == [("document", "cheap", {"price": 1}), ("ready", None, None)]
        await svc.client.put("/v1/things/dear", json={"price": 5})
        await svc.client.put("/v1/things/cheap", json={"price": 50})
        assert await listener.take(2) == [("changed", "dear", {"price": 5}), ("removed", None, None)]
    answer = await svc.client.get('/v1/things?filter={"$where":"1"}', headers=EVENTS)
    assert answer.status_code == 400


async def test_one_document(svc: TestedService) -> None:
    await svc.client.put("/v1/things/other", json=0)
    async with listening(svc, "/v1/things/a") as listener:
        assert (await listener.next()).data == {"documents": 0, "truncated": False}
        await svc.client.put("/v1/things/other", json=1)
        await svc.client.put("/v1/things/a", json=1)
        await svc.client.delete("/v1/things/other")
        await svc.client.put("/v1/things/a", json=2)
        found = await listener.take(1)
        found += await listener.take(1) if found == [("changed", "a", 1)] else []
        assert found[-1] == ("changed", "a", 2)  # two changes in a row may be seen as the newer one twice
        await svc.client.delete("/v1/things/a")
        while (last := await listener.next()).kind == "changed":
            pass
        assert last.kind == "removed"
    await svc.client.put("/v1/things/a", json=3)
    async with listening(svc, "/v1/things/a", last.id) as listener:
        assert await listener.take(1) == [("changed", "a", 3)]


async def test_streams_are_bounded_and_given_back(mongo_database: str) -> None:
    async with serving(service, MONGODB_URI=mongo_database, MONGODB_WATCHES="2", STORE_TIMEOUT="15") as svc:
        async with listening(svc, "/v1/things") as one, listening(svc, "/v1/things") as two:
            await one.next()
            await two.next()
            answer = await svc.client.get("/v1/things", headers=EVENTS)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        async with asyncio.timeout(60):
            while svc.context.state.watching._open:
                await asyncio.sleep(0.02)
        async with listening(svc, "/v1/things") as one:
            assert (await one.next()).kind == "ready"


async def test_a_large_present_state_is_cut_off(mongo_database: str) -> None:
    async with serving(service, MONGODB_URI=mongo_database, WATCH_SNAPSHOT="3", STORE_TIMEOUT="15") as svc:
        await svc.client.post("/v1/things", json=[{"content": number} for number in range(5)])
        async with listening(svc, "/v1/things") as listener:
            seen = [await listener.next() for _ in range(4)]
            assert seen[-1].data == {"documents": 3, "truncated": True}


async def test_the_end_of_the_service_ends_the_stream(mongo_database: str) -> None:
    async with (
        serving(service, MONGODB_URI=mongo_database, STORE_TIMEOUT="15") as svc,
        listening(svc, "/v1/things") as listener,
    ):
        assert (await listener.next()).kind == "ready"
        svc.context.closing.set()
        assert (await listener.next()).kind == "goodbye"
