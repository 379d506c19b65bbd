"""The Tornado application of a service: its routes, the guard before each handler, its connections."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Sequence
from typing import Any, cast

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.web import Application, OutputTransform, RequestHandler

from .auth.access import Access
from .compression import Gzip
from .context import ServiceContext
from .delegate import WholeBody
from .lifecycle import ProblemHandler, RequestLifecycle
from .limits import UNLIMITED, AskFirst, RequestGuard, check_head
from .problems import NotFound, Problem
from .request import ServiceRequest
from .routing import Route, RouteTable


class ServiceApplication(Application):
    """Finds handlers by the service's route table and keeps track of connections for the drain."""

    def __init__(self, context: ServiceContext, routes: Sequence[Route]) -> None:
        transforms: list[type[OutputTransform]] = [Gzip] if context.settings.gzip else []
        super().__init__([], transforms=cast(Any, transforms), context=context, log_function=_log_request)
        self.transforms = transforms  # an empty list means none; Application would put its own there
        self._context = context
        self._routes = RouteTable(routes, context.settings.base_path)
        self._connections: dict[object, _Connection] = {}

    def find_handler(  # type: ignore[override]  # a guard around what Application would return
        self, request: ServiceRequest, **kwargs: Any
    ) -> HTTPMessageDelegate:
        """The guarded handler of a request's path."""
        found = self._routes.find(request.path)
        if found is None:
            delegate = self._reject(request, NotFound("There is nothing at this address."))
            handler: type[RequestHandler] = ProblemHandler
        else:
            route, variables = found
            handler = route.handler
            delegate = self._delegate(request, handler, {"route": route, **route.kwargs}, variables)
        headers = request.headers
        if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
            # Most requests: there is no body to guard against
            problem = check_head(request, self._context.settings)
            return delegate if problem is None else self._reject(request, problem)
        streaming = bool(getattr(handler, "_stream_request_body", False))
        unlimited = streaming and bool(getattr(handler, "unlimited_body", False))
        return RequestGuard(
            delegate,
            request,
            self._context.settings,
            self._reject,
            streaming=streaming,
            max_body=UNLIMITED if unlimited else self._context.settings.max_body_bytes,
            ask_first=None if found is None or streaming else self._ask_first(request, found[0]),
        )

    def _delegate(
        self,
        request: HTTPServerRequest,
        handler: type[RequestHandler],
        kwargs: dict[str, Any],
        variables: dict[str, bytes],
    ) -> HTTPMessageDelegate:
        if getattr(handler, "_stream_request_body", False):
            return self.get_handler_delegate(request, handler, kwargs, path_kwargs=variables)
        return WholeBody(self, request, handler, kwargs, variables)

    def _ask_first(self, request: ServiceRequest, route: Route) -> AskFirst | None:
        """How to find out, before a large body is read, that its sender will not be let in."""
        if route.access_for(request.method or "") is Access.PUBLIC:
            return None
        return functools.partial(cast(type[RequestLifecycle], route.handler).refusal, self._context, request)

    def _reject(self, request: HTTPServerRequest, problem: Problem) -> HTTPMessageDelegate:
        return self._delegate(request, ProblemHandler, {"problem": problem}, {})

    # -- connections --------------------------------------------------------------------------------

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """A connection is ready for its next request."""
        connection = self._connections.get(server_conn)
        if connection is None:
            connection = self._connections[server_conn] = _Connection(server_conn)
        elif connection.told_to_close:
            connection.close()
        connection.busy = False
        return _Tracked(self, self._context, connection, server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """A connection is gone."""
        self._connections.pop(server_conn, None)
        super().on_close(server_conn)

    def close_idle_connections(self) -> None:
        """Close every connection that has served and has nothing to do.

        One that was accepted and has sent nothing yet is spared: its first request may be on the way.
        """
        for connection in list(self._connections.values()):
            if not connection.busy and not connection.fresh:
                connection.close()

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    @property
    def busy_connections(self) -> int:
        """How many connections have a request whose answer is not out yet."""
        return sum(connection.busy for connection in self._connections.values())

    @property
    def fresh_connections(self) -> int:
        """How many connections have sent no request yet."""
        return sum(connection.fresh for connection in self._connections.values())


class _Connection:
    """A client's connection: whether a request is being served on it."""

    def __init__(self, server_conn: Any) -> None:
        self._server_conn = server_conn
        self._closing: asyncio.Future[Any] | None = None
        self.fresh = True
        self.busy = False
        self.told_to_close = False

    def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._server_conn.close())


class _Tracked(HTTPMessageDelegate):
    """Finds the handler of a request, and marks its connection busy from the request's head on."""

    __slots__ = ("_application", "_connection", "_context", "_inner", "_request_conn", "_server_conn")

    _inner: HTTPMessageDelegate  # there from the head on

    def __init__(
        self,
        application: ServiceApplication,
        context: ServiceContext,
        connection: _Connection,
        server_conn: object,
        request_conn: HTTPConnection,
    ) -> None:
        self._application = application
        self._context = context
        self._connection = connection
        self._server_conn = server_conn
        self._request_conn = request_conn

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        assert isinstance(start_line, RequestStartLine)
        self._connection.busy = True
        self._connection.fresh = False
        # A request that arrives while the service drains is answered with "Connection: close"
        self._connection.told_to_close = self._context.draining
        request = ServiceRequest(self._request_conn, self._server_conn, start_line, headers)
        self._inner = self._application.find_handler(request)
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        self._inner.finish()

    def on_connection_close(self) -> None:
        if hasattr(self, "_inner"):
            self._inner.on_connection_close()


def _log_request(handler: RequestHandler) -> None:
    if isinstance(handler, RequestLifecycle):
        handler.log_request()
