"""Prometheus metrics of every service. Labels are route patterns and status classes, never raw addresses."""

from __future__ import annotations

import asyncio
import os
import time
from functools import lru_cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

disable_created_metrics()  # type: ignore[no-untyped-call]

REQUESTS = Counter("http_requests", "Requests answered.", ["service", "route", "method", "status"])
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time from the request's head to the end of its answer.",
    ["service", "route", "method", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
IN_FLIGHT = Gauge(
    "http_requests_in_flight", "Requests being served.", ["service"], multiprocess_mode="livesum"
)
STREAMS = Gauge(
    "http_event_streams", "Open event streams and WebSockets.", ["service"], multiprocess_mode="livesum"
)
STORE_CALLS = Counter("store_calls", "Calls to a store.", ["store", "operation", "outcome"])
STORE_DURATION = Histogram(
    "store_call_duration_seconds",
    "Time a call to a store took.",
    ["store", "operation"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
LOOP_LAG = Gauge(
    "event_loop_lag_seconds",
    "How much later than asked the event loop ran a timer.",
    ["service"],
    multiprocess_mode="livemax",
)
BUILD_INFO = Gauge(
    "build_info", "Always 1; the labels say what runs.", ["service", "version"], multiprocess_mode="livemax"
)

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"))


@lru_cache(maxsize=4096)
def _request_series(service: str, route: str, method: str, status: str) -> tuple[Counter, Histogram]:
    # Finding a child by its labels takes a lock and a tuple each time; a request asks for two of them
    labels = (service, route, method, status)
    return REQUESTS.labels(*labels), DURATION.labels(*labels)


@lru_cache(maxsize=16)
def in_flight(service: str) -> Gauge:
    """The gauge of requests being served; found once (see above), since it is moved twice a request."""
    return IN_FLIGHT.labels(service)


def observe_request(service: str, route: str, method: str, status: int, seconds: float) -> None:
    """Count one answered request."""
    if method not in _METHODS:
        method = "other"
    count, duration = _request_series(service, route, method, f"{status // 100}xx")
    count.inc()
    duration.observe(seconds)


class observe_store:  # a class: a generator takes 2 µs more for each call
    """Count and time one call to a store: ``with observe_store("redis", "get"): …``."""

    __slots__ = ("_operation", "_start", "_store")

    def __init__(self, store: str, operation: str) -> None:
        self._store, self._operation = store, operation

    def __enter__(self) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Whatever ends the block with an exception is an error."""
        outcome = "ok" if kind is None else "error"
        calls, duration = _store_series(self._store, self._operation, outcome)
        calls.inc()
        duration.observe(time.perf_counter() - self._start)


@lru_cache(maxsize=1024)
def _store_series(store: str, operation: str, outcome: str) -> tuple[Counter, Histogram]:
    return STORE_CALLS.labels(store, operation, outcome), STORE_DURATION.labels(store, operation)


async def measure_loop_lag(service: str, interval: float = 1.0) -> None:
    """Keep the loop-lag gauge up to date until cancelled."""
    gauge = LOOP_LAG.labels(service)
    loop = asyncio.get_running_loop()
    while True:
        expected = loop.time() + interval
        await asyncio.sleep(interval)
        gauge.set(max(0.0, loop.time() - expected))


def render() -> bytes:
    """All metrics in Prometheus's text format, added up over the workers where there are several."""
    if MULTIPROCESS_VARIABLE not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
