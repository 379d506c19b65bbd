"""The server on a free port, on both event loops, and a client that says exactly what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop
from tornado.httputil import HTTPServerConnectionDelegate

from svc_common.httpserver import HTTPServer


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Each test runs on both loops, but for those that start processes and choose the loop there."""
    if item.path.name in ("test_connection.py", "test_detach.py"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@dataclass
class Client:
    """A connection to a server under test."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        """Write without waiting."""
        self.writer.write(data)

    async def answer(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """The next answer: its status, headers (names in lower case) and body."""
        async with asyncio.timeout(60):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin1")
            line, *fields = head[:-4].split("\r\n")
            headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
            status = int(line.split(" ")[1])
            if method == "HEAD" or status in (204, 304) or status < 200:
                body = b""
            elif headers.get("transfer-encoding") == "chunked":
                body = await self._chunks()
            elif "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            else:
                body = await self.reader.read()
            return status, headers, body

    async def _chunks(self) -> bytes:
        pieces = []
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            pieces.append((await self.reader.readexactly(size + 2))[:-2])
        assert await self.reader.readexactly(2) == b"\r\n"
        return b"".join(pieces)

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(60):
            return await self.reader.read()

    async def leave(self) -> None:
        """Close without a word."""
        self.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def closed(self) -> None:
        """Wait until the server has closed; nothing more may come."""
        assert await self.rest() == b""


class Serving:
    """Starts servers and clients for one test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    def server(self, application: HTTPServerConnectionDelegate, **options: Any) -> tuple[HTTPServer, int]:
        """A server on a free port, and the port. Its sockets have small buffers, so that they fill up."""
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
        server = HTTPServer(application, **options)
        server.add_sockets([sock])
        self._stack.push_async_callback(server.close_all_connections)
        self._stack.callback(server.stop)
        return server, sock.getsockname()[1]

    async def client(self, port: int, **options: Any) -> Client:
        """A new connection."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        except OSError:
            sock.close()
            raise
        reader, writer = await asyncio.open_connection(sock=sock, **options)
        client = Client(reader, writer)
        self._stack.push_async_callback(client.leave)
        return client


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    """Servers and clients; all are closed at the end of the test."""
    async with AsyncExitStack() as stack:
        yield Serving(stack)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Any]:
    """``await until(lambda: ...)``: wait for something that happens in this process."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.005)

    return wait
