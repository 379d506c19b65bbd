"""A service as a process of its own, for tests that kill, drain or overload it."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from types import TracebackType

import httpx

_START_SECONDS = 30.0
_PORTS = range(10_000, 15_000)
_MOST_RESERVED = 200  # each is an open file
_reserved: deque[int] = deque()


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on right now.

    It lies below the range from which the kernel takes the ports of outgoing connections, so that none of
    those takes it before a service does, and below those that devstack's stores choose from. Tests that run
    at the same time in other processes are not given it while this process runs.
    """
    for port in random.sample(_PORTS, min(200, len(_PORTS))):
        if _reserve(port):
            return port
    raise RuntimeError("there is no free port")


def _reserve(port: int) -> bool:
    """Hold the UDP port of the same number, which TCP servers do not mind and which ends with the process."""
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        holder.bind(("127.0.0.1", port))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        holder.close()
        return False
    _reserved.append(holder.detach())
    if len(_reserved) > _MOST_RESERVED:
        os.close(_reserved.popleft())
    return True


def _python_path(*paths: str | None) -> dict[str, str]:
    known = [path for path in paths if path]
    return {"PYTHONPATH": os.pathsep.join(known)} if known else {}


class ServiceProcess:
    """``python -m MODULE`` on free ports, as a context manager.

    The process gets ``environment`` and, of the test's own, only HTTP_SERVER and PYTHONPATH (behind what
    ``environment`` has there). ``log`` is what it has written to stderr so far. Leaving the block ends it; a
    test that cares about its exit calls ``stop``.
    """

    def __init__(self, module: str, **environment: str) -> None:
        self.module = module
        self.port = int(environment.get("SERVER_PORT") or free_port())
        self.admin_port = int(environment.get("ADMIN_PORT") or free_port())
        self.environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONWARNINGS": "error",
            "AUTH_MODE": "none",
            "LOG_FORMAT": "json",
            **{name: os.environ[name] for name in ("HTTP_SERVER",) if name in os.environ},
            **environment,
            **_python_path(environment.get("PYTHONPATH"), os.environ.get("PYTHONPATH")),
            "SERVER_PORT": str(self.port),
            "ADMIN_PORT": str(self.admin_port),
        }
        self.url = f"http://127.0.0.1:{self.port}{environment.get('BASE_PATH', '')}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"
        self._log_file = tempfile.NamedTemporaryFile(prefix=f"{module}-", suffix=".log")  # noqa: SIM115
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running (or ended) process."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def log(self) -> str:
        """What the process has written to stderr."""
        return Path(self._log_file.name).read_text()

    def start(self, *, ready: bool = True) -> ServiceProcess:
        """Start it and wait until it is alive; until it is ready, too, unless ``ready`` is False."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stderr=self._log_file,
        )
        self.wait_for("/readyz" if ready else "/livez")
        return self

    def wait_for(self, path: str, status: int = 200, *, timeout: float = _START_SECONDS) -> None:
        """Wait until the admin port answers ``path`` with ``status``."""
        deadline = time.monotonic() + timeout
        seen = "no answer"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.module} ended with {self.process.returncode}:\n{self.log}")
            try:
                answer = httpx.get(self.admin_url + path, trust_env=False, timeout=5)
                if answer.status_code == status:
                    return
                seen = f"{answer.status_code} {answer.text}"
            except httpx.TransportError as error:
                seen = repr(error)
            time.sleep(0.02)
        raise AssertionError(f"{path} did not answer {status} within {timeout} s, last: {seen}\n{self.log}")

    def stop(self, signal_number: int = 15, *, timeout: float = 30.0) -> int:
        """Send a signal (SIGTERM) and return the exit status."""
        self.process.send_signal(signal_number)
        return self.process.wait(timeout)

    def __enter__(self) -> ServiceProcess:
        if self._process is None:
            try:
                self.start()
            except BaseException:
                self.__exit__(None, None, None)
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log_file.close()
