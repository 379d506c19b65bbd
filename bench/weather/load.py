"""Ask a server as fast as it answers (with wrk), or one by one (to see how long each takes)."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from servers import Server

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_ACCEPT = "Accept: application/json"

# Paths from a list, in turn, over all connections
_SCRIPT = """
local paths, at = {%s}, 0
request = function()
  at = at %% #paths + 1
  return wrk.format("GET", paths[at])
end
"""


@dataclass
class Load:
    """What one round found: answers, CPU time of the server for each, answers per second, latencies."""

    count: int
    cpu_us: float
    rate: float
    p50_ms: float
    p99_ms: float


def measure(server: Server, paths: Sequence[str], seconds: int, connections: int) -> Load:
    """One round over the paths. Answers may be refusals, but not server errors other than 503."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % ", ".join(f'"{path}"' for path in paths))
        script.flush()
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--timeout",
            "30s",
            "--latency",
            "-H",
            _ACCEPT,
        ]
        command += ["-s", script.name, server.url]
        before, start = _cpu_seconds(server.pid), time.monotonic()
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        elapsed, cpu = time.monotonic() - start, _cpu_seconds(server.pid) - before
    found = re.search(r"(\d+) requests in", text)
    assert found, text
    assert "Socket errors" not in text, text
    count = int(found[1])
    return Load(count, cpu / count * 1e6, count / elapsed, _percentile(text, 50), _percentile(text, 99))


def one_by_one(server: Server, path: str, count: int) -> tuple[list[float], bytes]:
    """The milliseconds of each of ``count`` requests over one connection, and the last answer's body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    times, body = [], b""
    for _ in range(count):
        start = time.perf_counter()
        connection.request("GET", path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        times.append((time.perf_counter() - start) * 1000)
        assert answer.status == 200, (answer.status, body)
    connection.close()
    return sorted(times), body


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; ``/proc/PID/stat``, fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _percentile(text: str, which: int) -> float:
    found = re.search(rf"{which}%\s+([\d.]+)(us|ms|s)\b", text)
    assert found, text
    return float(found[1]) * _UNITS[found[2]]
