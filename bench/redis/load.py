"""Ask a server as fast as it answers, with wrk, and read off what that cost it."""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from servers import Server

BATCH = 100
_COMMANDS = ",".join('["GET","bench"]' for _ in range(BATCH))

SCRIPTS = {
    # Our protocol: 100 commands in the body of one request
    "body": f"""
wrk.method = "POST"
wrk.path = "/pipeline"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '[{_COMMANDS}]'
""",
    # webdis has no such request; the most it can do is HTTP/1.1 pipelining: 100 requests in one write
    "http": f"""
local batch
init = function(arguments)
  local requests = {{}}
  for number = 1, {BATCH} do requests[number] = wrk.format("GET", "/GET/bench") end
  batch = table.concat(requests)
end
request = function() return batch end
""",
}


@dataclass
class Load:
    """What one round found: CPU time of the server for each request, requests per second, latency."""

    cpu_us: float
    rate: float
    p99_ms: float


def measure(server: Server, path: str, seconds: int, connections: int, script: str = "") -> Load:
    """One round. AssertionError when an answer is not a success."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", server.url + path]
    if script:
        file = Path(f"/proc/self/fd/{_in_memory(SCRIPTS[script])}")
        command[1:1] = ["-s", str(file)]
    before, start = _cpu_seconds(server.pid), time.monotonic()
    text = subprocess.run(command, check=True, capture_output=True, text=True, close_fds=False).stdout
    elapsed, cpu = time.monotonic() - start, _cpu_seconds(server.pid) - before
    assert "Non-2xx" not in text, text
    assert "Socket errors" not in text, text
    count = re.search(r"(\d+) requests in", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", text)
    assert count, text
    assert p99, text
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]
    return Load(cpu / int(count[1]) * 1e6, int(count[1]) / elapsed, float(p99[1]) * unit)


def _in_memory(text: str) -> int:
    number = os.memfd_create("wrk.lua", 0)
    os.set_inheritable(number, True)
    os.write(number, text.encode())
    return number


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; ``/proc/PID/stat``, fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
