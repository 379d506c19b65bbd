"""Many idle listeners to event streams, and one broadcast to all of them.

The listeners live in a process of their own (``listeners.py``), which also publishes, so that one clock times
both ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from .load import LoadError
from .peers import ROOT
from .servers import Running


@dataclass(frozen=True)
class Broadcast:
    """Bytes and CPU time of the server for each listener; ms from publishing to the middle and last one."""

    listeners: int
    bytes_each: float
    middle_ms: float
    last_ms: float
    cpu_us: float


def broadcast(server: Running, path: str, listeners: int, times: int) -> Broadcast:
    """Listen to ``GET path`` and publish with ``POST path``; the best of ``times``. Raises LoadError."""
    order = {"port": server.port, "path": path, "listeners": listeners, "times": times}
    before = server.resident_bytes()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.harness.listeners", json.dumps(order)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise LoadError(f"{server.name}: not all of {listeners:,} listeners were let in")
            each = (server.resident_bytes() - before) / listeners
            cpu = server.cpu_seconds()
            process.stdin.write("go\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            cpu = (server.cpu_seconds() - cpu) / listeners / times * 1e6
            if not answer:
                raise LoadError(f"{server.name}: not all of {listeners:,} listeners were told")
        finally:
            process.kill()
    middle, last = json.loads(answer)
    return Broadcast(listeners, each, middle, last, cpu)
