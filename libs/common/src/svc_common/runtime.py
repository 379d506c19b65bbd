"""How a service runs: settings → logs → lifespan → listen → serve → drain → lifespan's end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate
from tornado.netutil import bind_sockets

from . import httpserver, metrics
from .admin import admin_application
from .application import ServiceApplication
from .auth import build_authenticator
from .context import ServiceContext
from .cors import CorsPolicy
from .delegate import ForwardedOnly
from .limits import HARD_HEADER_BYTES, UNLIMITED
from .logs import get_logger
from .openapi import OpenApi, openapi_routes
from .process import (
    WORKER_VARIABLE,
    StartError,
    collect_rarely,
    run_loop,
    stop_on_signals,
    stop_without_parent,
)
from .ratelimit import LocalRates, RateLimiter, RatePolicy
from .routing import check_routes
from .service import Service
from .settings import ServiceSettings, SettingsError
from .sharedrates import SharedRates
from .tls import serving_tls
from .tracing import tracing

log = get_logger("svc_common.runtime")

BACKLOG = 1024
_GOODBYE_SECONDS = 2.0
_FIRST_REQUEST_SECONDS = 0.5  # what a connection accepted at the last moment has to send its request
_POLL = 0.02


@dataclass
class RunningService:
    """A service that listens."""

    context: ServiceContext
    host: str
    port: int
    admin_host: str
    admin_port: int
    connections: Callable[[], int]
    """How many connections clients hold to the API port."""

    @property
    def url(self) -> str:
        """The API's address, base path included."""
        scheme = "https" if self.context.settings.tls_cert_file else "http"
        return f"{scheme}://{_bracketed(self.host)}:{self.port}{self.context.settings.base_path}"

    @property
    def admin_url(self) -> str:
        """The admin port's address."""
        return f"http://{_bracketed(self.admin_host)}:{self.admin_port}"


@asynccontextmanager
async def running(
    service: Service[Any, Any], settings: ServiceSettings, *, reuse_port: bool = False
) -> AsyncIterator[RunningService]:
    """Start a service; it serves while the block runs, and drains when the block ends.

    Raises StartError when it cannot start, whatever the reason, and SettingsError where that is a setting.
    """
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(tracing(service.name, service.version, settings.otel_exporter_otlp_endpoint))
        try:
            state = await stack.enter_async_context(service.lifespan(settings))
        except SettingsError:
            raise
        except Exception as error:
            log.debug("start_failed", exc_info=error)
            raise StartError(f"cannot start: {type(error).__name__}: {error}") from error
        context = ServiceContext(
            name=service.name,
            version=service.version,
            settings=settings,
            state=state,
            authenticator=build_authenticator(
                settings, service.name, service.issuer(state) if service.issuer else None
            ),
            cors=CorsPolicy(settings.cors_origins),
            checks=tuple(service.checks(state)) if service.checks else (),
        )
        shared = await stack.enter_async_context(_shared_rates(service, settings))
        if settings.rate_limit:
            context.limiter = RateLimiter(RatePolicy.parse(settings.rate_limit), shared or LocalRates())
        if shared is not None:
            context.checks = (*context.checks, shared.check)
        routes = list(service.routes)
        if service.package:
            routes = [*openapi_routes(OpenApi(service.package, settings.base_path)), *routes]
        check_routes(routes)
        application = ServiceApplication(context, routes)
        admin_host = settings.admin_host or settings.server_host
        api_sockets = _bind("SERVER_PORT", settings.server_host, settings.server_port, reuse_port)
        stack.callback(_close_all, api_sockets)
        admin_sockets = _bind("ADMIN_PORT", admin_host, settings.admin_port, reuse_port)
        stack.callback(_close_all, admin_sockets)
        server = _server(application, settings, await stack.enter_async_context(serving_tls(settings)))
        admin = HTTPServer(admin_application(context), idle_connection_timeout=60, max_body_size=65536)
        admin.add_sockets(admin_sockets)
        server.add_sockets(api_sockets)
        metrics.BUILD_INFO.labels(service.name, context.version).set(1)
        metrics.observe_in_flight(service.name, lambda: context.in_flight)
        background = [
            asyncio.create_task(metrics.measure_loop_lag(service.name)),
            asyncio.create_task(_end_event_streams(context)),
        ]
        try:
            yield RunningService(
                context=context,
                host=api_sockets[0].getsockname()[0],
                port=api_sockets[0].getsockname()[1],
                admin_host=admin_sockets[0].getsockname()[0],
                admin_port=admin_sockets[0].getsockname()[1],
                connections=lambda: application.connections,
            )
        finally:
            await _drain(context, application, server)
            admin.stop()
            await admin.close_all_connections()
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            metrics.settle()
            metrics.observe_in_flight(service.name, None)


@asynccontextmanager
async def _shared_rates(
    service: Service[Any, Any], settings: ServiceSettings
) -> AsyncIterator[SharedRates | None]:
    """Where all processes count rate limits together; None where there is no such place."""
    if not settings.rate_limit or service.rates is None:
        yield None
        return
    try:
        run = service.rates(settings)
    except ValueError as error:
        raise StartError(f"cannot start: RATE_LIMIT_REDIS_URL: {error}") from None
    if run is None:
        yield None
        return
    try:
        yield SharedRates(run, service.name)
    finally:
        await run.close()


class _TornadoServer(HTTPServer):
    """Tornado's server; it also tells the application that a connection is gone."""

    @property
    def opening(self) -> int:
        """How many connections are accepted and not ready for requests yet."""
        return len(self._connections) - cast(ServiceApplication, self.request_callback).connections

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        delegate = super().start_request(server_conn, request_conn)
        return ForwardedOnly(delegate) if self.xheaders else delegate

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        cast(ServiceApplication, self.request_callback).on_close(server_conn)


def _server(
    application: ServiceApplication, settings: ServiceSettings, tls: ssl.SSLContext | None
) -> _TornadoServer | httpserver.HTTPServer:
    """The server of the API port; RequestGuard keeps the limits of a request, and answers 413 and 431."""
    if settings.http_server == "fast":
        return httpserver.HTTPServer(
            application,
            ssl_options=tls,
            xheaders=settings.trust_proxy,
            forwarded_only=True,
            idle_connection_timeout=settings.idle_timeout,
            header_timeout=settings.header_timeout,
            max_header_size=HARD_HEADER_BYTES,
            max_body_size=UNLIMITED,
        )
    return _TornadoServer(
        application,
        ssl_options=tls,
        xheaders=settings.trust_proxy,
        idle_connection_timeout=settings.idle_timeout,
        max_header_size=HARD_HEADER_BYTES,
        max_body_size=UNLIMITED,
    )


async def _drain(
    context: ServiceContext, application: ServiceApplication, server: _TornadoServer | httpserver.HTTPServer
) -> None:
    """Turn not ready, stop accepting, finish what is in flight, say goodbye to streams."""
    settings = context.settings
    context.draining = True
    if settings.drain_delay:
        log.info("draining", delay=settings.drain_delay, in_flight=context.in_flight)
        await asyncio.sleep(settings.drain_delay)
    await asyncio.sleep(_POLL)  # connections that wait to be accepted are accepted
    server.stop()
    application.close_idle_connections()
    await _until(
        lambda: server.opening == 0 and application.fresh_connections == 0,
        time.monotonic() + _FIRST_REQUEST_SECONDS,
    )
    deadline = time.monotonic() + settings.shutdown_grace
    finished = await _until(
        lambda: application.busy_connections <= context.streams - context.sockets, deadline
    )
    context.closing.set()
    gone = await _until(
        lambda: application.busy_connections == 0 and context.streams == 0,
        time.monotonic() + _GOODBYE_SECONDS,
    )
    if not (finished and gone):
        log.warning("requests_cut_off", in_flight=context.in_flight)
    await server.close_all_connections()


async def _end_event_streams(context: ServiceContext) -> None:
    await context.closing.wait()
    context.event_streams.end()


async def _until(condition: Callable[[], bool], deadline: float) -> bool:
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL)
    return True


def run(service: Service[Any, Any], settings: ServiceSettings) -> int:
    """Run in this process until SIGTERM or SIGINT; returns the exit status."""
    return run_loop(_serve(service, settings))


async def _serve(service: Service[Any, Any], settings: ServiceSettings) -> int:
    stop = asyncio.Event()
    stop_on_signals(stop)
    stop_without_parent(stop)
    async with running(service, settings, reuse_port=WORKER_VARIABLE in os.environ) as server:
        if settings.auth_development:
            report = log.info if settings.loopback_only else log.warning
            report("auth_development", detail="cookies travel without Secure over plain http", url=server.url)
        if settings.open_to_all:
            report = log.info if settings.loopback_only else log.warning
            report(
                "auth_mode_none",
                detail="everyone who reaches this address may read and write",
                address=server.url,
            )
        log.info(
            "listening",
            url=server.url,
            admin=server.admin_url,
            version=server.context.version,
            pid=os.getpid(),
            loop=type(asyncio.get_running_loop()).__module__,
        )
        collect_rarely()
        await stop.wait()
        log.info("stopping", in_flight=server.context.in_flight)
    log.info("stopped")
    return 0


def _bind(variable: str, host: str, port: int, reuse_port: bool) -> list[socket.socket]:
    try:
        return bind_sockets(port, host, backlog=BACKLOG, reuse_port=reuse_port)
    except OSError as error:
        reason = (
            "is already in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        )
        raise StartError(f"cannot start: {variable} {port} on {host or 'all addresses'} {reason}") from None


def _close_all(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
