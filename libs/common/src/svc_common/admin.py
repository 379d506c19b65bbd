"""The admin port: liveness, readiness, metrics and version. Not for the public."""

from __future__ import annotations

import orjson
from tornado.web import Application, HTTPError, RequestHandler

from . import metrics
from .context import ServiceContext
from .health import run_checks
from .problems import CONTENT_TYPE as PROBLEM_JSON


class _AdminHandler(RequestHandler):
    SUPPORTED_METHODS = ("GET", "HEAD")

    def initialize(self, context: ServiceContext) -> None:
        self.context = context

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "text/plain; charset=utf-8")

    def compute_etag(self) -> str | None:
        return None

    async def head(self) -> None:
        result = self.get()
        if result is not None:
            await result

    def write_error(self, status_code: int, **kwargs: object) -> None:
        self.set_header("Content-Type", PROBLEM_JSON)
        self.finish(orjson.dumps({"type": "about:blank", "title": self._reason, "status": status_code}))


class Live(_AdminHandler):
    """``/livez``: the event loop turns. Touches no store, so that a store's trouble restarts nothing."""

    def get(self) -> None:
        self.write("ok\n")


class Ready(_AdminHandler):
    """``/readyz``: every required check passes. ``?verbose`` gives each check's result as JSON."""

    async def get(self) -> None:
        results = await run_checks(self.context.checks)
        failed = {name: result.error for name, result in results.items() if not result.ok and result.required}
        if self.context.draining:
            failed = {"service": "shutting down", **failed}
        if failed:
            self.set_status(503)
        if "verbose" in self.request.query_arguments or self.request.query == "verbose":
            self.set_header("Content-Type", "application/json")
            checks = {
                name: {
                    "ok": result.ok,
                    "required": result.required,
                    "seconds": round(result.seconds, 4),
                    "error": result.error or None,
                }
                for name, result in results.items()
            }
            document = {
                "status": "failed" if failed else "ok",
                "service": self.context.name,
                "version": self.context.version,
                "draining": self.context.draining,
                "in_flight": self.context.in_flight,
                "streams": self.context.streams,
                "checks": checks,
            }
            self.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        elif failed:
            self.write("".join(f"not ready: {name}: {error}\n" for name, error in failed.items()))
        else:
            self.write("ok\n")


class Metrics(_AdminHandler):
    """``/metrics``: Prometheus text."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.write(metrics.render())


class Version(_AdminHandler):
    """``/version``: what runs here."""

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.write(orjson.dumps({"service": self.context.name, "version": self.context.version}))


class Nothing(_AdminHandler):
    """Every other address."""

    def prepare(self) -> None:
        raise HTTPError(404)


def admin_application(context: ServiceContext) -> Application:
    """The application behind the admin port."""
    arguments = {"context": context}
    return Application(
        [
            ("/livez", Live, arguments),
            ("/readyz", Ready, arguments),
            ("/metrics", Metrics, arguments),
            ("/version", Version, arguments),
        ],
        default_handler_class=Nothing,
        default_handler_args=arguments,
        log_function=lambda handler: None,  # probes and scrapes would drown the log
    )
