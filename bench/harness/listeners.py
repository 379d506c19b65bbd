"""Listen to event streams, publish, and tell when the listeners have heard; started by ``broadcast.py``.

Says ``ready`` on standard output when all listen, waits for a line on standard input, and answers with the
milliseconds from publishing to the listener in the middle and to the last one, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

_AT_ONCE = 200  # connections opened at a time: the listen queue is not what is measured
_PATIENCE = 120.0


class _Room:
    """The listeners, and how many of them have heard."""

    def __init__(self) -> None:
        self.heard: list[float] = []
        self.expected = 0
        self.all_heard = asyncio.Event()

    def note(self) -> None:
        """One more has heard."""
        self.heard.append(time.perf_counter())
        if len(self.heard) >= self.expected:
            self.all_heard.set()


class _Listener(asyncio.Protocol):
    """One event stream."""

    def __init__(self, room: _Room, request: bytes) -> None:
        self._room, self._request = room, request
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        if b"broadcast-" in data:
            self._room.note()
        elif not self.open.done() and b"\n\n" in data:  # the first event or comment
            self.open.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.open.done():
            self.open.set_exception(exc or ConnectionError("the listener was turned away"))


async def _listen(port: int, path: str, listeners: int, times: int) -> None:
    loop, room = asyncio.get_running_loop(), _Room()
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n".encode()
    gate, kept = asyncio.Semaphore(_AT_ONCE), []

    async def join() -> None:
        async with gate:
            transport, listener = await loop.create_connection(
                lambda: _Listener(room, head), "127.0.0.1", port
            )
            kept.append(transport)
            await asyncio.wait_for(listener.open, _PATIENCE)

    await asyncio.gather(*(join() for _ in range(listeners)))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    best = (float("inf"), float("inf"))
    for number in range(times):
        room.heard, room.expected = [], listeners
        room.all_heard.clear()
        start = time.perf_counter()
        await _publish(port, path, f"broadcast-{number}")
        await asyncio.wait_for(room.all_heard.wait(), _PATIENCE)
        middle, last = sorted(room.heard)[listeners // 2] - start, max(room.heard) - start
        best = min(best, (last * 1000, middle * 1000))
        await asyncio.sleep(0.5)  # the next one finds the server at rest
    print(json.dumps([best[1], best[0]]), flush=True)


async def _publish(port: int, path: str, text: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
    writer.write(f"{head}Connection: close\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
    line = await reader.readline()
    assert b" 20" in line, line
    writer.close()


if __name__ == "__main__":
    uvloop.run(_listen(**json.loads(sys.argv[1])))
