"""Limits on what a request may be, kept before a handler sees it.

A refused request still gets its answer. Where the client has announced or sent little more than is allowed,
the rest is read and dropped first, since closing a connection with unread data in it would reset it under
the answer; a client that means to send much more is answered and disconnected at once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)

from .problems import BadRequest, PayloadTooLarge, Problem
from .request import ServiceRequest
from .settings import ServiceSettings

DROPPED_BYTES = 32 * 2**20
"""How much of a body that is too large is read and dropped so that its sender sees the answer."""

HARD_HEADER_BYTES = 2 * 2**20
"""Beyond this the connection is closed without an answer."""

EARLY_BYTES = 64 * 2**10
"""A body that is longer is read only when its sender is known."""

UNLIMITED = 2**62

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

Reject = Callable[[HTTPServerRequest, Problem], HTTPMessageDelegate]
AskFirst = Callable[[], Awaitable[Exception | None]]
"""Why a request is to be refused before its body is read; None where it is not."""


def check_head(request: HTTPServerRequest, settings: ServiceSettings) -> Problem | None:
    """What is wrong with a request's line and headers, if anything is."""
    names = 0
    size = len(request.uri or "") + 16
    for name, value in request.headers.get_all():
        names += 1
        size += len(name) + len(value) + 4
    if names > settings.max_header_count or size > settings.max_header_bytes:
        return Problem(
            f"The request's head is over the limit of {settings.max_header_count} headers "
            f"and {settings.max_header_bytes} bytes.",
            status=431,
        )
    if "%" in (request.uri or ""):
        if _BROKEN_ESCAPE.search(request.uri or ""):
            return BadRequest("The address holds a percent sign that is not followed by two hex digits.")
        if "%00" in request.path:
            return BadRequest("The path holds a NUL character.")
    return None


class RequestGuard(HTTPMessageDelegate):
    """Stands before a handler's delegate: refuses heads and bodies over the limits, and slow senders."""

    def __init__(
        self,
        inner: HTTPMessageDelegate,
        request: ServiceRequest,
        settings: ServiceSettings,
        reject: Reject,
        *,
        streaming: bool,
        max_body: int,
        ask_first: AskFirst | None = None,
    ) -> None:
        self._inner = inner
        self._request = request
        self._settings = settings
        self._reject = reject
        self._streaming = streaming
        self._max_body = max_body
        self._ask_first = ask_first
        self._received = 0
        self._refused = False
        self._answered = False
        self._begun = False
        self._gone = False
        self._timer: asyncio.TimerHandle | None = None
        self._grace = 0.0

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Check the head and the announced length; start the clock of the body."""
        problem = check_head(self._request, self._settings)
        announced = _content_length(headers)
        if problem is None and announced > self._max_body:
            problem = self._too_large()
        if problem is not None:
            return self._refuse_body(problem, announced, headers)
        if self._ask_first is not None and (announced > EARLY_BYTES or "Transfer-Encoding" in headers):
            return self._asked(self._ask_first, start_line, headers)
        return self._begin(start_line, headers)

    async def _asked(
        self, ask_first: AskFirst, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        refusal = await ask_first()
        if self._gone:  # meanwhile: there is nobody to wait for, or to answer
            return
        if refusal is not None:
            # The handler itself answers, in its own words, but it gets no body
            self._request.refusal = refusal
            self._refused = True
            waiting = self._drop_body(_content_length(headers), headers)
        else:
            waiting = self._begin(start_line, headers)
        if waiting is not None:
            await waiting

    def _begin(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        if _content_length(headers) or "Transfer-Encoding" in headers:
            self._watch_pace()
        self._begun = True
        return self._inner.headers_received(start_line, headers)

    def _refuse_body(self, problem: Problem, announced: int, headers: HTTPHeaders) -> Awaitable[None] | None:
        self._refuse(problem)
        return self._drop_body(announced, headers)

    def _drop_body(self, announced: int, headers: HTTPHeaders) -> Awaitable[None] | None:
        if announced > self._max_body + DROPPED_BYTES or "Expect" in headers:
            self._answer()
            return asyncio.sleep(0)  # the answer leaves before any of the body is read or asked for
        self._watch_pace()
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Pass a piece of the body on, or drop it."""
        self._received += len(chunk)
        if self._answered:
            return None
        if self._received > self._max_body and not self._refused:
            self._refuse(self._too_large())
        if self._refused:
            if self._received > self._max_body + DROPPED_BYTES and not self._answered:
                self._answer()
            return None
        waiting = self._inner.data_received(chunk)
        return None if waiting is None else self._unhurried(waiting)

    def finish(self) -> None:
        """The body is complete."""
        self._stop_clock()
        if not self._answered:
            self._answered = True
            self._inner.finish()

    def on_connection_close(self) -> None:
        """The client left while it was sending."""
        self._gone = True
        self._stop_clock()
        self._inner.on_connection_close()

    def _too_large(self) -> Problem:
        return PayloadTooLarge(f"The body is over the limit of {self._max_body} bytes.")

    def _refuse(self, problem: Problem) -> None:
        self._refused = True
        if self._streaming and self._begun:
            # The handler may have begun to answer; all that is left is to cut the connection
            self._answered = True
            self._stop_clock()
            cut = getattr(self._request.connection, "close", None)
            if cut is not None:
                cut()
            return
        self._inner = self._reject(self._request, problem)

    def _answer(self) -> None:
        """Answer before the body has ended; the server closes the connection when the answer is out."""
        self._stop_clock()
        self._answered = True
        self._inner.finish()

    async def _unhurried(self, waiting: Awaitable[None]) -> None:
        """Wait for a handler that takes its time; the sender's clock stands still meanwhile."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            await waiting
        finally:
            self._grace += loop.time() - start

    def _watch_pace(self) -> None:
        loop = asyncio.get_running_loop()
        self._started = loop.time()
        self._timer = loop.call_later(self._settings.body_timeout, self._check_pace)

    def _check_pace(self) -> None:
        loop = asyncio.get_running_loop()
        allowed = self._settings.body_timeout + self._grace + self._received / self._settings.min_body_rate
        left = self._started + allowed - loop.time()
        if left > 0:
            self._timer = loop.call_later(left, self._check_pace)
            return
        self._timer = None
        if not self._refused:
            self._refuse(Problem("The body came too slowly.", status=408))
        if not self._answered:
            self._answer()

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _content_length(headers: HTTPHeaders) -> int:
    text = headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else 0
