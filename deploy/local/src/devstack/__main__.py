"""``python -m devstack``: the stores, the services and the front door, together on this machine."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from devstack.stack.layout import Layout

EPILOG = """\
environment:
  PORT                     port of the front door (default 8080)
  OFFLINE=1                use simulated weather instead of the public service
  DATABASE_URL             use this PostgreSQL instead of the embedded one
  REDIS_URL                use this Redis (or REDIS_HOST and REDIS_PORT)
  MONGODB_URI              use this MongoDB
  AUTH_MODE, AUTH_TOKENS   who may do what; without them AUTH_MODE=none
  every other setting of the services is passed through, see docs/configuration.md

Each variable X may be given as X_FILE, the name of a file that holds the value.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stack until Ctrl-C or SIGTERM; return the exit status."""
    began = time.monotonic()
    options = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)  # until the stack is there to be stopped
    from devstack.stack import leftovers
    from devstack.stack.console import say, shown_path
    from devstack.stack.layout import Layout
    from devstack.stack.plan import PlanError

    layout = Layout(options.data.resolve())
    try:
        layout.create()
    except OSError as error:
        say(f"cannot create {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    try:
        with leftovers.only_one(layout, f"http://127.0.0.1:{options.port}/"):
            return _run(layout, options.port, began, offline=options.offline)
    except leftovers.AlreadyRunning as other:
        say(
            f"Storefronts is already running on {shown_path(layout.data)}: pid {other.pid}, {other.url}\n"
            "Stop that one first, or give this one a folder of its own with --data.",
            file=sys.stderr,
        )
    except PlanError as error:
        say(str(error), file=sys.stderr)
    return 1


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devstack",
        description="Run Storefronts on this machine: embedded stores, the four services and a front door. "
        "Ctrl-C stops everything; the data stay.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=os.environ.get("PORT") or "8080",
        help="port of the front door (default: PORT or 8080)",
    )
    parser.add_argument(
        "--data", type=Path, default=Path(".data"), help="folder for data and logs (default: .data)"
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        default=os.environ.get("OFFLINE", "").lower() in ("1", "true", "yes", "on"),
        help="use simulated weather (default: OFFLINE)",
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"the port of the front door must be from 1 to 65535, not {text!r}")
    return int(text)


def _run(layout: Layout, port: int, began: float, *, offline: bool) -> int:
    from devstack.ports import bind_error
    from devstack.stack import leftovers
    from devstack.stack.console import say, shown_path
    from devstack.stack.plan import make_plan
    from devstack.stack.runner import Runner
    from devstack.stores import StoreError

    if remains := leftovers.find(layout):
        say(f"An earlier run on {shown_path(layout.data)} was killed; stopping the processes it left …")
        leftovers.stop(remains)
    if error := bind_error(port):
        holder = leftovers.holder_of(port)
        say(
            f"port {port} (front door) {error}{f' by {holder}' if holder else ''}; "
            f"choose another with PORT={8090 if port != 8090 else 8091} make run",
            file=sys.stderr,
        )
        return 1
    plan = make_plan(layout, port, os.environ, offline=offline)
    say(f"Starting Storefronts; data and logs are in {shown_path(layout.data)}")
    for name in plan.missing:
        say(f"  {name:<13} is not installed in this environment and left out")
    try:
        for store in plan.stores:
            if store.embedded is None:
                say(f"  {store.kind.name:<13} {store.shown_url} (given by the environment)")
                continue
            for folder in store.embedded.grant_access():
                say(f"  {store.kind.name:<13} other accounts may now pass through (not list) {folder}")
    except (StoreError, OSError) as error:
        say(str(error), file=sys.stderr)
        return 1
    return asyncio.run(Runner(plan, layout, began).run())


if __name__ == "__main__":
    raise SystemExit(main())
