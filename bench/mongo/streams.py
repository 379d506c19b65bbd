"""A great many documents through one request: how long it takes, and how much memory."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bench.harness import Lab, Running, Table

PATH = "/v1/million"
GOAL_MIB = 200


def stream_table(lab: Lab, server: Running) -> Table:
    """Import and export; a million documents with ``--full``."""
    count = 1_000_000 if lab.full else 5_000 if lab.quick else 50_000
    rows, most = [], 0.0
    for what, stream in (("import", _import), ("export", _export)):
        lab.say(f"{what} of {count:,} documents")
        start = time.monotonic()
        stream(server, count)
        seconds = time.monotonic() - start
        most = _most_memory(server.pid)
        rows.append((what, f"{count:,}", f"{seconds:.1f}", f"{count / seconds:,.0f}", f"{most:.0f}"))
    verdict = "met" if most < GOAL_MIB else "not met"
    notes = [f"Goal, a million documents with the service under {GOAL_MIB} MiB: **{verdict}**."]
    if not lab.full:
        notes = [
            f"The goal is a million documents with the service under {GOAL_MIB} MiB; that run is `--full`."
        ]
    columns = ("mongo-svc", "documents", "seconds", "documents/s", "most MiB")
    return Table("Import and export as NDJSON", columns, tuple(rows), tuple(notes))


def _import(server: Running, count: int) -> None:
    """Send small documents while they are made."""

    def body() -> Iterator[bytes]:
        for first in range(0, count, 1000):
            yield b"".join(
                b'{"name":"n%d","content":{"title":"document %d","price":%d,"tags":["a","b"]}}\n'
                % (number, number, number % 100)
                for number in range(first, min(first + 1000, count))
            )

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=3600)
    connection.request("POST", PATH, body(), {"Content-Type": "application/x-ndjson"}, encode_chunked=True)
    told = connection.getresponse().read().splitlines()
    connection.close()
    assert json.loads(told[-1])["inserted"] == count, told


def _export(server: Running, count: int) -> None:
    """Read them all back."""
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        server.url + PATH, headers={"Accept": "application/x-ndjson"}
    )
    lines = 0
    with urllib.request.urlopen(request, timeout=3600) as answer:  # noqa: S310
        while chunk := answer.read(1 << 16):
            lines += chunk.count(b"\n")
    assert lines == count, lines


def _most_memory(pid: int) -> float:
    """The most resident memory that a process ever had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found, status
    return int(found[1]) / 1024
