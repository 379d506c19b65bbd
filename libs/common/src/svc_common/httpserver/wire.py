"""One connection's transport: what is written to it, how long it may take, and how it is closed."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from tornado.iostream import IOStream, StreamClosedError

from .context import ConnectionContext
from .detach import take_over
from .inbox import Inbox

if TYPE_CHECKING:
    from .server import HTTPServer

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 4 * 2**20
"""How long, and how much, is read and dropped from a client that is answered before it has sent all."""

# What the connection is at. The order counts: from CLOSING on nothing is sent any more.
HEAD: Final = 0  # the head of a request is to come
ADMITTING: Final = 1  # the delegate has the head and has not asked for the body yet
BODY: Final = 2
ANSWERING: Final = 3  # the request is complete, its answer is not
SENDING: Final = 4  # the answer is complete, and the client is slow to take it
CLOSING: Final = 5  # all is said: the last bytes leave, and what still comes is dropped
GONE: Final = 6  # closed, or detached


class Wire(asyncio.Protocol):
    """The part of a connection that knows nothing of requests."""

    __slots__ = (
        "_body_timer",
        "_closed",
        "_deadline",
        "_dropped",
        "_inbox",
        "_loop",
        "_paused",
        "_phase",
        "_server",
        "_timer",
        "_unsent",
        "_upgrade",
        "_writers",
        "_writing_paused",
        "context",
        "transport",
    )

    transport: asyncio.Transport
    context: ConnectionContext

    def __init__(self, server: HTTPServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._phase = GONE
        self._inbox = Inbox()
        self._paused = False  # reading is paused
        self._writing_paused = False
        self._writers: deque[Future[None]] | None = None
        self._upgrade: bytes | None = None  # the head of a 101, until the connection is detached
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._closed: Future[None] | None = None
        self._dropped = 0
        self._unsent = 0

    # -- writing ------------------------------------------------------------------------------------

    @property
    def lost(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._phase >= CLOSING or self.transport.is_closing()

    @property
    def socket(self) -> Any:
        """The client's socket; on a TLS connection, what has ``getpeercert``."""
        return self.transport.get_extra_info("ssl_object") or self.transport.get_extra_info("socket")

    def send(self, data: bytes, *, upgrade: bool = False) -> Future[None]:
        """Write; the future is done at once unless the client is slow to read."""
        if self.lost:
            future: Future[None] = self._loop.create_future()
            future.set_exception(StreamClosedError())
            future.exception()  # whoever does not wait for it need not hear of it
            return future
        if upgrade:
            self._upgrade = data
            return self._server.done
        self.transport.write(data)
        if not self._writing_paused:
            return self._server.done
        future = self._loop.create_future()
        if self._writers is None:
            self._writers = deque()
        self._writers.append(future)
        return future

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than it is made."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The client has taken most of what was written."""
        self._writing_paused = False
        self._wake_writers(None)

    def _wake_writers(self, error: StreamClosedError | None) -> None:
        writers, self._writers = self._writers, None
        for future in writers or ():
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
                future.exception()

    # -- reading ------------------------------------------------------------------------------------

    def eof_received(self) -> None:
        """The client has closed its side: it is gone, as for Tornado. Returning None closes ours."""

    def _pause_reading(self) -> None:
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > LINGER_BYTES and self._phase == CLOSING:
            self._close()

    # -- ending -------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Close, gently where no request is being served; returns when it is closed."""
        if self._phase == GONE:
            return
        if self._closed is None:
            self._closed = self._loop.create_future()
            if self._phase in (ADMITTING, BODY, ANSWERING):
                self.transport.abort()
            else:
                self._close()
        await asyncio.shield(self._closed)

    def abort(self) -> None:
        """Close now; what is not sent yet is lost."""
        if self._phase < GONE:
            self._phase = CLOSING
            self.transport.abort()

    def detach(self) -> IOStream:
        """Give the connection away as a stream."""
        if self.lost:
            raise StreamClosedError
        self._stop_timers()
        self._phase = GONE
        self._paused = False  # whether the transport reads is not ours to say any more
        stream = take_over(self.transport, self._inbox.take_all())
        if self._upgrade is not None:
            stream.write(self._upgrade)
            self._upgrade = None
        self._loop.call_soon(self._leave)
        return stream

    def _close(self) -> None:
        """Close when what was written has left."""
        if self._phase == GONE:
            return
        self._phase = CLOSING
        self._inbox.clear()
        self._stop_timers()
        self.transport.close()
        self._watch_sending()

    def _close_early(self) -> None:
        """Close, but read on for a while: to close with bytes unread would cut off the answer."""
        if not self.transport.can_write_eof() or self.transport.is_closing():
            self._close()
            return
        self._phase = CLOSING
        self._inbox.clear()
        self._stop_timers()
        try:
            self.transport.write_eof()
        except OSError:  # the client is gone, which nobody has heard while reading was paused
            self.abort()
            return
        self._resume_reading()
        self._timer = self._loop.call_later(LINGER_SECONDS, self._close)

    def _leave(self) -> None:
        self._server.closed(self)
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    # -- time ---------------------------------------------------------------------------------------

    def _expect_head(self) -> None:
        """The next head must come within the idle time."""
        self._deadline = self._loop.time() + self._server.idle_timeout
        if self._timer is None:
            # One timer for many requests: it looks at the deadline when it fires
            self._timer = self._loop.call_later(self._server.idle_timeout, self._on_timer)

    def _expect_end_of_head(self) -> None:
        """The head that has begun must end within its own time."""
        self._set_deadline(min(self._deadline, self._loop.time() + self._server.header_timeout))

    def _watch_sending(self) -> None:
        """Cut off a client that takes nothing of what is written for as long as it might be idle."""
        self._unsent = self.transport.get_write_buffer_size()
        if self._unsent:
            self._set_deadline(self._loop.time() + self._server.idle_timeout)

    def _set_deadline(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._deadline = when
        self._timer = self._loop.call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        left = self._deadline - self._loop.time()
        if self._phase == HEAD:
            if left > 0:
                self._timer = self._loop.call_later(left, self._on_timer)
            else:
                self._close()
        elif self._phase in (SENDING, CLOSING):
            if self.transport.get_write_buffer_size() < self._unsent:
                self._watch_sending()
            else:
                self.abort()

    def _stop_timers(self) -> None:
        for timer in (self._timer, self._body_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._body_timer = None
