"""One connection: from the bytes that arrive to the calls of the delegate, request after request."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import Future
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

from tornado.httputil import HTTPInputError, HTTPMessageDelegate
from tornado.iostream import IOStream, StreamClosedError
from tornado.log import app_log, gen_log

from .body import ChunkedBody, FixedBody
from .context import ConnectionContext
from .exchange import Exchange
from .head import CHUNKED, Head, HeadTooLarge, parse_head
from .wire import ADMITTING, ANSWERING, BODY, CLOSING, GONE, HEAD, SENDING, Wire

if TYPE_CHECKING:
    from .server import HTTPServer

READ_AHEAD: Final = 64 * 1024
"""Bytes that may lie here unused before the client is made to wait."""


class ServerConnection(Wire):
    """A client's connection, and the ``server_conn`` of ``HTTPServerConnectionDelegate``."""

    __slots__ = ("_body", "_busy", "_delegate", "_exchange", "_told", "_waiting")

    _exchange: Exchange
    _delegate: HTTPMessageDelegate

    def __init__(self, server: HTTPServer, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server, loop)
        self._body: FixedBody | ChunkedBody | None = None
        self._waiting: Future[Any] | None = None  # what the delegate wants to wait for
        self._busy = False  # _advance is running
        self._told = True  # the delegate knows how its request ended

    # -- called by the transport --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.transport = transport  # type: ignore[assignment]  # a stream's transport reads and writes
        self.context = ConnectionContext.of(transport, self._server.protocol)
        self._server.opened(self)
        self._next_request()

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        if self._phase >= CLOSING:
            self._drop(len(data))
        else:
            self._inbox.add(data)
            self._advance()

    def resume_writing(self) -> None:
        """The client has taken most of what was written."""
        super().resume_writing()
        if self._phase == SENDING:
            self._next_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whomever."""
        if self._phase == GONE:  # detached
            return
        answering = self._phase == ANSWERING and not self._exchange.finished
        self._phase = GONE
        self._waiting = None
        self._inbox.clear()
        self._stop_timers()
        self._wake_writers(StreamClosedError(exc))
        try:
            callback, self._exchange.close_callback = self._exchange.close_callback, None
            if answering and callback is not None:
                callback()
            self._tell_delegate()
        except (Exception, asyncio.CancelledError):  # whatever it is, the connection is to be forgotten
            app_log.error("Uncaught exception", exc_info=True)
        self._leave()

    # -- reading ------------------------------------------------------------------------------------

    def _next_request(self) -> None:
        """Be ready for the next request; one that waits already is begun in a turn of its own."""
        self._phase = HEAD
        self._exchange = Exchange(self, self.context)
        self._delegate = self._server.request_callback.start_request(self, self._exchange)
        if self._phase != HEAD:  # the delegate wants no more of them
            return
        self._expect_head()
        if self._inbox and not self._busy:
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
                    if not (self._inbox and self._read_head()):
                        break
                elif self._phase != BODY or not self._read_body():
                    break
        except HeadTooLarge:
            self._refuse(
                431, "Request Header Fields Too Large", "Unsatisfiable read", "the head is too large"
            )
        except HTTPInputError as error:
            self._refuse_malformed(error)
        except Exception:
            app_log.error("Uncaught exception", exc_info=True)
            self._fail()
        finally:
            self._busy = False
        self._balance()

    def _balance(self) -> None:
        """Let the client wait while it has sent more than can be used now."""
        left = len(self._inbox)
        if left == 0:
            self._inbox.clear()
        if left < READ_AHEAD:
            self._resume_reading()
        elif self._phase in (ADMITTING, ANSWERING, SENDING) or self._waiting is not None:
            self._pause_reading()

    def _read_head(self) -> bool:
        server, inbox = self._server, self._inbox
        begun = inbox.head_begun
        text = inbox.take_head(server.max_header_size, server.max_header_count)
        if text is None:
            if not begun:
                self._expect_end_of_head()
            return False
        head = parse_head(text)
        exchange = self._exchange
        exchange.head = head
        exchange.close_after = not head.keep_alive or server.no_keep_alive
        if server.xheaders:
            exchange.context = self.context.behind_proxy(
                head.headers, server.trusted_downstream, forwarded_only=server.forwarded_only
            )
        self._phase = ADMITTING
        self._told = False
        waiting = self._delegate.headers_received(head.start_line, head.headers)
        if waiting is not None and self._wait(waiting):
            return False
        return self._admit()

    def _admit(self) -> bool:
        """The delegate has taken the head: find out what the body is."""
        if self._phase != ADMITTING:  # cut off or detached meanwhile
            return False
        exchange, server = self._exchange, self._server
        head = exchange.head
        assert head is not None
        if head.length == 0:
            self._end_of_request()
            return True
        if exchange.finished:
            self._close_early()
            return False
        most = server.max_body_size if exchange.max_body_size is None else exchange.max_body_size
        if head.length == CHUNKED:
            self._body = ChunkedBody(most)
        elif head.length > most:
            raise HTTPInputError("Content-Length too long")
        else:
            self._body = FixedBody(head.length)
        if "Expect" in head.headers.one and not exchange.headers_written:
            self._continue(head)
        timeout = server.body_timeout if exchange.body_timeout is None else exchange.body_timeout
        if timeout is not None:
            self._body_timer = self._loop.call_later(timeout, self._on_slow_body)
        self._phase = BODY
        return True

    def _continue(self, head: Head) -> None:
        # An HTTP/1.0 client would take it for the answer (RFC 9110, section 10.1.1)
        if head.headers.one["Expect"].lower() == "100-continue" and head.start_line.version == "HTTP/1.1":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_body(self) -> bool:
        body = self._body
        assert body is not None
        chunk = self._inbox.take_body(body, self._server.chunk_size)
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
            self._refuse_malformed(refused)
        except Exception as failed:
            app_log.error("Uncaught exception", exc_info=failed)
            self._fail()
        self._advance()

    # -- answering ----------------------------------------------------------------------------------

    def answered(self) -> None:
        """The exchange's answer is complete."""
        if self._phase == ANSWERING:
            self._after_answer()
        elif self._phase == BODY:
            self._close_early()

    def detach(self) -> IOStream:
        """Give the connection away as a stream."""
        stream = super().detach()
        self._told = True
        return stream

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

    def _refuse_malformed(self, error: HTTPInputError) -> None:
        self._refuse(400, "Bad Request", "Malformed HTTP message", error)

    def _refuse(self, status: int, reason: str, event: str, detail: object) -> None:
        """Answer a request that cannot be read on, and close."""
        gen_log.info("%s from %s: %s", event, self.context, detail)
        if self.lost:
            return
        if self._exchange.headers_written:
            self.abort()  # an answer has begun; another one cannot be put into it
            return
        self.transport.write(f"HTTP/1.1 {status} {reason}\r\n\r\n".encode("ascii"))
        self._close_early()
        self._tell_delegate()

    def _fail(self) -> None:
        self.abort()
        with contextlib.suppress(Exception, asyncio.CancelledError):
            self._tell_delegate()

    def _tell_delegate(self) -> None:
        """The delegate hears of the end of a request that it has not seen the end of."""
        if not self._told:
            self._told = True
            self._delegate.on_connection_close()

    def _on_slow_body(self) -> None:
        self._body_timer = None
        gen_log.info("Timeout reading body from %s", self.context)
        self.abort()

    def _leave(self) -> None:
        super()._leave()
        del self._exchange, self._delegate  # they hold this connection, too
