"""Tornado's RequestHandler with less to do for each request.

What is here does what Tornado's own does, without what no handler of a service needs: the numbers say what
that saves. What happens to a request is in ``lifecycle``.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from datetime import datetime
from functools import lru_cache
from numbers import Integral
from typing import Any

from tornado.httputil import HTTPServerRequest, ResponseStartLine, format_timestamp
from tornado.util import ObjectDict
from tornado.web import Application, HTTPError, OutputTransform, RequestHandler
from tornado.websocket import WebSocketHandler

from .context import ServiceContext
from .headers import Headers
from .problems import BadRequest
from .routing import method_name

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_BODILESS = (204, 304)
_PLAIN_INIT = RequestHandler.__init__  # tracing puts a function of its own around it


class LeanHandler(RequestHandler):
    """A handler of the service in ``context``; its answers have a date and the request's id."""

    ui = ObjectDict()
    """Templates have no further names; see ``__init__``."""

    SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "QUERY")

    _request_id = ""

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        self.context: ServiceContext = application.settings["context"]
        """The running service."""
        if isinstance(self, WebSocketHandler) or RequestHandler.__init__ is not _PLAIN_INIT:
            super().__init__(application, request, **kwargs)
            return
        # As RequestHandler's own, but for the names that templates may use: 1.5 µs, and a cycle each time
        self.application = application
        self.request = request
        self._headers_written = False
        self._finished = False
        self._auto_finish = True
        self._prepared_future = None
        self.clear()
        connection: Any = request.connection
        connection.set_close_callback(self.on_connection_close)
        self.initialize(**kwargs)

    @property
    def request_id(self) -> str:
        """The request's ``X-Request-ID``, or a new one where it has none that is fit for a log."""
        if not self._request_id:
            given = self.request.headers.get("X-Request-ID", "")
            self._request_id = given if given and _REQUEST_ID.fullmatch(given) else new_request_id()
        return self._request_id

    async def _execute(self, transforms: list[OutputTransform], *args: bytes, **kwargs: bytes) -> None:
        """Run the handler's method, as Tornado's own does for a request whose body is there.

        Left out is what handlers of a service do otherwise: forms (``ServiceHandler.read_form``), the guard
        against forged requests (``auth.cookies``), variables without a name.
        """
        if self._stream_request_body:
            await super()._execute(transforms, *args, **kwargs)
            return
        self._transforms = transforms
        try:
            method = self.request.method or ""
            if method not in self.SUPPORTED_METHODS:
                raise HTTPError(405)
            self.path_args: list[str] = []
            self.path_kwargs = {name: self.decode_argument(value, name) for name, value in kwargs.items()}
            prepared = self.prepare()
            if prepared is not None:
                await prepared
            if self._finished:
                return
            result = getattr(self, method_name(method))(**self.path_kwargs)
            if result is not None:
                await result
            if self._auto_finish and not self._finished:
                self.finish()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or not task.cancelling():  # something that it waited for was cancelled
                self._handle_request_exception(error)
                return
            if not self._finished:
                self.send_error(500)
            raise
        except Exception as error:
            self._handle_request_exception(error)

    def clear(self) -> None:
        """An empty answer with the headers of every answer, errors included."""
        # Tornado formats a Date and sets a Server and a Content-Type that we drop: 4.4 µs against 1.1 µs
        self._write_buffer = []
        self._status_code = 200
        self._reason = "OK"
        self._headers = Headers(
            {"Date": http_date(), "X-Content-Type-Options": "nosniff", "X-Request-Id": self.request_id}
        )
        self.set_default_headers()

    def set_default_headers(self) -> None:
        """Further headers of every answer, errors included."""

    def log_request(self) -> None:
        """The answer is complete; called once for each request."""

    def set_header(self, name: str, value: bytes | str | int | Integral | datetime) -> None:
        """As RequestHandler's, with a shorter look at what is plain text."""
        if isinstance(value, str) and value.isascii() and value.isprintable():
            self._headers[name] = value
        else:
            super().set_header(name, value)

    def check_etag_header(self) -> bool:
        """Whether If-None-Match holds the answer's tag; asked for each answer, and most have no tag."""
        return "Etag" in self._headers and super().check_etag_header()

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Arguments and path variables are UTF-8; BadRequest otherwise."""
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise BadRequest(f"{name or 'The address'} is not valid UTF-8.") from None

    def flush(self, include_footers: bool = False) -> asyncio.Future[None]:
        """Send what was written; a draining service asks the client to close the connection."""
        if not self._headers_written and self.context.draining:
            self.set_header("Connection", "close")
        return super().flush(include_footers)

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> asyncio.Future[None]:
        """Complete the answer."""
        status = self._status_code
        if self._headers_written or self._finished or status < 200 or status in _BODILESS:
            return super().finish(chunk)
        # An answer in one piece, which most are. Tornado's way asks again and again what has been sent
        # already, for a tag to compute and to compare, and whether there are cookies: 4 µs
        if chunk is not None:
            self.write(chunk)
        body = b"".join(self._write_buffer)
        headers = self._headers
        if "Content-Length" not in headers:
            headers["Content-Length"] = str(len(body))
        if self.context.draining:
            headers["Connection"] = "close"
        for transform in self._transforms:
            self._status_code, headers, body = transform.transform_first_chunk(status, headers, body, True)
        if hasattr(self, "_new_cookie"):
            for cookie in self._new_cookie.values():
                headers.add("Set-Cookie", cookie.OutputString(None))
        connection: Any = self.request.connection
        connection.set_close_callback(None)
        self._headers_written = True
        future: asyncio.Future[None] = connection.write_headers(
            ResponseStartLine("", self._status_code, self._reason),
            headers,
            b"" if self.request.method == "HEAD" else body,
        )
        connection.finish()
        self.log_request()
        self._finished = True
        self._write_buffer = []
        self.on_finish()
        return future


def new_request_id() -> str:
    """16 hex digits. They need to differ, not to be hard to guess: `secrets` takes three times as long."""
    return f"{_randbits(64):016x}"


_randbits = random.Random().getrandbits  # noqa: S311  # seeded by the system in each process


@lru_cache(maxsize=2)
def _date_of(second: int) -> str:
    return format_timestamp(second)


def http_date() -> str:
    """Now, as a Date header; formatted once a second (2.4 µs each time otherwise)."""
    return _date_of(int(time.time()))
