"""The servers that are compared, each a process of its own in front of the same database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = ("fastapi", "uvicorn[standard]", "psycopg[binary,pool]")

_ROWS = ("/rows/one?id=7", "/rows/many?limit=100", "/rows/embed?limit=20", "/rows/bulk")
_JSON = tuple(path.replace("/rows/", "/json/") for path in _ROWS)
_REST = (
    "/rest/authors?id=eq.7",
    "/rest/books?order=id&limit=100",
    "/rest/authors?select=id,name,books(id,title)&order=id&limit=20",
    "/rest/entries",
)


@dataclass
class Server:
    """A server: its name, its command, its four paths and, while it runs, its port and process."""

    name: str
    command: tuple[str, ...]
    paths: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    pid: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


_UVICORN = ("PEERS", "-m", "uvicorn", "peer:app", "--app-dir", str(HERE / "apps"), "--port", "PORT")

OURS = Server("pg-svc", ("OURS", "-m", "pg_svc"), _REST, {"HTTP_SERVER": "fast"})
SERVERS = [
    OURS,
    Server("FastAPI, rows as objects", (*_UVICORN, "--no-access-log"), _ROWS),
    Server("FastAPI, JSON by the database", (*_UVICORN, "--no-access-log"), _JSON),
]


def prepare_peers(folder: Path) -> tuple[str, str]:
    """A Python in ``folder`` with the newest released peers, and their versions."""
    python = str(folder / "bin" / "python")
    if not Path(python).exists():
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True)
    names = ["fastapi", "uvicorn", "uvloop", "httptools", "pydantic", "psycopg"]
    script = f"from importlib.metadata import version as v; print(', '.join(n + ' ' + v(n) for n in {names}))"
    found = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True)
    return python, found.stdout.strip()


@contextmanager
def running(server: Server, python: str, database: str) -> Iterator[None]:
    """Start it; it is stopped when the block ends."""
    server.port, admin_port = _free_port(), _free_port()
    places = {"OURS": sys.executable, "PEERS": python, "PORT": str(server.port)}
    process = subprocess.Popen(
        [places.get(word, word) for word in server.command],
        env={
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": os.environ.get("PYTHONPATH", "") if server is OURS else "",
            "SERVER_PORT": str(server.port),
            "ADMIN_PORT": str(admin_port),
            "DATABASE_URL": database,
            "MIGRATE": "never",
            "PGRST_DB_ANON_ROLE": "reader",
            "LOG_FORMAT": "json",
            "REQUEST_TIMEOUT": "300",
            **server.environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server.pid = process.pid
    try:
        _wait_for(server, process)
        yield
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
            with urllib.request.urlopen(server.url + server.paths[0], timeout=2):  # noqa: S310
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{server.name} does not answer")
