"""One connection: from the bytes that arrive to the calls of the delegate, request after request."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import Future
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

from tornado.httputil import HTTPInputError, HTTPMessageDelegate
from tornado.iostream import IOStream, StreamClosedError
from tornado.log import app_log, gen_log

from .body import ChunkedBody, FixedBody
from .context import ConnectionContext
from .detach import take_over
from .exchange import Exchange
from .head import CHUNKED, holds_bare_linefeed, parse_head

if TYPE_CHECKING:
    from .server import HTTPServer

READ_AHEAD: Final = 64 * 1024
"""Bytes that may lie here unused before the client is made to wait."""

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


class ServerConnection(asyncio.Protocol):
    """A client's connection, and the ``server_conn`` of ``HTTPServerConnectionDelegate``."""

    __slots__ = (
        "_body",
        "_body_timer",
        "_busy",
        "_closed",
        "_context",
        "_data",
        "_deadline",
        "_delegate",
        "_dropped",
        "_exchange",
        "_loop",
        "_paused",
        "_phase",
        "_searched",
        "_server",
        "_start",
        "_timer",
        "_told",
        "_transport",
        "_unsent",
        "_upgrade",
        "_waiting",
        "_writers",
        "_writing_paused",
    )

    _transport: asyncio.Transport
    _context: ConnectionContext
    _exchange: Exchange
    _delegate: HTTPMessageDelegate

    def __init__(self, server: HTTPServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._phase = GONE
        self._data: bytes | bytearray = b""  # what has arrived; from _start on it is not used yet
        self._start = 0
        self._searched = 0  # where the search for the end of the head goes on
        self._body: FixedBody | ChunkedBody | None = None
        self._waiting: Future[Any] | None = None  # what the delegate wants to wait for
        self._busy = False  # _advance is running
        self._told = True  # the delegate knows how its request ended
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

    # -- called by the transport --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = transport  # type: ignore[assignment]  # a stream's transport reads and writes
        self._context = ConnectionContext.of(transport, self._server.protocol)
        self._server.opened(self)
        self._next_request()

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        if self._phase >= CLOSING:
            self._drop(len(data))
            return
        if self._start == len(self._data):  # nothing is left over: no copy is made
            self._data, self._start = data, 0
        else:
            if not isinstance(self._data, bytearray):
                self._data = bytearray(memoryview(self._data)[self._start :])
                self._searched -= self._start
            else:
                del self._data[: self._start]
                self._searched -= self._start
            self._start = 0
            self._data += data
        self._advance()

    def eof_received(self) -> None:
        """The client has closed its side: it is gone, as for Tornado. Returning None closes ours."""

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than it is made."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The client has taken most of what was written."""
        self._writing_paused = False
        self._wake_writers(None)
        if self._phase == SENDING:
            self._next_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whomever."""
        if self._phase == GONE:  # detached
            return
        if self._phase < CLOSING and exc is not None:
            gen_log.debug("Connection from %s lost: %s", self._context, exc)
        answering = self._phase == ANSWERING
        self._phase = GONE
        self._data, self._start = b"", 0
        self._stop_timers()
        self._wake_writers(StreamClosedError(exc))
        if self._waiting is not None:
            self._waiting = None
        try:
            if answering and not self._exchange.finished:
                callback = self._exchange.close_callback
                self._exchange.close_callback = None
                if callback is not None:
                    callback()
            self._tell_delegate()
        except Exception:
            app_log.error("Uncaught exception", exc_info=True)
        self._leave()

    # -- reading ------------------------------------------------------------------------------------

    def _next_request(self) -> None:
        """Be ready for the next request; one that waits already is begun in a turn of its own."""
        self._phase = HEAD
        self._exchange = Exchange(self, self._context)
        self._delegate = self._server.request_callback.start_request(self, self._exchange)
        if self._phase != HEAD:  # the delegate wants no more of them
            return
        self._deadline = self._loop.time() + self._server.idle_timeout
        if self._timer is None:
            # One timer for many requests: it looks at the deadline when it fires
            self._timer = self._loop.call_later(self._server.idle_timeout, self._on_timer)
        if self._start < len(self._data) and not self._busy:
            # Not in the context of the handler that has just answered
            self._loop.call_soon(self._advance, context=self._server.context)

    def _advance(self) -> None:
        """Use what has arrived, as far as it goes."""
        if self._busy:
            return
        self._busy = True
        try:
            while self._waiting is None:
                if self._phase == HEAD:
                    if not self._read_head():
                        break
                elif self._phase != BODY or not self._read_body():
                    break
        except HTTPInputError as error:
            self._refuse(error)
        except Exception:
            app_log.error("Uncaught exception", exc_info=True)
            self._fail()
        finally:
            self._busy = False
        if self._start == len(self._data):
            self._data, self._start = b"", 0
            if self._paused:
                self._resume_reading()
        elif self._paused or len(self._data) - self._start >= READ_AHEAD:
            self._balance()

    def _balance(self) -> None:
        """Let the client wait while it has sent more than can be used now."""
        held = self._phase in (ADMITTING, ANSWERING, SENDING) or self._waiting is not None
        if held and len(self._data) - self._start >= READ_AHEAD:
            if not self._paused and not self._transport.is_closing():
                self._paused = True
                self._transport.pause_reading()
        elif self._paused:
            self._resume_reading()

    def _resume_reading(self) -> None:
        self._paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _read_head(self) -> bool:
        data, start = self._data, self._start
        if start == len(data):
            return False
        if data.startswith(
            b"\r\n", start
        ):  # one empty line may come before a request (RFC 9112, section 2.2)
            start += 2
        limit = self._server.max_header_size
        end = data.find(b"\r\n\r\n", max(start, self._searched - 3), start + limit)
        if end < 0:
            self._check_partial_head(data, start, limit)
            return False
        end += 4
        text = data[start:end] if start or end < len(data) else data
        self._searched = 0
        self._start = end
        if text.count(b"\n") > self._server.max_header_count:
            self._answer_shortly(431, "Request Header Fields Too Large")
            return False
        head = parse_head(bytes(text))
        exchange = self._exchange
        exchange.head = head
        exchange.close_after = not head.keep_alive or self._server.no_keep_alive
        if self._server.xheaders:
            exchange.context = self._context.behind_proxy(head.headers, self._server.trusted_downstream)
        self._phase = ADMITTING
        self._told = False
        waiting = self._delegate.headers_received(head.start_line, head.headers)
        if waiting is not None and self._wait(waiting):
            return False
        return self._admit()

    def _check_partial_head(self, data: bytes | bytearray, start: int, limit: int) -> None:
        if len(data) - start >= limit:
            self._answer_shortly(431, "Request Header Fields Too Large")
        elif holds_bare_linefeed(data, max(start, self._searched - 1)):
            raise HTTPInputError("a line of the head ends in LF without CR")
        elif not self._searched:
            self._set_deadline(min(self._deadline, self._loop.time() + self._server.header_timeout))
        self._searched = len(data)

    def _admit(self) -> bool:
        """The delegate has taken the head: find out what the body is."""
        if self._phase != ADMITTING:  # cut off or detached meanwhile
            return False
        exchange = self._exchange
        head = exchange.head
        assert head is not None
        if head.length == 0:
            self._end_of_request()
            return True
        if exchange.finished:
            self._close_early()
            return False
        most = self._server.max_body_size if exchange.max_body_size is None else exchange.max_body_size
        if head.length == CHUNKED:
            self._body = ChunkedBody(most)
        elif head.length > most:
            raise HTTPInputError("Content-Length too long")
        else:
            self._body = FixedBody(head.length)
        if not exchange.headers_written and head.headers.get("Expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        timeout = self._server.body_timeout if exchange.body_timeout is None else exchange.body_timeout
        if timeout is not None:
            self._body_timer = self._loop.call_later(timeout, self._on_slow_body)
        self._phase = BODY
        return True

    def _read_body(self) -> bool:
        body = self._body
        assert body is not None
        chunk, self._start = body.take(self._data, self._start, self._server.chunk_size)
        if chunk:
            waiting = self._delegate.data_received(chunk)
            if waiting is not None and self._wait(waiting):
                return False
        if self._phase != BODY:
            return False
        if not body.done:
            return bool(chunk)
        self._end_of_request()
        return True

    def _end_of_request(self) -> None:
        self._body = None
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        self._phase = ANSWERING
        if self._exchange.finished:  # answered before its end
            self._tell_delegate()
            self._after_answer()
            return
        self._delegate.finish()
        self._told = True

    def _wait(self, awaitable: Awaitable[None]) -> bool:
        """Whether the delegate wants to wait; what it waits for may be done already."""
        future: Future[Any] = asyncio.ensure_future(awaitable)
        if future.done():
            future.result()
            return False
        self._waiting = future
        future.add_done_callback(self._after_wait)
        return True

    def _after_wait(self, future: Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        if self._waiting is not future:  # the connection was lost meanwhile
            return
        self._waiting = None
        try:
            if error is not None:
                raise error
            if future.cancelled():
                self._fail()
            elif self._phase == ADMITTING:
                self._admit()
            elif self._phase == BODY and self._body is not None and self._body.done:
                self._end_of_request()
        except HTTPInputError as refused:
            self._refuse(refused)
        except Exception as failed:
            app_log.error("Uncaught exception", exc_info=failed)
            self._fail()
        self._advance()

    # -- called by the exchange ---------------------------------------------------------------------

    @property
    def lost(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._phase >= CLOSING or self._transport.is_closing()

    @property
    def socket(self) -> Any:
        """The client's socket; on a TLS connection, what has ``getpeercert``."""
        return self._transport.get_extra_info("ssl_object") or self._transport.get_extra_info("socket")

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
        self._transport.write(data)
        if not self._writing_paused:
            return self._server.done
        future = self._loop.create_future()
        if self._writers is None:
            self._writers = deque()
        self._writers.append(future)
        return future

    def answered(self) -> None:
        """The answer is complete."""
        if self._phase == ANSWERING:
            self._after_answer()
        elif self._phase == BODY:
            self._close_early()

    def abort(self) -> None:
        """Close now; what is not sent yet is lost."""
        if self._phase < GONE:
            self._phase = CLOSING
            self._transport.abort()

    def detach(self) -> IOStream:
        """Give the connection away as a stream."""
        if self.lost:
            raise StreamClosedError
        self._stop_timers()
        self._phase = GONE
        self._told = True
        unread = bytes(self._data[self._start :])
        self._data, self._start = b"", 0
        stream = take_over(self._transport, unread)
        if self._upgrade is not None:
            stream.write(self._upgrade)
            self._upgrade = None
        self._loop.call_soon(self._leave)
        return stream

    # -- ending -------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Close, gently where no request is being served; returns when it is closed."""
        if self._phase == GONE:
            return
        if self._closed is None:
            self._closed = self._loop.create_future()
            if self._phase in (ADMITTING, BODY, ANSWERING):
                self._transport.abort()
            else:
                self._close()
        await asyncio.shield(self._closed)

    def _after_answer(self) -> None:
        if self._upgrade is not None:
            self._loop.call_soon(self._check_upgrade)
        elif self._exchange.close_after:
            self._close()
        elif self._writing_paused:
            self._phase = SENDING  # whoever does not read gets no second answer
            self._watch_sending()
        else:
            self._next_request()

    def _check_upgrade(self) -> None:
        if self._upgrade is not None:  # a 101, and nobody took the connection over
            self.abort()

    def _answer_shortly(self, status: int, reason: str) -> None:
        """Answer a request that no handler sees, and close."""
        gen_log.info("Unsatisfiable read from %s: %d %s", self._context, status, reason)
        self._transport.write(f"HTTP/1.1 {status} {reason}\r\n\r\n".encode("ascii"))
        self._close_early()

    def _refuse(self, error: HTTPInputError) -> None:
        gen_log.info("Malformed HTTP message from %s: %s", self._context, error)
        if self.lost:
            return
        if self._exchange.headers_written:
            self.abort()  # an answer has begun; another one cannot be put into it
            return
        self._transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self._close_early()
        self._tell_delegate()

    def _fail(self) -> None:
        self.abort()
        with contextlib.suppress(Exception):
            self._tell_delegate()

    def _tell_delegate(self) -> None:
        """The delegate hears of the end of a request that it has not seen the end of."""
        if not self._told:
            self._told = True
            self._delegate.on_connection_close()

    def _close_early(self) -> None:
        """Close, but read on for a while: to close with bytes unread would cut off the answer."""
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._phase = CLOSING
            self._stop_timers()
            self._data, self._start = b"", 0
            self._transport.write_eof()
            if self._paused:
                self._resume_reading()
            self._timer = self._loop.call_later(LINGER_SECONDS, self._close)
        else:
            self._close()

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > LINGER_BYTES and self._phase == CLOSING:
            self._close()

    def _close(self) -> None:
        """Close when what was written has left."""
        if self._phase == GONE:
            return
        self._phase = CLOSING
        self._data, self._start = b"", 0
        self._stop_timers()
        self._transport.close()
        self._watch_sending()

    def _watch_sending(self) -> None:
        """Cut off a client that takes nothing of what is written for as long as it might be idle."""
        self._unsent = self._transport.get_write_buffer_size()
        if self._unsent:
            self._set_deadline(self._loop.time() + self._server.idle_timeout)

    def _leave(self) -> None:
        self._server.closed(self)
        del self._exchange, self._delegate  # they hold this connection, too
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    # -- time ---------------------------------------------------------------------------------------

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
            if self._transport.get_write_buffer_size() < self._unsent:
                self._watch_sending()
            else:
                self.abort()

    def _on_slow_body(self) -> None:
        self._body_timer = None
        gen_log.info("Timeout reading body from %s", self._context)
        self.abort()

    def _stop_timers(self) -> None:
        for timer in (self._timer, self._body_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._body_timer = None

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
