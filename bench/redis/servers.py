"""The servers that are compared, each one process in front of the same Redis."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = ("fastapi", "uvicorn[standard]", "redis[hiredis]")


@dataclass
class Server:
    """A running server: its name, its address and its process."""

    name: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running_servers(folder: Path, redis_port: int) -> Iterator[dict[str, Server]]:
    """Start all of them; they are stopped when the block ends."""
    python = _peer_environment(folder)
    url = f"redis://127.0.0.1:{redis_port}/0"
    with ExitStack() as stack:
        servers = {}
        for name, http_server in (("redis-svc", "fast"), ("redis-svc, Tornado's server", "tornado")):
            port = free_port()
            environment = {
                "SERVER_PORT": str(port),
                "ADMIN_PORT": str(free_port()),
                "AUTH_MODE": "none",
                "LOG_FORMAT": "json",
                "HTTP_SERVER": http_server,
                "REDIS_URL": url,
            }
            servers[name] = _start(stack, name, port, [sys.executable, "-m", "redis_svc"], environment)
        for name, options in (("FastAPI", ()), ("FastAPI, no access log", ("--no-access-log",))):
            port = free_port()
            command = [python, "-m", "uvicorn", "fastapi_peer:app", "--app-dir", str(HERE / "apps")]
            servers[name] = _start(
                stack, name, port, [*command, "--port", str(port), *options], {"REDIS_URL": url}
            )
        port = free_port()
        configuration = folder / "webdis.json"
        configuration.write_text(
            json.dumps(
                {
                    "redis_host": "127.0.0.1",
                    "redis_port": redis_port,
                    "http_host": "127.0.0.1",
                    "http_port": port,
                    "threads": 1,
                    "pool_size": 20,
                    "daemonize": False,
                    "database": 0,
                    "acl": [{"disabled": ["DEBUG"]}],
                    "verbosity": 1,
                    "logfile": os.devnull,
                }
            )
        )
        servers["webdis"] = _start(stack, "webdis", port, ["webdis", str(configuration)], {})
        yield servers


def _peer_environment(folder: Path) -> str:
    python = str(folder / "bin" / "python")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
    ):
        subprocess.run(command, check=True, capture_output=True, text=True)
    return python


def _start(stack: ExitStack, name: str, port: int, command: list[str], environment: dict[str, str]) -> Server:
    process = subprocess.Popen(
        command,
        env={"PATH": os.environ.get("PATH", ""), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stack.callback(process.wait, 30)
    stack.callback(process.terminate)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{name} ended with {process.returncode}: {' '.join(command)}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return Server(name, port, process.pid)
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{name} does not listen")


def free_port() -> int:
    """A TCP port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
