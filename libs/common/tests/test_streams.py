"""Event streams: pushed events, slow readers, heartbeats, and many streams that end at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from svc_common import PUBLIC, Event, Route, Service, ServiceHandler, ServiceSettings
from svc_common.streams import PushedEvents
from svc_common.testing import TestedService, serving
from svc_common.testing.events import listening

pytestmark = pytest.mark.usefixtures("either_server")

BIG = "x" * 500_000


@dataclass
class Desk:
    """Where the tests meet the handlers."""

    readers: list[PushedEvents] = field(default_factory=list)
    joined: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, *texts: str) -> None:
        for text in texts:
            for reader in self.readers:
                reader.push(Event(text).encode())


class PushedHandler(ServiceHandler[Desk]):
    async def get(self) -> None:
        events = PushedEvents(Event("too slow").encode())
        events.push(Event("welcome").encode())
        self.state.readers.append(events)
        self.state.joined.set()
        try:
            await self.stream_events(events)
        finally:
            self.state.left.set()


class PulledHandler(ServiceHandler[Desk]):
    async def get(self) -> None:
        try:
            await self.stream_events(self._events())
        finally:
            self.state.left.set()

    async def _events(self) -> AsyncIterator[Event]:
        while True:
            yield Event(BIG)


@asynccontextmanager
async def desk(settings: ServiceSettings) -> AsyncIterator[Desk]:
    yield Desk()


service = Service(
    "desk-svc",
    ServiceSettings,
    routes=[Route("/v1/pushed", PushedHandler, PUBLIC), Route("/v1/pulled", PulledHandler, PUBLIC)],
    lifespan=desk,
)


@asynccontextmanager
async def not_reading(svc: TestedService, path: str) -> AsyncIterator[socket.socket]:
    """A connection whose client has asked for a stream and does not read it."""
    address = urlsplit(svc.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (address.hostname, address.port))
        await loop.sock_sendall(client, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        yield client


async def _rest(client: socket.socket) -> bytes:
    loop, data = asyncio.get_running_loop(), bytearray()
    while piece := await loop.sock_recv(client, 2**20):
        data += piece
        if data.endswith(b"0\r\n\r\n"):
            break
    return bytes(data)


async def test_pushed_events_arrive_in_order() -> None:
    async with asyncio.timeout(60), serving(service) as svc:
        state: Desk = svc.context.state
        async with listening(svc.client, "/v1/pushed") as one, listening(svc.client, "/v1/pushed") as other:
            for reader in (one, other):
                assert (await reader.next()).data == "welcome"
            state.push("a", "b", BIG, "c")
            for reader in (one, other):
                assert [(await reader.next()).data for _ in range(4)] == ["a", "b", BIG, "c"]
            state.push("d")
            assert (await one.next()).data == "d"


async def test_who_reads_late_gets_everything_in_order() -> None:
    async with asyncio.timeout(60), serving(service) as svc:
        state: Desk = svc.context.state
        async with not_reading(svc, "/v1/pushed") as client:
            await state.joined.wait()
            for number in range(40):
                state.push(f"{number} {BIG[:80_000]}")
                await asyncio.sleep(0)  # some are written at once, the others wait in the queue
            for reader in state.readers:
                reader.push(b"data: end\n\n")
            data = bytearray()
            while b"data: end" not in data:
                data += await asyncio.get_running_loop().sock_recv(client, 2**20)
        text = bytes(data)
        places = [text.index(f"data: {number} xx".encode()) for number in range(40)]
        assert places == sorted(places)


async def test_who_falls_too_far_behind_is_told_so() -> None:
    async with asyncio.timeout(60), serving(service) as svc:
        state: Desk = svc.context.state
        async with not_reading(svc, "/v1/pushed") as client:
            await state.joined.wait()
            for _ in range(300):
                state.push("y" * 50_000)
                await asyncio.sleep(0)
            text = await _rest(client)
            assert b"data: too slow" in text[-100:]
            assert text.count(b"data: y") < 300


@pytest.mark.parametrize("path", ["/v1/pulled", "/v1/pushed"])
async def test_who_reads_nothing_is_cut_off(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svc_common.streams.HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr("svc_common.streams.SLOW_READER_SECONDS", 0.1)
    async with asyncio.timeout(60), serving(service) as svc:
        state: Desk = svc.context.state
        async with not_reading(svc, path) as client:
            if path == "/v1/pushed":
                await state.joined.wait()
                while not state.left.is_set():
                    state.push(BIG)
                    await asyncio.sleep(0.001)
            await state.left.wait()
            while svc.context.streams or svc.context.in_flight:
                await asyncio.sleep(0)
            with suppress(ConnectionResetError):
                assert not (await _rest(client)).endswith(b"0\r\n\r\n")


async def test_all_streams_have_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svc_common.streams.HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setattr("svc_common.streams.AT_ONCE", 2)
    async with asyncio.timeout(60), serving(service) as svc, asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(_hear_beats(svc))


async def _hear_beats(svc: TestedService) -> None:
    async with svc.client.stream("GET", "/v1/pushed") as answer:
        lines, seen = answer.aiter_lines(), 0
        while seen < 4:
            seen += (await anext(lines)) == ":"


async def test_all_streams_say_goodbye() -> None:
    async with asyncio.timeout(60), serving(service) as svc:
        reads = [asyncio.create_task(svc.client.get("/v1/pushed")) for _ in range(5)]
        while svc.context.streams < 5:
            await asyncio.sleep(0)
        svc.context.closing.set()
        for answer in await asyncio.gather(*reads):
            assert "data: welcome" in answer.text
            assert "event: goodbye" in answer.text
        late = await svc.client.get("/v1/pushed")
        assert "event: goodbye" in late.text
