"""weather-svc beside FastAPI with httpx and aiocache, in front of a local upstream with simulated weather."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.harness import (
    Bench,
    Contender,
    Goal,
    Lab,
    Request,
    Running,
    Server,
    Table,
    measure,
    service,
    uvicorn,
)
from devstack.weather.upstream import WeatherUpstream

HERE = Path(__file__).parent
JSON = {"Accept": "application/json"}
WARM = Request("/v1/current?city=Berlin,DE", headers=JSON)
PLACES = 200
BUDGET = 60
REQUESTS = 100_000
MINUTE = 55.0
DEAD_REQUESTS = 1000


def run(lab: Lab) -> Iterator[Table]:
    """From memory; then many places in a minute; then what was seen before an outage."""
    with WeatherUpstream() as upstream:
        yield _warm(lab, upstream)
        yield _storm(lab, upstream)
        yield _dead(lab, upstream)


def _ours(upstream: WeatherUpstream, http_server: str = "fast", **environment: str) -> Server:
    name = "weather-svc" if http_server == "fast" else "weather-svc, Tornado's server"
    addresses = {"WEATHER_URI": upstream.url, "WEATHER_GEOCODING_URI": upstream.url}
    return service(name, "-m", "weather_svc", http_server=http_server, **addresses, **environment)


def _warm(lab: Lab, upstream: WeatherUpstream) -> Table:
    app, folder = "fastapi_weather:app", HERE / "peers"
    addresses = {"WEATHER_URI": upstream.url, "WEATHER_GEOCODING_URI": upstream.url}
    peer = "FastAPI + httpx + aiocache"
    servers = [
        _ours(upstream),
        _ours(upstream, "tornado"),
        uvicorn(peer, app, folder, **addresses),
        uvicorn(f"{peer}, no log", app, folder, "--no-access-log", **addresses),
    ]
    with ExitStack() as stack:
        running = lab.start(stack, servers)
        for one in running.values():
            _, body = _one_by_one(one, WARM.path, 20)
            assert json.loads(body)["place"]["name"] == "Berlin", body
        goals = [Goal(peer, 1.5), Goal(f"{peer}, no log", 1.5)]
        contenders = [Contender(one, (WARM,)) for one in running.values()]
        return lab.compare("The same place, from memory", contenders, goals)


def _storm(lab: Lab, upstream: WeatherUpstream) -> Table:
    """Many places, each answer stale after a second: what reaches the upstream in a minute?"""
    lab.say(f"a storm over {PLACES} places")
    upstream.reset()
    requests = [
        Request(f"/v1/current?latitude={number / 10}&longitude={number / 10}", headers=JSON)
        for number in range(PLACES)
    ]
    most = 5.0 if lab.quick else MINUTE
    server = _ours(upstream, WEATHER_LIFETIME="1", WEATHER_BUDGET=str(BUDGET))
    with ExitStack() as stack:
        running = lab.start(stack, [server])[server.name]
        start, count = time.monotonic(), 0
        while count < REQUESTS and time.monotonic() - start < most:
            count += measure(running, requests, 5, lab.connections, refusals=True).count
        seconds = time.monotonic() - start
    asked = len(upstream.requests)
    assert asked <= BUDGET, f"{asked} upstream requests with a budget of {BUDGET}"
    row = ("weather-svc", f"{count:,}", f"{seconds:.0f}", f"{asked}", f"{BUDGET}")
    columns = ("server", "requests", "seconds", "upstream requests", "budget of a minute")
    return Table(f"A storm over {PLACES} places", columns, (row,))


def _dead(lab: Lab, upstream: WeatherUpstream) -> Table:
    lab.say("a dead upstream")
    upstream.reset()
    server = _ours(upstream, WEATHER_LIFETIME="0.5")
    with ExitStack() as stack:
        running = lab.start(stack, [server])[server.name]
        _one_by_one(running, WARM.path, 1)
        upstream.misbehave("hang")
        time.sleep(1)  # until the answer is stale
        times, body = _one_by_one(running, WARM.path, DEAD_REQUESTS)
    upstream.reset()
    assert json.loads(body)["stale"] is True, body
    slowest = times[-1]
    row = ("weather-svc", f"{len(times):,}", f"{times[len(times) // 2]:.2f}", f"{slowest:.2f}")
    notes = (f"Goal, under 5 ms: **{'met' if slowest < 5 else 'not met by the slowest'}**.",)
    columns = ("server", "stale answers", "median ms", "slowest ms")
    return Table("A place seen before, its upstream hanging", columns, (row,), notes)


def _one_by_one(server: Running, path: str, count: int) -> tuple[list[float], bytes]:
    """The sorted milliseconds of ``count`` requests over one connection, and the last answer's body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    times, body = [], b""
    for _ in range(count):
        start = time.perf_counter()
        connection.request("GET", path, headers=JSON)
        answer = connection.getresponse()
        body = answer.read()
        times.append((time.perf_counter() - start) * 1000)
        assert answer.status == 200, (answer.status, body)
    connection.close()
    return sorted(times), body


BENCH = Bench("weather", "Weather", ("fastapi", "uvicorn[standard]", "httpx", "aiocache"), run)
