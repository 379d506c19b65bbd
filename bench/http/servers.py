"""The servers that are compared, each a process of its own that answers ``GET /v1/hello``."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
PATH = "/v1/hello"
PACKAGES = ("fastapi", "starlette", "uvicorn[standard]")


@dataclass
class Peers:
    """The environment of the servers that are not ours."""

    python: str
    versions: str


@dataclass
class Server:
    """A server: its name, its command and, while it runs, its address and process."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    pid: int = 0

    @property
    def url(self) -> str:
        """What is asked for."""
        return f"http://127.0.0.1:{self.port}{PATH}"


def _uvicorn(application: str, *options: str) -> tuple[str, ...]:
    return (
        "PEERS",
        "-m",
        "uvicorn",
        application,
        "--app-dir",
        str(HERE / "apps"),
        "--port",
        "PORT",
        *options,
    )


PEERS = [
    Server("svc_common", ("OURS", str(HERE / "apps/service.py")), {"HTTP_SERVER": "fast"}),
    Server(
        "svc_common, Tornado's server", ("OURS", str(HERE / "apps/service.py")), {"HTTP_SERVER": "tornado"}
    ),
    Server("Tornado", ("OURS", str(HERE / "apps/stock.py"), "PORT")),
    Server("FastAPI + uvicorn", _uvicorn("asgi:fastapi")),
    Server("FastAPI + uvicorn, no log", _uvicorn("asgi:fastapi", "--no-access-log")),
    Server("starlette + uvicorn, no log", _uvicorn("asgi:starlette", "--no-access-log")),
]


def prepare_peers(folder: Path) -> Peers:
    """An environment in ``folder`` with the newest released peers."""
    python = str(folder / "bin" / "python")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
    ):
        subprocess.run(command, check=True, capture_output=True, text=True)
    names = ["fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic"]
    script = f"from importlib.metadata import version as v; print(', '.join(n + ' ' + v(n) for n in {names}))"
    found = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True)
    return Peers(python, found.stdout.strip())


@contextmanager
def running_servers(servers: list[Server], peers: Peers) -> Iterator[None]:
    """Start all of them; they are stopped when the block ends."""
    with ExitStack() as stack:
        for server in servers:
            server.port, admin_port = _free_port(), _free_port()
            places = {"OURS": sys.executable, "PEERS": peers.python, "PORT": str(server.port)}
            process = subprocess.Popen(
                [places.get(word, word) for word in server.command],
                env={
                    "PATH": os.environ.get("PATH", ""),
                    "SERVER_PORT": str(server.port),
                    "ADMIN_PORT": str(admin_port),
                    "AUTH_MODE": "none",
                    "LOG_FORMAT": "json",
                    **server.environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            server.pid = process.pid
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            _wait_for(server, process)
        yield


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
