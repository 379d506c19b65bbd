"""The event streams that a service has open: one timer for the heartbeats of all, one way to end them all.

A stream costs its handler's own task and nothing more. With two further tasks and a timer for each event and
each reader, a message to 18,000 readers took five times as long (``bench/redis``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import TYPE_CHECKING

from .events import HEARTBEAT, HEARTBEAT_SECONDS, SLOW_READER_SECONDS, Event

if TYPE_CHECKING:
    from tornado.httputil import HTTPConnection

AT_ONCE = 500
"""Heartbeats to send, or events to take from one producer, before the loop turns: others wait meanwhile."""


class EventStreams:
    """The open event streams of a service."""

    def __init__(self) -> None:
        self._due: dict[OpenStream, float] = {}  # when to look at each again, the next first
        self._timer: asyncio.TimerHandle | None = None

    def end(self) -> None:
        """Every stream ends with its goodbye."""
        for stream in list(self._due):
            stream.end()

    def wrote(self, stream: OpenStream, now: float) -> None:
        """Something was written to a stream, or it begins: its silence begins anew."""
        self._due.pop(stream, None)
        self._due[stream] = now + HEARTBEAT_SECONDS
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._look)

    def closed(self, stream: OpenStream) -> None:
        """A stream has ended."""
        self._due.pop(stream, None)
        if not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer, now = None, loop.time()
        for stream in list(islice(self._due, AT_ONCE)):
            if self._due[stream] > now:
                break
            stream.look(now)
        if self._due:
            self._timer = loop.call_at(max(now, next(iter(self._due.values()))), self._look)


class OpenStream:
    """One reader's stream, from its headers on. ``cut_off`` closes the connection of a slow reader."""

    __slots__ = ("_connection", "_cut_off", "_ending", "_sent", "_streams", "_task", "_waiting", "_wrote")

    def __init__(
        self,
        streams: EventStreams,
        connection: HTTPConnection,
        sent: asyncio.Future[None],
        cut_off: Callable[[], None],
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._streams = streams
        self._connection = connection
        self._sent = sent
        self._cut_off = cut_off
        self._ending = False
        self._waiting = False  # for the next event
        self._wrote = asyncio.get_running_loop().time()
        streams.wrote(self, self._wrote)

    async def send_all(self, events: AsyncIterator[Event | bytes]) -> bool:
        """Send each event when the one before it has left; False when the service ends the stream."""
        if isinstance(events, PushedEvents):
            events.write_now = self._write_now
        taken = 0
        try:
            while not self._ending:
                if not self._sent.done():
                    await self._sent
                self._waiting = True
                item = await anext(events)
                self._waiting = False
                if not self._sent.done():  # of a heartbeat, or of an event that was pushed
                    await self._sent
                self.write(item if isinstance(item, bytes) else item.encode())
                taken += 1
                if taken % AT_ONCE == 0:
                    await asyncio.sleep(0)
        except StopAsyncIteration:
            return True
        except asyncio.CancelledError:
            if not self._ending:
                raise
            self._task.uncancel()
        finally:
            self._waiting = False
        return False

    def write(self, data: bytes) -> None:
        """Send bytes."""
        # Not by way of RequestHandler.write and flush: they serve compression, which a stream never has
        self._sent = self._connection.write(data)
        self._wrote = asyncio.get_running_loop().time()
        self._streams.wrote(self, self._wrote)

    def _write_now(self, data: bytes) -> bool:
        if not (self._waiting and self._sent.done()):
            return False
        self.write(data)
        return True

    def look(self, now: float) -> None:
        """Nothing was written for a while: send a heartbeat, unless the reader has not taken what was."""
        if self._sent.done():
            self.write(HEARTBEAT)
        elif now - self._wrote < SLOW_READER_SECONDS:
            self._streams.wrote(self, now)
        else:
            self.close()
            self._cut_off()
            self._task.cancel()

    def end(self) -> None:
        """Take no more events."""
        self._ending = True
        if self._waiting:
            self._task.cancel()

    def close(self) -> None:
        """The stream has ended."""
        self._streams.closed(self)


class PushedEvents:
    """Encoded events for one reader from a source that does not wait for it, such as a subscription.

    Give it to ``ServiceHandler.stream_events``. While the reader keeps up, an event is written where it is
    pushed, without waking the handler's task: of 27 µs for each reader of a broadcast 8 are saved. Else it
    waits in a queue. Whoever is more than ``MOST_EVENTS`` or ``MOST_BYTES`` behind is told ``last``, and the
    stream ends.
    """

    MOST_EVENTS = 1000
    MOST_BYTES = 4 * 2**20

    __slots__ = ("_bytes", "_last", "_over", "_queue", "_wake", "write_now")

    def __init__(self, last: bytes = b"") -> None:
        self._last = last
        self._queue: deque[bytes] | None = None
        self._bytes = 0
        self._over = False
        self._wake: asyncio.Future[None] | None = None
        self.write_now: Callable[[bytes], bool] = _not_now
        """Writes an event past the queue if that can be done; set by the stream."""

    def push(self, data: bytes) -> None:
        """An event has come."""
        if self._over or (not self._queue and self.write_now(data)):
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(data)
        self._bytes += len(data)
        if len(self._queue) > self.MOST_EVENTS or (self._bytes > self.MOST_BYTES and len(self._queue) > 1):
            self._over = True
            self._queue.clear()
            if self._last:
                self._queue.append(self._last)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next event that was not written already."""
        while not self._queue:
            if self._over:
                raise StopAsyncIteration
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        data = self._queue.popleft()
        self._bytes -= len(data)
        if not self._queue:
            self._queue = None  # an empty deque is 0.7 KiB, and few readers need one again
        return data


def _not_now(_data: bytes) -> bool:
    return False
