"""The end of a service: what is in flight, what has just come, and who holds it up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from tornado.websocket import WebSocketHandler, websocket_connect

from svc_common import PUBLIC, Route, Service, ServiceHandler, ServiceSettings
from svc_common.testing import raw_request, serving

pytestmark = pytest.mark.usefixtures("either_server")

GET = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class SlowHandler(ServiceHandler[asyncio.Event]):
    """Answers some time after the end has begun."""

    async def get(self) -> None:
        self.state.set()
        while not self.context.draining:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        self.write("done")


class LargeHandler(ServiceHandler[asyncio.Event]):
    async def get(self) -> None:
        self.state.set()
        self.write(b"x" * 20_000_000)


class SocketHandler(ServiceHandler[asyncio.Event], WebSocketHandler):
    _goodbye: asyncio.Task[None]

    def open(self, *args: str, **kwargs: str) -> None:
        self.begin_socket()
        self._goodbye = asyncio.create_task(self._say_goodbye())

    async def _say_goodbye(self) -> None:
        await self.context.closing.wait()
        self.close(1001, "shutdown")

    def on_message(self, message: str | bytes) -> None:
        pass

    def on_connection_close(self) -> None:
        WebSocketHandler.on_connection_close(self)

    def on_close(self) -> None:
        self.end_socket()


@asynccontextmanager
async def lifespan(settings: ServiceSettings) -> AsyncIterator[asyncio.Event]:
    """Yields what is set when a request is being answered."""
    yield asyncio.Event()


service = Service(
    "ending-svc",
    ServiceSettings,
    routes=[
        Route("/v1/slow", SlowHandler, PUBLIC),
        Route("/v1/large", LargeHandler, PUBLIC),
        Route("/v1/socket", SocketHandler, PUBLIC),
    ],
    lifespan=lifespan,
)


async def test_who_has_just_connected_is_answered() -> None:
    async with AsyncExitStack() as stack:
        async with serving(service) as svc:
            clients = [
                stack.enter_context(socket.create_connection(("127.0.0.1", svc.running.port)))
                for _ in range(20)
            ]
            for client in clients:  # the loop does not turn before the end begins
                client.sendall(GET % b"/v1/slow")
        for client in clients:
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")


async def test_a_websocket_does_not_shorten_the_time_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svc_common.runtime._GOODBYE_SECONDS", 0.05)
    async with serving(service) as svc:
        connection = await websocket_connect(f"ws://127.0.0.1:{svc.running.port}/v1/socket")
        slow = asyncio.create_task(raw_request(svc.url, GET % b"/v1/slow"))
        async with asyncio.timeout(30):
            await svc.context.state.wait()
        assert (svc.context.streams, svc.context.sockets) == (1, 1)
        assert 'http_event_streams{service="ending-svc"} 1.0' in (await svc.admin.get("/metrics")).text
    assert (await slow).endswith(b"done")
    assert await connection.read_message() is None
    assert connection.close_code == 1001
    connection.close()
    async with asyncio.timeout(30):
        while svc.context.streams:
            await asyncio.sleep(0.01)
    assert (svc.context.in_flight, svc.context.sockets) == (0, 0)


async def test_who_does_not_take_an_answer_does_not_hold_up_the_end() -> None:
    async with AsyncExitStack() as stack:
        client = stack.enter_context(socket.socket())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        svc = await stack.enter_async_context(serving(service, SHUTDOWN_GRACE="0.1", IDLE_TIMEOUT="3600"))
        client.connect(("127.0.0.1", svc.running.port))
        client.sendall(b"GET /v1/large HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(60):
            await svc.context.state.wait()
            await stack.aclose()
