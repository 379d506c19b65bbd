"""What happens before and after every handler's method, the same way in all services.

Before: the method, the limits, who calls. After: errors become problems, the request is counted and logged.
How Tornado's own steps are taken is in ``leanhandler``, what a handler itself uses in ``handler``.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, cast

import orjson
from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.web import Finish, HTTPError, MissingArgumentError

from . import metrics
from .auth import Principal, bearer
from .auth.access import Access
from .auth.admission import admit, refusal_of
from .context import ServiceContext
from .leanhandler import LeanHandler
from .logs import get_logger, log_request
from .problems import CONTENT_TYPE as PROBLEM_JSON
from .problems import (
    BadRequest,
    MethodNotAllowed,
    Problem,
    Unavailable,
    UnsupportedMediaType,
    problem_of,
)
from .request import refusal_in
from .routing import Route
from .tracing import trace_id

log = get_logger("svc_common.lifecycle")

_CLIENT_CLOSED_REQUEST = 499  # nginx's status for a client that did not wait; it is only ever logged


class RequestLifecycle(LeanHandler):
    """The way of a request through a service, around the handler's own method."""

    cancel_on_disconnect = False
    """Whether the method is cancelled when its client goes away. Right for reads, wrong for most writes."""

    limited = True
    """Whether its requests count towards RATE_LIMIT. Those that are refused always do."""

    route: Route | None = None

    def initialize(self, route: Route | None = None) -> None:
        self.route = route
        self._counted = False
        self._streaming = False
        self._expired = False
        self._client_gone = False
        self._task: asyncio.Task[Any] | None = None

    # -- before and after ---------------------------------------------------------------------------

    @classmethod
    def credential(cls, request: HTTPServerRequest) -> str | None:
        """The caller's credential; None where it sent none. A protocol with its own place overrides this."""
        return bearer(request.headers.get("Authorization"))

    @classmethod
    async def refusal(cls, context: ServiceContext, request: HTTPServerRequest) -> Exception | None:
        """Why a request with a large body is to be refused before that is read.

        Asked where the route is not public, before there is a handler: the caller has to be known, no more. A
        handler whose ``access`` lets in whom its route does not overrides this, too.
        """
        return await refusal_of(context, request, cls.credential)

    def access(self) -> Access:
        """What this request needs; by default what its route declares for the method."""
        assert self.route is not None  # a handler without a route refuses before it asks
        return self.route.access_for(self.request.method or "")

    async def prepare(self) -> None:
        """Admit the request: method, limits, caller. An override must await this first."""
        context = self.context
        assert self.route is not None
        method = self.request.method or ""
        if not self._takes(method):
            raise MethodNotAllowed(f"This address takes {self.route.allow}.")
        if context.in_flight >= context.settings.max_in_flight:
            raise Unavailable("Too many requests at once; try again soon.")
        self._task = asyncio.current_task()
        self._counted = True
        context.in_flight += 1
        context.deadlines.enter(self, self._expire)
        access = self.access()
        if access is not Access.PUBLIC or refusal_in(self.request) is not None:
            await self._admit(access)
        if context.limiter is not None and self.limited:
            for name, value in (await context.limiter.admit(self.principal, self.request.remote_ip)).items():
                self.set_header(name, value)
        headers = self.request.headers
        if "Content-Encoding" in headers and headers["Content-Encoding"].lower() != "identity":
            raise UnsupportedMediaType("Send the body without Content-Encoding.")

    async def _admit(self, access: Access) -> None:
        try:
            self.current_user = await admit(self, access)
        except Exception:
            if self.context.limiter is not None:  # who is refused uses up what its address may do
                await self.context.limiter.admit(None, self.request.remote_ip)
            raise

    @property
    def principal(self) -> Principal | None:
        """Who calls; None on a public route."""
        return cast("Principal | None", self.current_user)

    def get_current_user(self) -> None:
        """Nobody, until ``prepare`` has admitted somebody."""
        return None

    async def head(self, *args: str, **kwargs: str) -> None:
        """As GET; the server leaves the body out."""
        result = self.get(*args, **kwargs)
        if result is not None:
            await result

    async def options(self, *args: str, **kwargs: str) -> None:
        """What this address takes, and the answer to a browser's preflight."""
        assert self.route is not None
        headers = self.request.headers
        self.set_header("Allow", self.route.allow)
        if "Access-Control-Request-Method" in headers:
            preflight = self.context.cors.preflight(
                headers.get("Origin"), headers.get("Access-Control-Request-Headers"), self.route.allow
            )
            for name, value in preflight.items():
                self.set_header(name, value)
        self.set_status(204)

    def set_default_headers(self) -> None:
        """Further headers of every answer, errors included."""
        if self.context.cors.enabled:
            for name, value in self.context.cors.headers(self.request.headers.get("Origin")).items():
                self._headers[name] = value

    def _takes(self, method: str) -> bool:
        assert self.route is not None
        if method == "HEAD":
            return "GET" in self.route.methods or type(self).head is not RequestLifecycle.head
        return method == "OPTIONS" or method in self.route.methods

    # -- the end of a request -----------------------------------------------------------------------

    def on_connection_close(self) -> None:
        """The client left before its answer."""
        super().on_connection_close()
        self._client_gone = True
        body = getattr(self.request, "_body_future", None)
        broken = body is not None and body.done() and not body.cancelled() and body.exception() is not None
        if broken and not self._finished:
            # It left while it was sending a streamed body: Tornado gives up without finishing the request
            self.set_status(_CLIENT_CLOSED_REQUEST, "Client Closed Request")
            self._finished = True
            self._log()
            self.on_finish()
            return
        if self.cancel_on_disconnect and self._task is not None:
            self._task.cancel()

    def _expire(self) -> None:
        self._expired = True
        if self._task is not None:
            self._task.cancel()

    def _clear_deadline(self) -> None:
        self.context.deadlines.leave(self)

    def abort(self) -> None:
        """Cut the connection, so that a half-sent answer is not taken for a whole one."""
        close = getattr(self.request.connection, "close", None)
        if close is not None:
            close()

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer with a problem; where the answer has begun already, cut it off."""
        if self._headers_written:
            if not self._finished:
                self.abort()
                self._finished = True  # there is nobody left to write to
                self._log()
                self.on_finish()
            return
        if self._client_gone:
            status_code, kwargs = _CLIENT_CLOSED_REQUEST, {"reason": "Client Closed Request"}
        elif self._expired:
            seconds = self.context.settings.request_timeout
            problem = Unavailable(f"The request took longer than {seconds:g} s.")
            status_code, kwargs = problem.status_code, {"exc_info": (Problem, problem, None)}
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Render an error as a problem. A protocol with an error shape of its own overrides this."""
        if status_code == _CLIENT_CLOSED_REQUEST:
            return
        problem = self.problem(status_code, kwargs.get("exc_info"))
        for name, value in problem.headers.items():
            self.set_header(name, value)
        if status_code == 405 and self.route is not None:
            self.set_header("Allow", self.route.allow)
        self.set_header("Content-Type", PROBLEM_JSON)
        self.set_header("Cache-Control", "no-store")
        self.finish(orjson.dumps(problem.document(instance=self.request.path, request_id=self.request_id)))

    def problem(self, status_code: int, exc_info: tuple[Any, ...] | None) -> Problem:
        """The problem for the arguments of ``write_error``."""
        error = exc_info[1] if exc_info else None
        if isinstance(error, MissingArgumentError):
            return BadRequest(f"The argument {error.arg_name} is missing.")
        return problem_of(error, status_code)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log what nobody expected. A problem is an answer, and the access log has it."""
        if isinstance(value, (HTTPError, Finish, StreamClosedError)):
            return
        log.error(
            "unhandled_exception",
            route=self.route.pattern if self.route else None,
            request_id=self.request_id,
            exc_info=value,
        )

    def log_request(self) -> None:
        """Count and log the answered request; called once for each."""
        self._clear_deadline()
        context, request = self.context, self.request
        seconds, status = request.request_time(), self.get_status()
        if self._counted:
            self._counted = False
            context.in_flight -= 1
        if self._streaming:
            self._streaming = False
            context.streams -= 1
            metrics.STREAMS.labels(context.name).dec()
        route = self.route.pattern if self.route else "unmatched"
        metrics.observe_request(context.name, route, request.method or "", status, seconds)
        fields: dict[str, Any] = {
            "method": request.method,
            "path": route if self.route and self.route.secret_path else request.path,
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1000, 2),
            "request_id": self.request_id,
            "remote": request.remote_ip,
        }
        if "traceparent" in request.headers:
            trace = trace_id(request.headers["traceparent"])
            if trace:
                fields["trace_id"] = trace
        if self.principal is not None:
            fields["caller"] = self.principal.name
        log_request(fields)


class ProblemHandler(RequestLifecycle):
    """Answers with the problem it was given: an unknown address, a request over a limit."""

    def initialize(self, problem: Problem, route: Route | None = None) -> None:  # type: ignore[override]
        super().initialize(route)
        self._problem = problem

    async def prepare(self) -> None:
        raise self._problem
