"""``python -m devstack`` as a process: what ``make run`` runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import httpx
import psutil

MARKER = "STOREFRONTS_STACK"
_READY_SECONDS = 240.0


class Stack:
    """The whole of Storefronts on a data folder of its own, as a context manager."""

    def __init__(self, data: Path, port: int, **environment: str) -> None:
        self.data = data
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.output_file = data.parent / f"{data.name}.out"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(data.parent),
            "PORT": str(port),
            "OFFLINE": "1",
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None
        return self._process

    @property
    def output(self) -> str:
        """What it has printed."""
        return self.output_file.read_text()

    def start(self) -> Stack:
        """Start it and wait until it says that it is ready."""
        with self.output_file.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "devstack", "--data", str(self.data)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while "Ctrl-C stops everything" not in self.output:
            assert self._process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        # On a very busy machine it says after a minute that it is not complete yet
        while not all(self._serves(name) for name in ("mongo", "redis", "pg", "weather")):
            assert self._process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)
        return self

    def _serves(self, name: str) -> bool:
        try:
            answer = httpx.get(f"{self.url}/-/status/{name}", trust_env=False, timeout=30)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(120)

    def processes(self) -> list[psutil.Process]:
        """Every process of this stack."""
        return sorted(
            (process for process in psutil.process_iter() if self._is_ours(process)), key=lambda p: p.pid
        )

    def kill_everything(self) -> None:
        """``kill -9`` of the whole tree."""
        self.process.kill()
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(60)
        psutil.wait_procs(self.processes(), 60)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if process.environ().get(MARKER) == str(self.data):
                return True
            # PostgreSQL's own processes overwrite their environment with their title
            return any(parent.environ().get(MARKER) == str(self.data) for parent in process.parents())
        except psutil.Error:
            return False

    def __enter__(self) -> Stack:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill_everything()
