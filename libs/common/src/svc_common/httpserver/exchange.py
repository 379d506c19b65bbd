"""One exchange on a connection: the ``HTTPConnection`` through which a handler answers one request."""

from __future__ import annotations

import re
from asyncio import Future
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tornado.escape import native_str
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPOutputError,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream

from ..headers import Headers, as_headers
from .context import ConnectionContext
from .head import Head

if TYPE_CHECKING:
    from .protocol import ServerConnection


class Exchange(HTTPConnection):
    """The answer to one request: its framing, its end, and what became of the client."""

    __slots__ = (
        "_chunking",
        "_connection",
        "_left",
        "body_timeout",
        "close_after",
        "close_callback",
        "context",
        "finished",
        "head",
        "headers_written",
        "max_body_size",
    )

    def __init__(self, connection: ServerConnection, context: ConnectionContext) -> None:
        self._connection = connection
        self.context = context
        self.head: Head | None = None
        self.close_after = False
        self.headers_written = False
        self.finished = False
        self.close_callback: Callable[[], None] | None = None
        self.max_body_size: int | None = None
        self.body_timeout: float | None = None
        self._chunking = False
        self._left: int | None = None  # bytes of the body still to be written, where its length was given

    # -- answering ----------------------------------------------------------------------------------

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> Future[None]:
        """Send the head of the answer and the first piece of its body.

        The future is done when the client's socket has taken enough of what was written. ValueError for
        a line end in a header; HTTPOutputError for a body that is longer than its Content-Length.
        """
        assert isinstance(start_line, ResponseStartLine)
        assert self.head is not None
        if not isinstance(headers, Headers):
            headers = as_headers(headers)
        fields = headers.one
        method, _, version = self.head.start_line
        code = start_line.code
        bodiless = code in (204, 304) or 100 <= code < 200
        sized = "Content-Length" in fields
        if not (sized or bodiless or method == "HEAD"):
            if version == "HTTP/1.1":
                self._chunking = True
            else:
                self.close_after = True  # nothing but the end of the connection ends such a body
        if "Connection" in fields and fields["Connection"].lower() == "close":
            self.close_after = True
        elif version == "HTTP/1.1":
            if self.close_after:
                headers["Connection"] = "close"
        elif not self.close_after:
            headers["Connection"] = "Keep-Alive"
        if self._chunking:
            headers["Transfer-Encoding"] = "chunked"
        if method == "HEAD" or code == 304:
            self._left = 0
        elif sized:
            self._left = _length(fields["Content-Length"])
        data = format_head(start_line, headers)
        self.headers_written = True
        if chunk:
            data += self._framed(chunk)
        return self._connection.send(data, upgrade=code == 101)

    def write(self, chunk: bytes) -> Future[None]:
        """Send a piece of the body. RuntimeError before ``write_headers``."""
        if not self.headers_written:
            raise RuntimeError("write_headers() comes first")
        return self._connection.send(self._framed(chunk))

    def finish(self) -> None:
        """The answer is complete. HTTPOutputError when it is shorter than its Content-Length."""
        if self._left and not self._connection.lost:
            self.close()
            raise HTTPOutputError(f"Tried to write {self._left} bytes less than Content-Length")
        if self._chunking:
            self._connection.send(b"0\r\n\r\n")
        self.finished = True
        self._connection.answered()

    def _framed(self, chunk: bytes) -> bytes:
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                self.close()
                raise HTTPOutputError("Tried to write more data than Content-Length")
        if self._chunking and chunk:  # an empty chunk would end the body
            return b"%x\r\n%b\r\n" % (len(chunk), chunk)
        return chunk

    # -- the connection -----------------------------------------------------------------------------

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """What to call when the client leaves between the end of its request and the end of its answer."""
        self.close_callback = callback

    def set_max_body_size(self, max_body_size: int) -> None:
        """Override the server's limit for this request; called while its head is being handled."""
        self.max_body_size = max_body_size

    def set_body_timeout(self, timeout: float) -> None:
        """Override the server's limit in seconds for this request; called as ``set_max_body_size``."""
        self.body_timeout = timeout

    def close(self) -> None:
        """Cut the connection: what is not sent yet is not sent any more, and nobody is told."""
        self.close_callback = None
        self._connection.abort()

    def detach(self) -> IOStream:
        """Take the connection over: the server does not read from it or write to it any more."""
        self.close_callback = None
        return self._connection.detach()

    @property
    def stream(self) -> _StreamView:
        """What Tornado and its handlers may look for behind the interface of HTTPConnection."""
        return _StreamView(self._connection)


class _StreamView:
    """The part of IOStream that makes sense without one."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    @property
    def socket(self) -> Any:
        """Has ``getpeercert`` on a TLS connection, for ``HTTPServerRequest.get_ssl_certificate``."""
        return self._connection.socket

    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._connection.lost

    def close(self) -> None:
        """Close at once."""
        self._connection.abort()


def format_head(start_line: ResponseStartLine, headers: Headers) -> bytes:
    """An answer's head as bytes. ValueError for a line end where none may be."""
    parts = [_status_line(start_line.code, start_line.reason)]
    lines = 2
    for name, value in headers.get_all():
        parts += (name, ": ", value, "\r\n")
        lines += 1
    parts.append("\r\n")
    try:
        text = "".join(parts)
    except TypeError:  # a value that is bytes
        text = "".join(map(native_str, parts))
    # Two counts over the whole cost 0.2 µs, one search in each line 0.3 µs a line
    if text.count("\r") != lines or text.count("\n") != lines:
        names = [name for name, value in headers.get_all() if re.search(r"[\r\n]", name + native_str(value))]
        raise ValueError(f"Illegal characters (CR or LF) in header: {names}")  # no values: some are secret
    return text.encode("latin1")


@lru_cache(maxsize=256)
def _status_line(code: int, reason: str) -> str:
    return f"HTTP/1.1 {code} {reason}\r\n"


def _length(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"not a length: {text!r}")
    return int(text)
