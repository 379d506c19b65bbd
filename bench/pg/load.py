"""Ask one server as fast as it answers, and read off what that cost it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from servers import Server

BODY = json.dumps([{"name": f"entry {number}", "value": number} for number in range(1000)])


@dataclass
class Load:
    """What one round found: requests per second, CPU time of the server for each, latencies."""

    rate: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float


def measure(server: Server, which: int, seconds: int, connections: int) -> Load:
    """One round with ``wrk``. AssertionError when an answer is not a success."""
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "--latency",
        server.url + server.paths[which],
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if which == len(server.paths) - 1:
            script.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n')
            script.write(f"wrk.body = [==[{BODY}]==]\n")
            script.flush()
            command[1:1] = ["-s", script.name]
        before, start = _cpu_seconds(server.pid), time.monotonic()
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        elapsed, cpu = time.monotonic() - start, _cpu_seconds(server.pid) - before
    assert "Non-2xx" not in text, text
    assert "Socket errors" not in text, text
    count = re.search(r"(\d+) requests in", text)
    assert count, text
    return Load(
        int(count[1]) / elapsed, cpu / int(count[1]) * 1e3, _percentile(text, 50), _percentile(text, 99)
    )


def stream(server: Server, path: str) -> tuple[int, float, int]:
    """Read a stream of rows; the number of lines, seconds, and by how many MiB the server grew meanwhile."""
    request = urllib.request.Request(server.url + path, headers={"Accept": "application/x-ndjson"})  # noqa: S310
    before, start, most, lines = _resident(server.pid), time.monotonic(), 0, 0
    with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
        while chunk := answer.read(1 << 16):
            lines += chunk.count(b"\n")
            most = max(most, _resident(server.pid))
    return lines, time.monotonic() - start, (most - before) >> 20


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _percentile(text: str, which: int) -> float:
    found = re.search(rf"{which}%\s+([\d.]+)(us|ms|s)\b", text)
    assert found, text
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
