"""The ways in which a weather upstream goes wrong; each answers one request."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from tornado.http1connection import HTTP1Connection
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import RequestHandler

DRIP_SECONDS = 0.05


@dataclass(frozen=True)
class Options:
    """What ``WeatherUpstream.misbehave`` was told beside the trouble's name."""

    status: int = 500
    retry_after: str | None = None
    body: bytes = b""
    content_type: str = "application/json"
    size: int = 0


Trouble: TypeAlias = Callable[[RequestHandler, Options, asyncio.Event], Awaitable[None]]


async def hang(handler: RequestHandler, options: Options, over: asyncio.Event) -> None:
    """Accept the request and say nothing."""
    await _until_over_or_gone(handler, over)
    _stream(handler).close()


async def reset(handler: RequestHandler, options: Options, over: asyncio.Event) -> None:
    """Break the connection off with a TCP reset."""
    stream = _stream(handler)
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


async def status(handler: RequestHandler, options: Options, over: asyncio.Event) -> None:
    """Answer with an error status, in the service's own format."""
    handler.set_status(options.status)
    if options.retry_after is not None:
        handler.set_header("Retry-After", options.retry_after)
    handler.set_header("Content-Type", "application/json; charset=utf-8")
    await handler.finish(json.dumps({"error": True, "reason": f"Simulated status {options.status}"}))


async def body(handler: RequestHandler, options: Options, over: asyncio.Event) -> None:
    """Answer 200 with the given bytes, whatever they are."""
    handler.set_header("Content-Type", options.content_type)
    await handler.finish(options.body)


async def truncated(handler: RequestHandler, options: Options, over: asyncio.Event) -> None:
    """Announce more bytes than are sent."""
    await _raw(handler, b"Content-Length: 4000\r\n", b'{"latitude":52.52,"current":{"temperature_2m":')
    _stream(handler).close()


async def cut_json(handler: RequestHandler, options: Options, over: asyncio.Event) -> None:
    """Send a complete answer whose JSON stops in the middle."""
    handler.set_header("Content-Type", "application/json; charset=utf-8")
    await handler.finish(b'{"latitude":52.52,"current":{"temperature_2m":')


async def wrong_types(handler: RequestHandler, options: Options, over: asyncio.Event) -> None:
    """Send valid JSON whose values are not what they should be."""
    handler.set_header("Content-Type", "application/json; charset=utf-8")
    await handler.finish(
        json.dumps(
            {
                "latitude": "north",
                "current": {"time": 12, "temperature_2m": "warm", "weather_code": None},
                "current_units": [],
                "hourly": {"time": "now", "temperature_2m": {"a": 1}},
                "daily": 3,
                "results": [{"name": 1, "latitude": "x", "longitude": None}, 7],
            }
        )
    )


async def huge(handler: RequestHandler, options: Options, over: asyncio.Event) -> None:
    """Send a long, valid JSON string of unannounced length (``options.size`` bytes)."""
    handler.set_header("Content-Type", "application/json; charset=utf-8")
    chunk = b"x" * 65536
    with contextlib.suppress(StreamClosedError):
        handler.write(b'{"reason":"')
        for _ in range(options.size // len(chunk) + 1):
            handler.write(chunk)
            await handler.flush()
        await handler.finish(b'"}')


async def gzip_bomb(handler: RequestHandler, options: Options, over: asyncio.Event) -> None:
    """Send a small body that unpacks to ``options.size`` bytes."""
    handler.set_header("Content-Type", "application/json; charset=utf-8")
    handler.set_header("Content-Encoding", "gzip")
    await handler.finish(gzip.compress(b" " * options.size, compresslevel=9))


async def slow(handler: RequestHandler, options: Options, over: asyncio.Event) -> None:
    """Send a valid answer byte by byte, for as long as the client waits."""
    handler.set_header("Content-Type", "application/json; charset=utf-8")
    with contextlib.suppress(StreamClosedError):
        while not over.is_set():
            handler.write(b" ")
            await handler.flush()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), DRIP_SECONDS)
        await handler.finish(b"{}")


async def redirect(handler: RequestHandler, options: Options, over: asyncio.Event) -> None:
    """Lead the client to another page of this machine; see whether ``/secret`` is among the requests."""
    handler.redirect(f"http://{handler.request.host}/secret", status=302)


TROUBLES: dict[str, Trouble] = {
    trouble.__name__: trouble
    for trouble in (
        hang,
        reset,
        status,
        body,
        truncated,
        cut_json,
        wrong_types,
        huge,
        gzip_bomb,
        slow,
        redirect,
    )
}


def _stream(handler: RequestHandler) -> IOStream:
    connection = handler.request.connection
    assert isinstance(connection, HTTP1Connection)
    return connection.stream


async def _raw(handler: RequestHandler, headers: bytes, content: bytes) -> None:
    """Write an answer past Tornado, which would not send a wrong length."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Simulated: true\r\n" + headers + b"\r\n"
    with contextlib.suppress(StreamClosedError):
        await _stream(handler).write(head + content)


async def _until_over_or_gone(handler: RequestHandler, over: asyncio.Event) -> None:
    gone = asyncio.Event()
    _stream(handler).set_close_callback(gone.set)
    waits = [asyncio.ensure_future(event.wait()) for event in (gone, over)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
