"""Ask one server as fast as it answers, and read off what that cost it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from servers import PATH, Server

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_REQUEST = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


@dataclass
class Load:
    """What one round found: CPU time of the server for each request, requests per second, latencies."""

    cpu_us: float
    rate: float
    p50_ms: float
    p99_ms: float


def measure(server: Server, seconds: int, connections: int) -> Load:
    """One round. AssertionError when an answer is not 200."""
    before, start = _cpu_seconds(server.pid), time.monotonic()
    if shutil.which("wrk"):
        count, p50, p99 = _wrk(server, seconds, connections)
    else:
        count, p50, p99 = asyncio.run(_ask(server, seconds, connections))
    elapsed, cpu = time.monotonic() - start, _cpu_seconds(server.pid) - before
    return Load(cpu / count * 1e6, count / elapsed, p50, p99)


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; ``/proc/PID/stat``, fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wrk(server: Server, seconds: int, connections: int) -> tuple[int, float, float]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", server.url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in text, text
    count = re.search(r"(\d+) requests in", text)
    assert count, text
    return int(count[1]), _percentile(text, 50), _percentile(text, 99)


def _percentile(text: str, which: int) -> float:
    found = re.search(rf"{which}%\s+([\d.]+)(us|ms|s)\b", text)
    assert found, text
    return float(found[1]) * _UNITS[found[2]]


async def _ask(server: Server, seconds: int, connections: int) -> tuple[int, float, float]:
    """What wrk does, slower: it shares the machine's time with the server."""
    end = time.monotonic() + seconds
    times: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        while (start := time.monotonic()) < end:
            writer.write(_REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            assert length, head
            await reader.readexactly(int(length[1]))
            times.append(time.monotonic() - start)
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    times.sort()
    return len(times), times[len(times) // 2] * 1000, times[len(times) * 99 // 100] * 1000
