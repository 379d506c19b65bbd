"""The servers that are compared, each a process of its own in front of the same local upstream."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = ("fastapi", "uvicorn[standard]", "httpx", "aiocache")


@dataclass
class Server:
    """A server: its name, its command and, while it runs, its port and process."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    pid: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


_APP = ("fastapi_weather:app", "--app-dir", str(HERE / "apps"))
_UVICORN = ("PEERS", "-m", "uvicorn", *_APP, "--port", "PORT")

OURS = Server("weather-svc", ("OURS", "-m", "weather_svc"), {"HTTP_SERVER": "fast"})
SERVERS = [
    OURS,
    Server("weather-svc, Tornado's server", ("OURS", "-m", "weather_svc"), {"HTTP_SERVER": "tornado"}),
    Server("FastAPI + httpx + aiocache", _UVICORN),
    Server("FastAPI + httpx + aiocache, no log", (*_UVICORN, "--no-access-log")),
]


def prepare_peers(folder: Path) -> tuple[str, str]:
    """A Python in ``folder`` with the newest released peers, and their versions."""
    python = str(folder / "bin" / "python")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
    ):
        subprocess.run(command, check=True, capture_output=True, text=True)
    names = ["fastapi", "uvicorn", "uvloop", "httptools", "pydantic", "httpx", "aiocache"]
    script = f"from importlib.metadata import version as v; print(', '.join(n + ' ' + v(n) for n in {names}))"
    found = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True)
    return python, found.stdout.strip()


@contextmanager
def running(server: Server, upstream_url: str, peers: str, **environment: str) -> Iterator[Server]:
    """Run a server while the block lasts."""
    server.port, admin_port = _free_port(), _free_port()
    places = {"OURS": sys.executable, "PEERS": peers, "PORT": str(server.port)}
    process = subprocess.Popen(
        [places.get(word, word) for word in server.command],
        env={
            "PATH": os.environ.get("PATH", ""),
            "SERVER_PORT": str(server.port),
            "ADMIN_PORT": str(admin_port),
            "AUTH_MODE": "none",
            "LOG_FORMAT": "json",
            "WEATHER_URI": upstream_url,
            "WEATHER_GEOCODING_URI": upstream_url,
            **server.environment,
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server.pid = process.pid
    try:
        _wait_for(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{server.name} ended with {process.returncode}: {' '.join(server.command)}")
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{server.name} does not listen")
