"""Compare requests for rows: ``python bench/pg/run.py [--rounds N] [--seconds S]``."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from load import Load, measure, stream
from servers import HERE, OURS, SERVERS, prepare_peers, running

from devstack.stores import Postgres

NAMES = ("one row by key", "100 rows", "20 rows with 5 each", "insert of 1,000 rows")


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is asked")
    parser.add_argument("--seconds", type=int, default=3, help="how long each time")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--peers", type=Path, help="a folder to keep the peers' environment in")
    parser.add_argument("--no-stream", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storefronts-bench-") as folder:
        python, versions = prepare_peers(arguments.peers or Path(folder) / "peers")
        print(f"peers: {versions}", flush=True)
        store = Postgres(Path(tempfile.mkdtemp(prefix="devstack-")))
        try:
            store.start()
            store.sql((HERE / "data.sql").read_text())
            _compare(python, store.url, arguments)
        finally:
            store.discard()


def _compare(python: str, database: str, arguments: argparse.Namespace) -> None:
    found: dict[tuple[int, str], list[Load]] = {}
    for number in range(1, arguments.rounds + 1):
        for server in SERVERS:
            with running(server, python, database):
                for which in range(len(NAMES)):
                    load = measure(server, which, arguments.seconds, arguments.connections)
                    found.setdefault((which, server.name), []).append(load)
                if server is OURS and number == 1 and not arguments.no_stream:
                    lines, seconds, grown = stream(server, "/rest/numbers")
                    print(f"streamed {lines:,} rows in {seconds:.1f} s, grown by {grown} MiB", flush=True)
        print(f"round {number} of {arguments.rounds} done", file=sys.stderr, flush=True)
    for which, name in enumerate(NAMES):
        print(f"\n{name}\n\n{table([(s.name, found[which, s.name]) for s in SERVERS])}")


def table(results: list[tuple[str, list[Load]]]) -> str:
    """Medians over the rounds; the ratio is ours to theirs."""
    ours = statistics.median(load.rate for load in results[0][1])
    lines = [
        "| server | requests/s | ours to it | CPU ms/request | p50 ms | p99 ms |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, loads in results:
        rate = statistics.median(load.rate for load in loads)
        lines.append(
            f"| {name} | {rate:,.0f} | {ours / rate:.2f} "
            f"| {statistics.median(load.cpu_ms for load in loads):.2f} "
            f"| {statistics.median(load.p50_ms for load in loads):.2f} "
            f"| {statistics.median(load.p99_ms for load in loads):.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
