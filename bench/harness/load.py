"""Ask one server as fast as it answers, or at a steady rate, and read off what that cost it.

The load comes from ``wrk`` where that is installed, else from ``generator.py``, in a process of its own
either way. A steady rate always comes from ``generator.py``: wrk knows none.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .peers import ROOT
from .servers import Running

# wrk calls these; what is sent in turn is made once. In a run with several requests in one write wrk counts
# each answer.
_SCRIPT = """
local batches, at = {}, 0
init = function()
%s
end
request = function()
  at = at %% #batches + 1
  return batches[at]
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('{"count":%%d,"seconds":%%f,"refused":%%d,"broken":%%d,"p50":%%f,"p99":%%f,"p999":%%f}',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
"""


class LoadError(RuntimeError):
    """A server answered with an error, or not at all."""


@dataclass(frozen=True)
class Request:
    """What a server is asked; ``pipelined`` times in one write."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    pipelined: int = 1

    def encode(self) -> bytes:
        """The bytes on the wire."""
        headers = {"Host": "127.0.0.1", **self.headers}
        if self.body:
            headers["Content-Length"] = str(len(self.body.encode()))
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", self.body]).encode()


@dataclass(frozen=True)
class Load:
    """What one round found; CPU time in microseconds of the server for each request, latencies in ms.

    Requests that share a write are not timed (wrk cannot): their latencies are 0.
    """

    count: int
    cpu_us: float
    rate: float
    p50_ms: float
    p99_ms: float
    p999_ms: float


def measure(
    server: Running,
    requests: Sequence[Request],
    seconds: float,
    connections: int,
    *,
    refusals: bool = False,
) -> Load:
    """Ask as fast as the server answers. Raises LoadError, for refusals (400 and above) where not allowed."""
    generate = _wrk if shutil.which("wrk") else _own
    return _measured(server, requests, lambda: generate(server, requests, seconds, connections), refusals)


def measure_at(
    rate: float, server: Running, requests: Sequence[Request], seconds: float, connections: int
) -> Load:
    """Ask ``rate`` times a second; a latency counts from when its request was due."""
    return _measured(server, requests, lambda: _own(server, requests, seconds, connections, rate), False)


def _measured(
    server: Running,
    requests: Sequence[Request],
    generate: Callable[[], dict[str, float]],
    refusals: bool,
) -> Load:
    before, start = server.cpu_seconds(), time.monotonic()
    found = generate()
    cpu, elapsed = server.cpu_seconds() - before, time.monotonic() - start
    count = int(found["count"])
    if not count or found["broken"] or (found["refused"] and not refusals):
        raise LoadError(
            f"{server.name}: {count} answers, {found['refused']:g} of them errors; "
            f"{found['broken']:g} broken connections"
        )
    if any(request.pipelined > 1 for request in requests):
        found |= {"p50": 0, "p99": 0, "p999": 0}
    seconds = min(found["seconds"], elapsed)
    return Load(count, cpu / count * 1e6, count / seconds, found["p50"], found["p99"], found["p999"])


def _wrk(server: Running, requests: Sequence[Request], seconds: float, connections: int) -> dict[str, float]:
    script = _SCRIPT % "\n".join(f"  batches[{at}] = {_lua(item)}" for at, item in enumerate(requests, 1))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            [*command, "-s", file.name, server.url], check=True, capture_output=True, text=True
        )
    line = done.stdout[done.stdout.rfind("{") :]
    if not line.startswith("{"):
        raise LoadError(f"wrk: {done.stderr.strip()}")
    found: dict[str, float] = json.loads(line)
    return found


def _lua(request: Request) -> str:
    headers = ", ".join(f"[ {_quoted(name)} ] = {_quoted(value)}" for name, value in request.headers.items())
    body = _quoted(request.body) if request.body else "nil"
    parts = f"{_quoted(request.method)}, {_quoted(request.path)}, {{{headers}}}, {body}"
    return f"string.rep(wrk.format({parts}), {request.pipelined})"


def _quoted(text: str) -> str:
    """A Lua string; its long brackets read everything as it stands, but for a first line end."""
    return f"[===[{text}]===]"


def _own(
    server: Running, requests: Sequence[Request], seconds: float, connections: int, rate: float = 0
) -> dict[str, float]:
    order = {
        "port": server.port,
        "seconds": seconds,
        "connections": connections,
        "rate": rate,
        "batches": [[b64encode(item.encode()).decode(), item.pipelined] for item in requests],
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.harness.generator"],
        input=json.dumps(order),
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
