"""Warm answers beside a peer, a storm over many places, and answers while the upstream is dead.

``python bench/weather/run.py [--rounds N] [--seconds S] [--only warm|storm|dead]``
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from load import Load, measure, one_by_one
from servers import OURS, SERVERS, prepare_peers, running

from devstack.weather.upstream import WeatherUpstream

WARM = "/v1/current?city=Berlin,DE"
STORM_PLACES = 200
STORM_BUDGET = 60
STORM_REQUESTS = 100_000
DEAD_REQUESTS = 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is asked")
    parser.add_argument("--seconds", type=int, default=3, help="how long each time")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", choices=("warm", "storm", "dead"))
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is needed (apt-get install wrk)")
    with WeatherUpstream() as upstream:
        if arguments.only in (None, "warm"):
            warm(upstream, arguments.rounds, arguments.seconds, arguments.connections)
        if arguments.only in (None, "storm"):
            storm(upstream, arguments.connections)
        if arguments.only in (None, "dead"):
            dead(upstream)


def warm(upstream: WeatherUpstream, rounds: int, seconds: int, connections: int) -> None:
    """The same place again and again, from every server in turn."""
    with tempfile.TemporaryDirectory(prefix="storefronts-bench-") as folder, ExitStack() as stack:
        peers, versions = prepare_peers(Path(folder))
        print(f"peers: {versions}", flush=True)
        results: dict[str, list[Load]] = {server.name: [] for server in SERVERS}
        for server in SERVERS:
            stack.enter_context(running(server, upstream.url, peers))
            _, body = one_by_one(server, WARM, 200)
            assert json.loads(body)["place"]["name"] == "Berlin"
        for number in range(1, rounds + 1):
            for server in SERVERS:
                results[server.name].append(measure(server, [WARM], seconds, connections))
            print(f"round {number} of {rounds} done", file=sys.stderr, flush=True)
    first = statistics.median(load.cpu_us for load in results[OURS.name])
    print("\n| server | CPU µs/request | spread | ratio | requests/s | p50 ms | p99 ms |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, loads in results.items():
        cpu = [load.cpu_us for load in loads]
        print(
            f"| {name} | {statistics.median(cpu):.1f} | {min(cpu):.1f}–{max(cpu):.1f} "
            f"| {statistics.median(cpu) / first:.2f} "
            f"| {statistics.median(load.rate for load in loads):,.0f} "
            f"| {statistics.median(load.p50_ms for load in loads):.2f} "
            f"| {statistics.median(load.p99_ms for load in loads):.2f} |"
        )


def storm(upstream: WeatherUpstream, connections: int) -> None:
    """Many places, each answer stale after a second: what reaches the upstream in a minute?"""
    upstream.reset()
    paths = [f"/v1/current?latitude={number / 10}&longitude={number / 10}" for number in range(STORM_PLACES)]
    with running(OURS, upstream.url, "", WEATHER_LIFETIME="1", WEATHER_BUDGET=str(STORM_BUDGET)) as server:
        start, count = time.monotonic(), 0
        while count < STORM_REQUESTS and time.monotonic() - start < 55:
            count += measure(server, paths, 5, connections).count
        elapsed = time.monotonic() - start
    asked = len(upstream.requests)
    print(
        f"\nstorm: {count:,} requests over {STORM_PLACES} places in {elapsed:.0f} s; "
        f"{asked} upstream requests, the budget is {STORM_BUDGET} a minute"
    )
    assert asked <= STORM_BUDGET


def dead(upstream: WeatherUpstream) -> None:
    """A place that was seen before, after every upstream has died."""
    upstream.reset()
    with running(OURS, upstream.url, "", WEATHER_LIFETIME="0.5") as server:
        one_by_one(server, WARM, 1)
        upstream.misbehave("hang")
        time.sleep(1)  # the lifetime
        times, body = one_by_one(server, WARM, DEAD_REQUESTS)
        document = json.loads(body)
        assert document["stale"] is True, document
    upstream.reset()
    middle, most = times[len(times) // 2], times[-1]
    print(f"\ndead upstream: {len(times)} stale answers, median {middle:.2f} ms, slowest {most:.2f} ms")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} failed: {error.stderr or error.stdout}")
