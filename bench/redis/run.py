"""Compare Redis over HTTP: ``python bench/redis/run.py [--rounds N] [--seconds S]``. Needs wrk and webdis."""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from load import BATCH, Load, measure
from servers import Server, running_servers

from devstack.stores import Redis

VALUE = "x" * 100
GET = "GET of 100 bytes"
PIPELINE = f"pipeline of {BATCH} GETs"


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is asked")
    parser.add_argument("--seconds", type=int, default=3, help="how long each time")
    parser.add_argument("--connections", type=int, default=32)
    arguments = parser.parse_args()
    missing = [name for name in ("wrk", "webdis") if shutil.which(name) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)} (Debian packages of these names)")
    with (
        tempfile.TemporaryDirectory(prefix="storefronts-bench-") as folder,
        Redis(Path(folder) / "redis") as redis,
        running_servers(Path(folder) / "peers", redis.port) as servers,
    ):
        _set_value(redis.port)
        results: dict[tuple[str, str], list[Load]] = {}
        for number in range(1, arguments.rounds + 1):
            for name, server in servers.items():
                for title, path, script in workloads(name):
                    load = measure(server, path, arguments.seconds, arguments.connections, script)
                    results.setdefault((title, name), []).append(load)
            print(f"round {number} of {arguments.rounds} done", file=sys.stderr, flush=True)
    print(table(GET, servers, results, per_request=1))
    print()
    print(table(PIPELINE, servers, results, per_request=BATCH))
    print()
    for peer in ("FastAPI", "FastAPI, no access log"):
        print(f"GET against {peer}: {_ratio(results, GET, peer):.2f} times the requests per second")
    plain, piped = _ratio(results, GET, "webdis"), _ratio(results, PIPELINE, "webdis")
    print(
        f"pipeline against webdis: {plain:.2f} times the commands per second of its requests one by one, "
        f"{piped:.2f} times those of {BATCH} requests in one write"
    )


def workloads(name: str) -> list[tuple[str, str, str]]:
    """What a server is asked: title, path, script."""
    if name == "webdis":
        return [(GET, "/GET/bench", ""), (PIPELINE, "/", "http")]
    return [(GET, "/v1/records/bench", ""), (PIPELINE, "/pipeline", "body")]


def table(
    title: str, servers: dict[str, Server], results: dict[tuple[str, str], list[Load]], *, per_request: int
) -> str:
    """Medians over the rounds. wrk counts each of webdis's pipelined answers as a request."""
    lines = [f"| {title} | commands/s | spread | CPU µs/command | p99 ms |", "|---|--:|--:|--:|--:|"]
    for name in servers:
        loads = results[title, name]
        each = 1 if name == "webdis" else per_request
        rates = [load.rate * each for load in loads]
        lines.append(
            f"| {name} | {statistics.median(rates):,.0f} | {min(rates):,.0f}–{max(rates):,.0f} "
            f"| {statistics.median(load.cpu_us / each for load in loads):.1f} "
            f"| {statistics.median(load.p99_ms for load in loads):.1f} |"
        )
    return "\n".join(lines)


def _ratio(results: dict[tuple[str, str], list[Load]], peers_title: str, peer: str) -> float:
    title = PIPELINE if peer == "webdis" else GET
    each = 1 if title == GET else BATCH
    ours = statistics.median(load.rate for load in results[title, "redis-svc"]) * each
    return ours / statistics.median(load.rate for load in results[peers_title, peer])


def _set_value(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"SET bench {VALUE}\r\n".encode())
        assert connection.recv(16) == b"+OK\r\n"


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} failed: {error.stderr or error.stdout}")
