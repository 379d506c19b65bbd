"""Ask one server as fast as it answers, and read off what that cost it."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers import OURS, Server


@dataclass
class Load:
    """What one round found: requests per second, and CPU time of the server for each."""

    rate: float
    cpu_ms: float


def reads(server: Server, which: int, seconds: int, connections: int) -> Load:
    """One round with ``wrk``. AssertionError when an answer is not a success."""
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        server.url + server.paths[which],
    ]
    before, start = cpu_seconds(server.pid), time.monotonic()
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    elapsed, cpu = time.monotonic() - start, cpu_seconds(server.pid) - before
    assert "Non-2xx" not in text, text
    assert "Socket errors" not in text, text
    count = re.search(r"(\d+) requests in", text)
    assert count, text
    return Load(int(count[1]) / elapsed, cpu / int(count[1]) * 1e3)


def insert(server: Server, items: list[dict[str, Any]]) -> Load:
    """One request that inserts many documents; the rate is in documents."""
    if server is OURS:
        body = b"".join(json.dumps(item).encode() + b"\n" for item in items)
        kind = "application/x-ndjson"
    else:
        body, kind = json.dumps(items).encode(), "application/json"
    request = urllib.request.Request(  # noqa: S310
        server.url + server.paths[2], body, {"Content-Type": kind}, method="POST"
    )
    before, start = cpu_seconds(server.pid), time.monotonic()
    with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
        text = answer.read()
    elapsed, cpu = time.monotonic() - start, cpu_seconds(server.pid) - before
    assert server is not OURS or json.loads(text)["inserted"] == len(items), text
    return Load(len(items) / elapsed, cpu / len(items) * 1e3)


@dataclass
class Stream:
    """An import or an export of many documents: how long it took, and the most memory in MiB."""

    seconds: float
    most_mib: float


def import_many(server: Server, count: int, path: str) -> Stream:
    """Send ``count`` small documents as NDJSON while they are made."""

    def body() -> Iterator[bytes]:
        for first in range(0, count, 1000):
            yield b"".join(
                b'{"name":"n%d","content":{"title":"document %d","price":%d,"tags":["a","b"]}}\n'
                % (number, number, number % 100)
                for number in range(first, min(first + 1000, count))
            )

    start = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=3600)
    connection.request("POST", path, body(), {"Content-Type": "application/x-ndjson"}, encode_chunked=True)
    summary = json.loads(connection.getresponse().read().splitlines()[-1])
    connection.close()
    assert summary["inserted"] == count, summary
    return Stream(time.monotonic() - start, most_memory(server.pid))


def export_many(server: Server, count: int, path: str) -> Stream:
    """Read them all back."""
    start = time.monotonic()
    request = urllib.request.Request(server.url + path, headers={"Accept": "application/x-ndjson"})  # noqa: S310
    lines = 0
    with urllib.request.urlopen(request, timeout=3600) as answer:  # noqa: S310
        while chunk := answer.read(1 << 16):
            lines += chunk.count(b"\n")
    assert lines == count, lines
    return Stream(time.monotonic() - start, most_memory(server.pid))


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_memory(pid: int) -> float:
    """The most resident memory that a process ever had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found, status
    return int(found[1]) / 1024
