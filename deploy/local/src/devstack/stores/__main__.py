"""``python -m devstack.stores redis --directory D --port N``: prepare a store and become its server."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from devstack.stores import Mongo, Postgres, Redis, Store, StoreError
from devstack.stores.children import end_with_parent, replace_this_process

# As a developer's machine needs them: what was acknowledged is on the disk.
KINDS: dict[str, Callable[[Path, int], Store]] = {
    "postgres": lambda directory, port: Postgres(directory, port, fsync=True),
    "redis": lambda directory, port: Redis(directory, port, fsync="always", keyspace_events="KEA"),
    "mongo": Mongo,
}


def main() -> int:
    """Run the store in the foreground, writing its log to standard output."""
    parent = os.getppid()
    parser = argparse.ArgumentParser(
        prog="python -m devstack.stores",
        description="Run one embedded store in the foreground, on the loopback interface.",
    )
    parser.add_argument("store", choices=sorted(KINDS))
    parser.add_argument("--directory", type=Path, required=True, help="where the store keeps its data")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--end-with-parent", action="store_true", help="stop when the parent process ends (Linux)"
    )
    arguments = parser.parse_args()
    store = KINDS[arguments.store](arguments.directory, arguments.port)
    try:
        for folder in store.grant_access():
            print(f"other accounts may now pass through (not list) {folder}", flush=True)
        store.prepare()
        command, account = store.command(), store.account()
    except (StoreError, OSError) as error:
        print(f"{arguments.store}: {error}", file=sys.stderr)
        return 1
    arm = end_with_parent(store.stop_signal, parent) if arguments.end_with_parent else None
    replace_this_process(command, cwd=store.directory, account=account, before_exec=arm)


if __name__ == "__main__":
    raise SystemExit(main())
