"""How every address of the protocol answers: headers, errors in the protocol's shape, preflights."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from pg_svc.errors import ApiError, merge_headers, unsupported_method
from pg_svc.handlers.state import RestState
from pg_svc.render import Answer
from pg_svc.request.api import FUNCTION, check_method
from svc_common import Route, ServiceHandler

_METHODS = "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD"
_SAFE_HEADERS = ("Accept", "Accept-Language", "Content-Language")
_EXPOSED = (
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, "
    "Transfer-Encoding, Range-Unit"
)
_BODILESS = (204, 304)
_VARY = "Accept, Prefer, Range"
_STEPS = ("jwt", "parse", "plan", "transaction")


class AnsweringHandler(ServiceHandler[RestState]):
    """An address below ``/rest``, as far as its answers go."""

    kind = FUNCTION
    notices: tuple[tuple[str, str], ...] = ()
    """Headers of any answer but an error."""

    def initialize(self, route: Route | None = None) -> None:
        """Start the clock."""
        super().initialize(route)
        self._timings: dict[str, float] | None = None
        if self.state.settings.pgrst_server_timing_enabled:
            self._timings = {}
            self._clock = time.perf_counter()

    def set_default_headers(self) -> None:
        """Headers of every answer, under the origins that count now."""
        self.context.cors = self.state.configuration.in_force.cors
        super().set_default_headers()

    def stamp(self, name: str) -> None:
        """Note how long a step took, for Server-Timing."""
        if self._timings is None:
            return
        now = time.perf_counter()
        self._timings[name] = (now - self._clock) * 1000
        self._clock = now

    def send(self, answer: Answer, last: str = "response") -> None:
        """Send an answer. ``last`` is the step that Server-Timing ends with."""
        self.set_status(answer.status)
        told = (*answer.headers, *self.notices) if answer.status < 400 else answer.headers
        if answer.own:
            headers = self._headers  # the values need none of add_header's checks: 8 µs for four headers
            for name, value in told:
                headers[name] = _as_sent(value)
        else:
            for name, _ in told:
                self.clear_header(name)
            for name, value in told:
                self.add_header(name, _as_sent(value))
        self.stamp(last)
        self._common_headers()
        if answer.status < 400 and (
            answer.own or not any(name.lower() == "vary" for name, _ in answer.headers)
        ):
            self.add_vary(_VARY)
        if answer.status in _BODILESS or 100 <= answer.status < 200:
            return
        if self.request.method == "HEAD" and not answer.body:
            self.flush()  # now: the answer to GET was not made, so that its length is not known
            return
        self.write(answer.body)

    def _common_headers(self) -> None:
        settings = self.state.settings
        if self.context.cors.enabled:
            self.set_header("Access-Control-Expose-Headers", _EXPOSED)
        if self._timings:
            self.set_header(
                "Server-Timing",
                ", ".join(f"{name};dur={taken:.1f}" for name, taken in self._timings.items()),
            )
        trace = settings.pgrst_server_trace_header
        if trace and trace in self.request.headers:
            self.set_header(trace, self.request.headers[trace])

    def send_problem(self, error: ApiError) -> None:
        """Send an error of the protocol."""
        headers = [("Content-Type", "application/json; charset=utf-8")]
        if error.code.isprintable():  # a function may raise any
            headers.append(("Proxy-Status", f"PostgREST; error={error.code}"))
        headers = merge_headers(headers, error.headers)
        verbose = self.state.settings.pgrst_client_error_verbosity == "verbose"
        told = self._timings or ()
        failed = next((step for step in _STEPS if step not in told), _STEPS[-1])
        self.send(Answer(error.status, headers, error.body(verbose)), failed)
        if error.reason and error.reason.isascii() and error.reason.isprintable():
            self.set_status(error.status, error.reason)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Errors that the bootstrap raised, in the protocol's shape."""
        error = kwargs["exc_info"][1] if kwargs.get("exc_info") else None
        if status_code == 499:
            return
        if not isinstance(error, ApiError):
            error = self._foreign(status_code, kwargs.get("exc_info"))
        self.send_problem(error)
        self.finish()

    def _foreign(self, status_code: int, exc_info: tuple[Any, ...] | None) -> ApiError:
        if status_code == 405:
            try:
                check_method(self.request.method or "", self.kind)
            except ApiError as error:
                return error
            return unsupported_method(self.request.method or "")
        problem = self.problem(status_code, exc_info)
        return ApiError(
            problem.status_code,
            f"HTTP{problem.status_code}",
            problem.detail or problem.title or "",
            headers=tuple(problem.headers.items()),
        )

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """An ApiError has a status of its own."""
        error = kwargs["exc_info"][1] if kwargs.get("exc_info") else None
        super().send_error(error.status if isinstance(error, ApiError) else status_code, **kwargs)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """An ApiError is an answer."""
        if not isinstance(value, ApiError):
            super().log_exception(typ, value, tb)

    def preflight(self) -> None:
        """Answer a browser that asks what it may send (the Fetch standard's CORS preflight)."""
        if self.context.cors.enabled:
            asked = self.request.headers.get("Access-Control-Request-Headers", "")
            names = [name.strip() for name in asked.split(",") if name.strip()]
            self.set_header("Access-Control-Allow-Methods", _METHODS)
            self.set_header(
                "Access-Control-Allow-Headers", ", ".join(["Authorization", *names, *_SAFE_HEADERS])
            )
            self.set_header("Access-Control-Max-Age", "86400")


def _as_sent(value: str) -> str:
    """Headers are sent as Latin-1; names of the database are UTF-8."""
    return value if value.isascii() else value.encode().decode("latin-1")
