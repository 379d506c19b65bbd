"""Compare the cost of a small answer: ``python bench/http/run.py [--rounds N] [--seconds S]``."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from load import Load, measure
from servers import PEERS, Server, prepare_peers, running_servers


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is asked")
    parser.add_argument("--seconds", type=int, default=3, help="how long each time")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", default="", help="part of a name, to leave the others out")
    arguments = parser.parse_args()
    servers = [server for server in PEERS if arguments.only in server.name]
    with tempfile.TemporaryDirectory(prefix="storefronts-bench-") as folder:
        peers = prepare_peers(Path(folder))
        print(f"peers: {peers.versions}", flush=True)
        with running_servers(servers, peers):
            results: dict[str, list[Load]] = {server.name: [] for server in servers}
            for number in range(1, arguments.rounds + 1):
                for server in servers:
                    load = measure(server, arguments.seconds, arguments.connections)
                    results[server.name].append(load)
                print(f"round {number} of {arguments.rounds} done", file=sys.stderr, flush=True)
    print(table(servers, results))


def table(servers: list[Server], results: dict[str, list[Load]]) -> str:
    """Medians over the rounds, the spread of the main figure, and how often the first is as cheap."""
    first = statistics.median(load.cpu_us for load in results[servers[0].name])
    lines = [
        "| server | CPU µs/request | spread | ratio | requests/s | p50 ms | p99 ms |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for server in servers:
        loads = results[server.name]
        cpu = [load.cpu_us for load in loads]
        median = statistics.median(cpu)
        lines.append(
            f"| {server.name} | {median:.1f} | {min(cpu):.1f}–{max(cpu):.1f} | {median / first:.2f} "
            f"| {statistics.median(load.rate for load in loads):,.0f} "
            f"| {statistics.median(load.p50_ms for load in loads):.2f} "
            f"| {statistics.median(load.p99_ms for load in loads):.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} failed: {error.stderr or error.stdout}")
