"""A connection that is handed over as an IOStream: WebSockets, with and without TLS."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import tornado.test
from tornado.web import Application
from tornado.websocket import WebSocketHandler

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Echo(WebSocketHandler):
    closed: asyncio.Event

    def initialize(self, closed: asyncio.Event) -> None:
        self.closed = closed

    def open(self) -> None:
        self.write_message("welcome")

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))

    def on_close(self) -> None:
        self.closed.set()


def frame(payload: bytes) -> bytes:
    """A masked text frame; the mask is zero, so the payload can be read."""
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xff" + len(payload).to_bytes(8, "big")
    return b"\x81" + length + bytes(4) + payload


@pytest.fixture(params=["plain", "tls"])
def ssl_options(request: pytest.FixtureRequest) -> dict[str, str] | None:
    if request.param == "plain":
        return None
    folder = Path(tornado.test.__file__).parent
    return {"certfile": str(folder / "test.crt"), "keyfile": str(folder / "test.key")}


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_a_websocket(serving: Any, ssl_options: dict[str, str] | None) -> None:
    closed = asyncio.Event()
    application = Application([("/ws", Echo, {"closed": closed})], log_function=lambda handler: None)
    server, port = serving.server(application, ssl_options=ssl_options)
    options = {"ssl": trusting(), "server_hostname": "a"} if ssl_options else {}
    client = await serving.client(port, **options)
    client.send(HANDSHAKE + frame(b"at once"))  # what comes with the handshake is not lost
    status, headers, _ = await client.answer()
    assert (status, headers["upgrade"]) == (101, "websocket")
    async with asyncio.timeout(20):
        assert await client.reader.readexactly(9) == b"\x81\x07welcome"
        assert await client.reader.readexactly(9) == b"\x81\x07at once"
        large = b"x" * 2**20
        client.send(frame(large))
        head = await client.reader.readexactly(10)
        assert head == b"\x81\x7f" + len(large).to_bytes(8, "big")
        assert await client.reader.readexactly(len(large)) == large
        assert not server._connections  # it is not the server's any more
        await client.leave()
        await closed.wait()
