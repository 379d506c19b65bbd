"""The servers that are compared, each a process of its own in front of the same MongoDB."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = ("eve", "gunicorn", "fastapi", "uvicorn[standard]", "pymongo")


@dataclass
class Server:
    """A server: its name, its command, its paths (by name, page, bulk) and its port and process."""

    name: str
    command: tuple[str, ...]
    paths: tuple[str, str, str]
    port: int = 0
    admin_port: int = 0
    pid: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


_APPS = str(HERE / "apps")

OURS = Server("mongo-svc", ("OURS", "-m", "mongo_svc"), ("/v1/items/n7", "/v1/items?limit=100", "/v1/bulk"))
EVE = Server(
    "Eve, gunicorn",
    ("PEERS", "-m", "gunicorn", "eve_peer:app", "--chdir", _APPS, "-w", "1", "-b", "127.0.0.1:PORT"),
    ("/items/n7", "/items?max_results=100", "/bulk"),
)
FASTAPI = Server(
    "FastAPI, uvicorn",
    ("PEERS", "-m", "uvicorn", "fastapi_peer:app", "--app-dir", _APPS, "--port", "PORT", "--no-access-log"),
    ("/items/n7", "/items?limit=100", "/bulk"),
)
SERVERS = [OURS, EVE, FASTAPI]


def prepare_peers(folder: Path) -> tuple[str, str]:
    """A Python in ``folder`` with the newest released peers, and their versions."""
    python = str(folder / "bin" / "python")
    if not Path(python).exists():
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True)
    names = ["eve", "gunicorn", "fastapi", "uvicorn", "uvloop", "pymongo"]
    script = f"from importlib.metadata import version as v; print(', '.join(n + ' ' + v(n) for n in {names}))"
    found = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True)
    return python, found.stdout.strip()


@contextmanager
def running(server: Server, python: str, store: str) -> Iterator[None]:
    """Start it; it is stopped when the block ends."""
    server.port, server.admin_port = _free_port(), _free_port()
    places = {"OURS": sys.executable, "PEERS": python}
    command = [places.get(word, word.replace("PORT", str(server.port))) for word in server.command]
    process = subprocess.Popen(
        command,
        env={
            "PATH": os.environ.get("PATH", ""),
            "SERVER_PORT": str(server.port),
            "ADMIN_PORT": str(server.admin_port),
            "AUTH_MODE": "none",
            "HTTP_SERVER": "fast",
            "LOG_FORMAT": "json",
            "MONGODB_URI": store,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(server, process)
        server.pid = _worker(process.pid) if server is EVE else process.pid
        yield
    finally:
        process.terminate()
        process.wait(30)


def _worker(pid: int) -> int:
    """The one worker of gunicorn: it does the work."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


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
