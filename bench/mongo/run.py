"""Compare documents over HTTP: ``python bench/mongo/run.py [--rounds N] [--million N]``.

Needs ``wrk``. The embedded server is slow itself (about 2,000 reads a second, and it sorts a whole collection
for a page), so the CPU time of each service says more than its rate.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from load import Load, export_many, import_many, insert, reads
from pymongo import MongoClient, WriteConcern
from servers import OURS, SERVERS, prepare_peers, running

from devstack.stores import Mongo

READ = 500  # documents in the collection that is read
NAMES = ("get by name", "page of 100", "bulk insert of 10,000")
BULK = [
    {
        "name": f"n{number}",
        "content": {"title": f"document {number}", "price": number % 100, "tags": ["a", "b"]},
    }
    for number in range(10_000)
]


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is asked")
    parser.add_argument("--seconds", type=int, default=3, help="how long each time")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--peers", type=Path, help="a folder to keep the peers' environment in")
    parser.add_argument(
        "--million", type=int, default=1_000_000, help="documents to import and export; 0: none"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storefronts-bench-") as folder:
        python, versions = prepare_peers(arguments.peers or Path(folder) / "peers")
        print(f"peers: {versions}", flush=True)
        store = Mongo(Path(tempfile.mkdtemp(prefix="devstack-")))
        try:
            store.start()
            _compare(python, store.url, arguments)
            if arguments.million:
                _stream(python, store.url, arguments.million)
        finally:
            store.discard()


def _compare(python: str, url: str, arguments: argparse.Namespace) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(url)
    database = client.get_database("storefronts", write_concern=WriteConcern("majority", j=True))
    database.items.create_index("name", unique=True, sparse=True)
    database.items.insert_many(_stored()[:READ])
    found: dict[tuple[int, str], list[Load]] = {}
    for _ in range(arguments.rounds):
        for server in SERVERS:
            with running(server, python, url):
                for which in range(2):
                    load = reads(server, which, arguments.seconds, arguments.connections)
                    found.setdefault((which, server.name), []).append(load)
                _empty(database)
                found.setdefault((2, server.name), []).append(insert(server, BULK))
        _empty(database)
        start = time.monotonic()
        database.bulk.insert_many(_stored(), ordered=False)
        driver = Load(len(BULK) / (time.monotonic() - start), 0)
        found.setdefault((2, "the driver alone"), []).append(driver)
    for which, name in enumerate(NAMES):
        names = [server.name for server in SERVERS] + (["the driver alone"] if which == 2 else [])
        print(f"\n{name}\n\n{_table([(peer, found[which, peer]) for peer in names])}", flush=True)
    client.close()


def _stream(python: str, url: str, count: int) -> None:
    with running(OURS, python, url):
        for what, stream in (("import", import_many), ("export", export_many)):
            result = stream(OURS, count, "/v1/million")
            print(
                f"\n{what} of {count:,} documents: {result.seconds:.0f} s, "
                f"{count / result.seconds:,.0f} a second, at most {result.most_mib:.0f} MiB",
                flush=True,
            )


def _empty(database: Any) -> None:
    """The same empty collection, with its index, for everyone."""
    database.drop_collection("bulk")
    database.bulk.create_index("name", unique=True, sparse=True)


def _stored() -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [{**item, "revision": 1, "created": now, "updated": now} for item in BULK]


def _table(results: list[tuple[str, list[Load]]]) -> str:
    """Medians over the rounds; the ratio is ours to theirs."""
    ours = statistics.median(load.rate for load in results[0][1])
    lines = ["| server | per second | ours to it | CPU ms each |", "|---|--:|--:|--:|"]
    for name, loads in results:
        rate = statistics.median(load.rate for load in loads)
        cpu = statistics.median(load.cpu_ms for load in loads)
        lines.append(f"| {name} | {rate:,.0f} | {ours / rate:.2f} | {f'{cpu:.3f}' if cpu else '–'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
