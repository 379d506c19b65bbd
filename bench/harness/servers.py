"""The servers that are compared: how each is started, and its process while it runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devstack.stores.children import end_with_parent

from .ports import cpu_seconds, free_port, resident_bytes

OURS, PEERS, PORT = "{ours}", "{peers}", "{port}"
"""Words of a command that stand for our Python, the peers' Python and the port."""


@dataclass(frozen=True)
class Server:
    """A server: its name, its command, what its environment adds, and an address that answers 200.

    ``needs`` is a program that must be installed; ``port`` is 0 for a free one.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    probe: str = ""
    needs: str = ""
    port: int = 0


@dataclass(frozen=True)
class Running:
    """A server that runs, as one process (and what that starts itself)."""

    name: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """CPU time so far, user and system."""
        return cpu_seconds(self.pid)

    def resident_bytes(self) -> int:
        """Memory that it holds."""
        return resident_bytes(self.pid)


def service(
    name: str, *arguments: str, http_server: str = "fast", probe: str = "", **environment: str
) -> Server:
    """One of ours: ``service("redis-svc", "-m", "redis_svc")``, with its JSON log and its metrics."""
    settings = {"AUTH_MODE": "none", "LOG_FORMAT": "json", "HTTP_SERVER": http_server}
    return Server(name, (OURS, *arguments), {**settings, **environment}, probe)


def uvicorn(
    name: str, application: str, folder: Path, *options: str, probe: str = "", **environment: str
) -> Server:
    """An ASGI application from ``folder`` under uvicorn (uvloop, httptools), as it starts by default."""
    command = (PEERS, "-m", "uvicorn", application, "--app-dir", str(folder), "--port", PORT, *options)
    return Server(name, command, environment, probe)


@contextmanager
def running(server: Server, peers: str) -> Iterator[Running]:
    """Run a server while the block lasts; raise RuntimeError when it does not come up.

    It is kept on one core where there are several, so that a helping thread gives no one an advantage.
    """
    port = server.port or free_port()
    words = {OURS: sys.executable, PEERS: peers, PORT: str(port)}
    process = subprocess.Popen(
        [words.get(word, word) for word in server.command],
        env={
            "PATH": os.environ.get("PATH", ""),
            "SERVER_PORT": str(port),
            "ADMIN_PORT": str(free_port()),
            **server.environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us
        preexec_fn=end_with_parent(signal.SIGTERM, os.getpid()),
    )
    try:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(process.pid, cores[-1:])
        _wait_for(server, port, process)
        yield Running(server.name, port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(server: Server, port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{server.name} ended with status {process.returncode} while starting")
        if _answers(f"http://127.0.0.1:{port}{server.probe}" if server.probe else "", port):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{server.name} does not answer")


def _answers(url: str, port: int) -> bool:
    try:
        if url:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own loopback address
                return True
        socket.create_connection(("127.0.0.1", port), 1).close()
    except (OSError, urllib.error.URLError):
        return False
    return True
